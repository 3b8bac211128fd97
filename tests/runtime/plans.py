# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Stream tables with plans written by hand, so that the runtime is tested without the compiler."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import psycopg

# A delta of images: rows that were are found by their key, rows that are go in after them.
KEYED = """
net as (
    select {columns}, sum(__pgt_weight)::bigint as weight
    from ({changes}) c group by {columns} having sum(__pgt_weight) <> 0
),
gone as (
    delete from {target} t using net n
    where n.weight < 0 and row({t_columns})::record *= row({n_columns})::record
      and t.{key} = n.{key}
    returning 1
),
come as (
    insert into {target} select {columns} from net
    where weight > 0 and (select count(*) from gone) >= 0 returning 1
),
outcome as (
    select (select count(*) from come) as rows_inserted, (select count(*) from gone) as rows_deleted,
        (select count(*) from gone) = (select count(*) from net where weight < 0) as consistent
)
"""

BAG = """
net as (
    select {columns}, sum(__pgt_weight)::bigint as weight
    from ({changes}) c group by {columns} having sum(__pgt_weight) <> 0
),
place as (
    select t.ctid as place, n.weight,
        row_number() over (partition by row({t_columns})::text) as number
    from {target} t join net n on row({t_columns})::record *= row({n_columns})::record
    where n.weight < 0
),
gone as (
    delete from {target} t using place p where t.ctid = p.place and p.number <= - p.weight returning 1
),
come as (
    insert into {target} select {columns} from net cross join lateral generate_series(1, net.weight)
    where weight > 0 and (select count(*) from gone) >= 0 returning 1
),
outcome as (
    select (select count(*) from come) as rows_inserted, (select count(*) from gone) as rows_deleted,
        (select count(*) from gone) = (select coalesce(sum(-weight), 0) from net where weight < 0)
            as consistent
)
"""

# select <key>, sum(<value>) as total from <source> group by <key>, counts kept in a state table.
TOTALS = """
d as (select {key}, sum(__pgt_weight)::bigint as c, sum({value} * __pgt_weight)::bigint as s
    from changes_0 group by {key}),
n as (select d.{key}, coalesce(o.c, 0) + d.c as c, coalesce(o.s, 0) + d.s as s, o.c is not null as had
    from d left join pgtrickle_state.{state} o on o.{key} is not distinct from d.{key}),
state_gone as (delete from pgtrickle_state.{state} o using n
    where o.{key} is not distinct from n.{key} and n.had and n.c = 0),
state_kept as (update pgtrickle_state.{state} o set c = n.c, s = n.s from n
    where o.{key} is not distinct from n.{key} and n.had and n.c <> 0),
state_come as (insert into pgtrickle_state.{state} select {key}, c, s from n where not had and c <> 0),
gone as (delete from {target} t using n
    where t.{key} is not distinct from n.{key} and n.had and n.c = 0 returning 1),
kept as (update {target} t set total = n.s from n
    where t.{key} is not distinct from n.{key} and n.had and n.c <> 0 returning 1),
come as (insert into {target} select {key}, s from n where not had and c <> 0 returning 1),
outcome as (
    select (select count(*) from come) + (select count(*) from kept) as rows_inserted,
        (select count(*) from gone) + (select count(*) from kept) as rows_deleted,
        not exists (select from n where c < 0) as consistent
)
"""


def create(
    connection: psycopg.Connection[Any],
    name: str,
    query: str,
    *,
    sources: Sequence[tuple[str, Sequence[str]]] = (),
    identity: Sequence[str] | None = None,
    deltas: dict[str, str] | None = None,
    state: Sequence[dict[str, Any]] = (),
    initialize: bool = True,
    mode: str = "AUTO",
) -> None:
    """Create a stream table with this plan, or with none where there are no deltas."""
    with connection.transaction():
        if deltas is not None:
            offer(connection, query, sources, identity, deltas, state)
        connection.execute(
            "select pgtrickle.create_stream_table("
            "name => %s, query => %s, initialize => %s, refresh_mode => %s)",
            [name, query, initialize, mode],
        )


