"""Operators that work partition by partition: window functions, LIMIT, DISTINCT ON.

A change touches the partitions K of the changed rows, and any row of those may come out
differently. The operator's output is kept in a state table, so what it was is known even where
PostgreSQL was free to choose (row_number() among peers, LIMIT among ties):

    old(P) = the state table
    δ(P)   = P(new(child) restricted to K) - state restricted to K, without unchanged rows
    new(P) = the state table without K + P(new(child) restricted to K)

Without a partition everything is one partition, and any change computes the operator again; what
stands above it still gets a small delta. Common table expressions of one operator:

    k_n   the touched partitions
    b_n   the operator's new rows in them, numbered among equal rows
    o_n   the stored rows in them, likewise
    g_n, c_n   the rows gone and come
"""

from __future__ import annotations

from dataclasses import dataclass

from pgtrickle.delta.linear import changed
from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import WEIGHT, Relation, image, select, union_all
from pgtrickle.delta.restriction import HASH, Matching, restrict, textual
from pgtrickle.delta.state import States, StateTable, fit_an_index
from pgtrickle.query.algebra import TopN, Window
from pgtrickle.query.expression import Column
from pgtrickle.query.keys import not_null_ids
from pgtrickle.query.lowering import NotIncremental
from pgtrickle.query.render import render_expression, render_parts, sort_parts

Partitioned = Window | TopN
RANK = "__rank"


@dataclass(frozen=True, slots=True)
class Analysis:
    """The partition keys as columns p1…pn of the state, and how partitions are matched."""

    keys: tuple[str, ...]
    matching: Matching


def asked(node: Partitioned) -> tuple[str, ...]:
    """The partition keys: what must be known of their types."""
    return tuple(render_expression(expression) for expression in node.partition)


def prepare(node: Partitioned, maintenance: Maintenance) -> None:
    """Analyse the node and add its state table. Children come first."""
    states = maintenance.states
    analysis = _analyse(node, states)
    states.analyses[id(node)] = analysis
    child = maintenance.initial(node.child)
    fill = select(
        [*analysis.matching.hash_column("b"), "b.*"],
        f"FROM ({_body(node, _with_partition(node, child)).sql}) AS b",
    )
    states.add(id(node), fill, index=analysis.matching.index)


def _keys(node: Partitioned) -> tuple[str, ...]:
    return tuple(f"p{i}" for i in range(1, len(node.partition) + 1))


def _analyse(node: Partitioned, states: States) -> Analysis:
    keys, types = _keys(node), states.types[id(node)]
    for type in types:
        obstacle = type.obstacle()
        if obstacle is not None:
            raise NotIncremental("PARTITION BY", obstacle)
    not_null = not_null_ids(node.child.attributes)
    nullable = tuple(
        key
        for key, expression in zip(keys, node.partition, strict=True)
        if not (
            isinstance(expression, Column)
            and expression.relation is None
            and expression.name in not_null
        )
    )
    bounded = fit_an_index(type.width for type in types)
    return Analysis(keys, Matching(keys, nullable, bounded, textual(keys, types)))


def _with_partition(node: Partitioned, child: Relation) -> Relation:
    """The child with the partition keys as columns."""
    names = _keys(node)
    keys = [
        f"{render_expression(e)} AS {key}" for e, key in zip(node.partition, names, strict=True)
    ]
    ids = child.ids + names
    return Relation(select(["c.*", *keys], f"FROM {child.source('c')}"), ids, child.weighted)


def _body(node: Partitioned, keyed: Relation) -> Relation:
    """The operator itself; its columns are the node's, then the partition keys."""
    ids = node.ids + keyed.ids[len(node.child.ids) :]
    if isinstance(node, Window):
        calls = [f"{render_expression(call)} AS {attribute.id}" for attribute, call in node.calls]
        items = [*(f"w.{id}" for id in keyed.ids[: len(node.child.ids)]), *calls]
        items += [f"w.{id}" for id in keyed.ids[len(node.child.ids) :]]
        windowed = Relation(select(items, f"FROM {keyed.source('w')}"), ids, weighted=False)
        if node.where is None:
            return windowed
        kept = f"WHERE {render_expression(node.where)}"
        sql = select([f"w.{id}" for id in ids], f"FROM {windowed.source('w')}", kept)
        return Relation(sql, ids, weighted=False)
    return Relation(_first_rows(node, keyed), ids, weighted=False)


def _first_rows(node: TopN, keyed: Relation) -> str:
    limit = None if node.limit is None else render_expression(node.limit)
    offset = None if node.offset is None else render_expression(node.offset)
    order = f"ORDER BY {render_parts(sort_parts(node.order_by))}" if node.order_by else ""
    if not node.partition:
        tail = [order]
        tail += [f"OFFSET {offset}"] if offset else []
        if limit:
            tail.append(f"FETCH FIRST ({limit}) ROWS WITH TIES" if node.ties else f"LIMIT {limit}")
        return select([f"t.{id}" for id in keyed.ids], f"FROM {keyed.source('t')}", *tail)
    partition = ", ".join(f"t.p{i}" for i in range(1, len(node.partition) + 1))
    function = "rank()" if node.ties else "row_number()"
    ranked = select(
        ["t.*", f"{function} OVER (PARTITION BY {partition} {order}) AS {RANK}"]
        + ([f"row_number() OVER (PARTITION BY {partition} {order}) AS __number"] if offset else []),
        f"FROM {keyed.source('t')}",
    )
    conditions = []
    if limit is not None:
        conditions.append(_within(f"t.{RANK}", limit, offset))
    if offset is not None:
        conditions.append(f"t.__number > coalesce({_whole(offset)}, 0)")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return select([f"t.{id}" for id in keyed.ids], f"FROM ({ranked}) AS t", where)


def _within(place: str, limit: str, offset: str | None) -> str:
    """Whether a row's place is one of the first: all are, where the limit is NULL."""
    if offset is not None:
        place = f"{place} - coalesce({_whole(offset)}, 0)"
    within = f"{place} <= {_whole(limit)}"
    return within if limit.isdigit() else f"({_whole(limit)} IS NULL OR {within})"


def _whole(number: str) -> str:
    """A number of rows as LIMIT takes it: rounded."""
    return number if number.isdigit() else f"({number})::bigint"


def _initial(node: Partitioned, maintenance: Maintenance) -> Relation:
    """What the state is filled with, once it has one: among ties all must see the same choice."""
    table = maintenance.states.tables.get(id(node))
    if table is not None:
        sql = select([f"s.{id}" for id in node.ids], f"FROM {table.filling} AS s")
        return Relation(sql, node.ids, weighted=False)
    keyed = _with_partition(node, maintenance.initial(node.child))
    body = _body(node, keyed)
    sql = select([f"b.{id}" for id in node.ids], f"FROM {body.source('b')}")
    return Relation(sql, node.ids, weighted=False)


def _state(node: Partitioned, maintenance: Maintenance) -> tuple[Analysis, StateTable]:
    return maintenance.states.analyses[id(node)], maintenance.states.tables[id(node)]


def _old(node: Partitioned, maintenance: Maintenance) -> Relation:
    _, table = _state(node, maintenance)
    sql = select([f"s.{id}" for id in node.ids], f"FROM {table.qualified} AS s")
    return Relation(sql, node.ids, weighted=False)


def _new(node: Partitioned, maintenance: Maintenance) -> Relation:
    if not maintenance.is_changed(node):
        return _old(node, maintenance)
    analysis, table = _state(node, maintenance)
    touched, rows = _touched(node, maintenance)
    kept = select(
        [f"s.{id}" for id in node.ids],
        f"FROM {table.qualified} AS s",
        f"WHERE NOT EXISTS (SELECT FROM {touched} AS k WHERE {analysis.matching.same('s', 'k')})",
    )
    fresh = select([f"b.{id}" for id in node.ids], f"FROM {rows} AS b")
    return Relation(union_all([kept, fresh]), node.ids, weighted=False)