def plan_of(
    connection: psycopg.Connection[Any],
    query: str,
    sources: Sequence[tuple[str, Sequence[str]]],
    identity: Sequence[str] | None,
    deltas: dict[str, str],
    state: Sequence[dict[str, Any]] = (),
) -> str:
    canonical, *_ = connection.execute(
        "select pgtrickle._canonical_query(%s)", [query]
    ).fetchone() or (None,)
    relids = [
        (connection.execute("select %s::regclass::oid::bigint", [relation]).fetchone() or (0,))[0]
        for relation, _ in sources
    ]
    return json.dumps(
        {
            "format": 1,
            "mode": "DIFFERENTIAL",
            "reason": None,
            "construct": None,
            "compiler": "by hand",
            "query": canonical,
            "sources": [
                {"relid": relid, "columns": list(columns)}
                for relid, (_, columns) in zip(relids, sources, strict=True)
            ],
            "identity": {"kind": "key", "columns": list(identity)}
            if identity is not None
            else {"kind": "row"},
            "state": list(state),
            "deltas": deltas,
        }
    )


def offer(
    connection: psycopg.Connection[Any],
    query: str,
    sources: Sequence[tuple[str, Sequence[str]]],
    identity: Sequence[str] | None,
    deltas: dict[str, str],
    state: Sequence[dict[str, Any]] = (),
) -> None:
    connection.execute(
        "select pgtrickle.offer_plan(%s, %s)",
        [query, plan_of(connection, query, sources, identity, deltas, state)],
    )


def keyed(target: str, columns: Sequence[str], key: str, changes: str) -> str:
    """Delta of a stream table with a key; `changes` selects its columns and __pgt_weight."""
    return _fill(KEYED, target, columns, changes).format_map({"key": key})


def bag(target: str, columns: Sequence[str], changes: str) -> str:
    """Delta of a stream table without a key."""
    return _fill(BAG, target, columns, changes)


def _fill(template: str, target: str, columns: Sequence[str], changes: str) -> str:
    return template.format(
        target=target,
        columns=", ".join(columns),
        t_columns=", ".join(f"t.{column}" for column in columns),
        n_columns=", ".join(f"n.{column}" for column in columns),
        changes=changes,
        key="{key}",
    )


def positive_amounts(
    connection: psycopg.Connection[Any], name: str = "marts.positive", source: str = "src.orders"
) -> None:
    """A filter: `select id, amount from src.orders where amount > 0`, keyed by id."""
    changes = "select id, amount, __pgt_weight from changes_0 where amount > 0"
    create(
        connection,
        name,
        f"select id, amount from {source} where amount > 0",
        sources=[(source, ["id", "amount"])],
        identity=["id"],
        deltas={"0": keyed(name, ["id", "amount"], "id", changes)},
    )


def totals(
    connection: psycopg.Connection[Any],
    name: str = "marts.totals",
    source: str = "src.orders",
    key: str = "customer",
    value: str = "amount",
) -> None:
    """An aggregate with a state table: total of `value` by `key`; both columns not null."""
    state = "s_" + name.split(".")[-1].lower()
    create(
        connection,
        name,
        f"select {key}, sum({value}) as total from {source} group by {key}",
        sources=[(source, [key, value])],
        identity=[key],
        state=[
            {
                "name": state,
                "fill": f"select {key}, count(*) as c, sum({value}) as s from {source} group by {key}",
                "key": [key],
            }
        ],
        deltas={"0": TOTALS.format(target=name, key=key, value=value, state=state)},
    )


def refresh(
    connection: psycopg.Connection[Any], name: str, *, wait: bool = True, mode: str | None = None
) -> Any:
    """The outcome of try_refresh; fails the test where that failed."""
    outcome = attempt(connection, name, wait=wait, mode=mode)
    assert outcome.status != "FAILED", outcome
    return outcome


def attempt(
    connection: psycopg.Connection[Any], name: str, *, wait: bool = True, mode: str | None = None
) -> Any:
    """The outcome of try_refresh."""
    return connection.execute(
        "select * from pgtrickle.try_refresh(%s, wait => %s, mode => %s)", [name, wait, mode]
    ).fetchone()


def difference(
    connection: psycopg.Connection[Any], name: str, query: str | None = None
) -> list[Any]:
    """Rows of the query that the table lacks (+) and rows it has too many (-), by image."""
    if query is None:
        found = connection.execute("select (pgtrickle._find(%s)).defining_query", [name]).fetchone()
        assert found is not None
        query = found[0]
    return connection.execute(
        f"select image, sum(weight) from ("
        f"select (q.*)::text as image, 1 as weight from ({query}) q union all "
        f"select (t.*)::text, -1 from {name} t) both_sides"
        " group by image having sum(weight) <> 0 order by image"
    ).fetchall()