def _delta(node: Partitioned, maintenance: Maintenance) -> Relation:
    _touched(node, maintenance)
    suffix = maintenance.states.tables[id(node)].suffix
    terms = [
        select([*(f"x.{id}" for id in node.ids), f"{weight} AS {WEIGHT}"], f"FROM {name} AS x")
        for name, weight in ((f"g_{suffix}", -1), (f"c_{suffix}", 1))
    ]
    return Relation(union_all(terms), node.ids, weighted=True)


def _touched(node: Partitioned, maintenance: Maintenance) -> tuple[str, str]:
    """The CTEs k_n and b_n, adding them and what follows from them the first time."""
    analysis, table = _state(node, maintenance)
    touched, rows = f"k_{table.suffix}", f"b_{table.suffix}"
    if id(node) not in maintenance.finished:
        maintenance.finished[id(node)] = touched
        _add(node, analysis, table, maintenance)
    return touched, rows


def _add(
    node: Partitioned, analysis: Analysis, table: StateTable, maintenance: Maintenance
) -> None:
    matching, suffix = analysis.matching, table.suffix
    child = _with_partition(node, changed(node.child, maintenance))
    hash = analysis.matching.hash_column("c")
    keys = [f"c.{key}" for key in analysis.keys]
    touched = maintenance.add_cte(
        f"k_{suffix}",
        select([*hash, *keys] or ["1 AS one"], f"FROM {child.source('c')}", _distinct(keys)),
    )
    keyed = _with_partition(node, maintenance.new(node.child))
    restricted = Relation(union_all(restrict(keyed, matching, touched)), keyed.ids, weighted=False)
    body = _body(node, restricted)
    if not analysis.keys:
        sql = select(["b.*"], f"FROM {body.source('b')}", f"WHERE EXISTS (SELECT FROM {touched})")
        body = Relation(sql, body.ids, weighted=False)
    columns = (*node.ids, *analysis.keys)
    number = "row_number() OVER (PARTITION BY {}) AS __copy"
    fresh = maintenance.add_cte(
        f"b_{suffix}",
        select(
            [
                *analysis.matching.hash_column("b"),
                *(f"b.{id}" for id in columns),
                f"{image(f'b.{id}' for id in columns)} AS __image",
                number.format(image(f"b.{id}" for id in columns)),
            ],
            f"FROM {body.source('b')}",
        ),
    )
    stored = maintenance.add_cte(
        f"o_{suffix}",
        select(
            [
                "s.ctid AS __place",
                *(f"s.{id}" for id in columns),
                f"{image(f's.{id}' for id in columns)} AS __image",
                number.format(image(f"s.{id}" for id in columns)),
            ],
            # A join and not EXISTS, for each is touched once: so it may begin with what is touched.
            f"FROM {table.qualified} AS s JOIN {touched} AS k ON {matching.same('s', 'k')}",
        ),
    )
    same = "b.__image = o.__image AND b.__copy = o.__copy"
    gone = maintenance.add_cte(
        f"g_{suffix}",
        f"SELECT o.* FROM {stored} AS o WHERE NOT EXISTS (SELECT FROM {fresh} AS b WHERE {same})",
    )
    come = maintenance.add_cte(
        f"c_{suffix}",
        f"SELECT b.* FROM {fresh} AS b WHERE NOT EXISTS (SELECT FROM {stored} AS o WHERE {same})",
    )
    maintenance.add_change(
        f"d_{suffix}",
        f"DELETE FROM {table.qualified} AS s WHERE s.ctid = ANY"
        f" (ARRAY(SELECT g.__place FROM {gone} AS g))",
    )
    names = ", ".join([*([HASH] if matching.hashed else []), *columns])
    maintenance.add_change(
        f"i_{suffix}",
        f"INSERT INTO {table.qualified} ({names}) SELECT {names} FROM {come}",
    )


def _distinct(keys: list[str]) -> str:
    return f"GROUP BY {', '.join(keys)}" if keys else "LIMIT 1"


PARTITIONED = Rules(initial=_initial, new=_new, old=_old, delta=_delta)
