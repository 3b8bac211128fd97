"""Operators that work partition by partition: window functions, LIMIT, DISTINCT ON.

A change touches the partitions K of the changed rows, and any row of those may come out
differently. The operator's output is kept in a state table, so what it was is known even where
PostgreSQL was free to choose (row_number() among peers, LIMIT among ties):

    old(P) = the state table
    δ(P)   = P(new(child) restricted to K) - state restricted to K, without unchanged rows
    new(P) = the state table without K + P(new(child) restricted to K)

Without a partition everything is one partition, and any change computes a window function again;
what stands above it still gets a small delta. First rows, of a window function too, follow from
those that were kept, where enough of them stay (`first_rows`). The common table expressions are

    k_n   the touched partitions
    o_n   the stored rows in them
    b_n   the operator's new rows in them
    g_n, c_n   the rows gone and come (`exchange`)
    t_n, e_n   of first rows: keys that changed often, and what changed
    v_n, r_n   what is known now, and partitions to compute again
    n_n, q_n, w_n   of first rows found `one_by_one`: new partitions, what others had, n_n and r_n
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtrickle.delta.exchange import MOST_COLUMNS, PLACE, copies, exchanged
from pgtrickle.delta.first_rows import carry_forward, first_rows
from pgtrickle.delta.linear import changed
from pgtrickle.delta.lookups import lookup
from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.merged import terms_with
from pgtrickle.delta.one_by_one import OneByOne, one_by_one
from pgtrickle.delta.relation import WEIGHT, Relation, select, union_all
from pgtrickle.delta.restriction import HASH, Matching, restrict, textual
from pgtrickle.delta.state import ColumnType, States, StateTable, fit_an_index
from pgtrickle.query.algebra import TopN, Window
from pgtrickle.query.expression import Column, Expression
from pgtrickle.query.keys import keys as unique_keys
from pgtrickle.query.keys import not_null_ids
from pgtrickle.query.lowering import NotIncremental
from pgtrickle.query.render import render_expression

Partitioned = Window | TopN


@dataclass(frozen=True, slots=True)
class Analysis:
    """The columns of the state that are the partition keys, and how partitions are matched.

    `added` are those that are no columns of the input. `row_key`: columns that are unique and not
    null, none without. `one_by_one`: how first rows are looked for, where that is so.
    """

    keys: tuple[str, ...]
    added: tuple[str, ...]
    matching: Matching
    row_key: tuple[str, ...]
    one_by_one: OneByOne | None


def asked(node: Partitioned) -> tuple[str, ...]:
    """The partition keys, and a key of the rows: what must be known of their types."""
    return (*(render_expression(expression) for expression in node.partition), *_row_key(node))


def _types_of_keys(node: Partitioned, states: States) -> Sequence[ColumnType]:
    """The types of the partition keys, once `asked`."""
    return states.types[id(node)][: len(node.partition)]


def prepare(node: Partitioned, maintenance: Maintenance) -> None:
    """Analyse the node and add its state table. Children come first."""
    states = maintenance.states
    analysis = _analyse(node, states)
    states.analyses[id(node)] = analysis
    form = analysis.one_by_one
    if form is None:
        rows = _body(node, _with_partition(node, maintenance.initial(node.child)))
    else:
        rows = form.found(maintenance.initial(form.rows), maintenance.initial(form.others))
    fill = select([*analysis.matching.hash_column("b"), "b.*"], f"FROM ({rows.sql}) AS b")
    matching = analysis.matching
    types = dict(zip(analysis.keys, _types_of_keys(node, states), strict=True))
    further = lookup(states.lookups.get(id(node), ()), matching, types)
    states.add(id(node), fill, index=matching.index, lookup=further)


def _keys(node: Partitioned) -> tuple[str, ...]:
    """A column of the input under its own name, so that whoever joins by it finds the index."""
    keys: list[str] = []
    for number, expression in enumerate(node.partition, start=1):
        name = _column_name(expression)
        own = name in node.child.ids and name not in keys
        keys.append(name if name is not None and own else f"p{number}")
    return tuple(keys)


def _row_key(node: Partitioned) -> tuple[str, ...]:
    """The columns of a key, in order; none where there is none, or rows have too many columns."""
    found = unique_keys(node.child)
    return tuple(sorted(found[0])) if found and len(node.ids) <= MOST_COLUMNS else ()


def _added(node: Partitioned) -> tuple[str, ...]:
    return tuple(key for key in _keys(node) if key not in node.child.ids)


def _column_name(expression: Expression) -> str | None:
    return (
        expression.name if isinstance(expression, Column) and expression.relation is None else None
    )


def _analyse(node: Partitioned, states: States) -> Analysis:
    keys, types = _keys(node), _types_of_keys(node, states)
    of_row_key = states.types[id(node)][len(keys) :]
    for type in types:
        obstacle = type.obstacle()
        if obstacle is not None:
            raise NotIncremental("PARTITION BY", obstacle)
    not_null = not_null_ids(node.child.attributes)
    nullable = tuple(
        key
        for key, expression in zip(keys, node.partition, strict=True)
        if _column_name(expression) not in not_null
    )
    bounded = fit_an_index(type.width for type in types)
    matching = Matching(keys, nullable, bounded, textual(keys, types))
    row_key = _row_key(node) if all(type.obstacle() is None for type in of_row_key) else ()
    return Analysis(keys, _added(node), matching, row_key, one_by_one(node))


def _with_partition(node: Partitioned, child: Relation) -> Relation:
    """The child with the partition keys as columns."""
    added = _added(node)
    keys = [
        f"{render_expression(e)} AS {key}"
        for e, key in zip(node.partition, _keys(node), strict=True)
        if key in added
    ]
    ids = child.ids + added
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
    return Relation(first_rows(node, _keys(node), keyed), ids, weighted=False)


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
    terms = _new_terms(node, maintenance)
    return Relation(union_all(term.sql for term in terms), node.ids, weighted=False)


def _new_terms(node: Partitioned, maintenance: Maintenance) -> list[Relation]:
    analysis, table = _state(node, maintenance)
    touched, rows = _touched(node, maintenance)
    kept = select(
        [f"s.{id}" for id in node.ids],
        f"FROM {table.qualified} AS s",
        f"WHERE NOT EXISTS (SELECT FROM {touched} AS k WHERE {analysis.matching.same('s', 'k')})",
    )
    fresh = select([f"b.{id}" for id in node.ids], f"FROM {rows} AS b")
    return [Relation(sql, node.ids, weighted=False) for sql in (kept, fresh)]


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
    columns = (*node.ids, *analysis.added)
    form = analysis.one_by_one
    renewed = None if form is None else _renewed(form, analysis, suffix, maintenance)
    if form is None:
        delta = _with_partition(node, changed(node.child, maintenance))
    else:
        delta = form.changes(renewed, matching.same_unhashed("n", "c"), maintenance)
    change = maintenance.share(delta)
    keys = [f"c.{key}" for key in analysis.keys]
    hash = matching.hash_column("c")
    met = select([*hash, *keys] or ["1 AS one"], f"FROM {change.source('c')}", _distinct(keys))
    of_both = [met, *([f"SELECT * FROM {renewed}"] if renewed is not None else [])]
    touched = maintenance.add_cte(f"k_{suffix}", union_all(of_both))
    stored = maintenance.add_cte(
        f"o_{suffix}",
        select(
            [
                f"s.ctid AS {PLACE}",
                *(f"s.{id}" for id in columns),
                *([] if analysis.row_key else copies(columns, "s")),
            ],
            # A join and not EXISTS, for each is touched once: so it may begin with what is touched.
            f"FROM {table.qualified} AS s JOIN {touched} AS k ON {matching.same('s', 'k')}",
        ),
    )
    kept = stored
    if renewed is not None:
        gone = f"EXISTS (SELECT FROM {renewed} AS n WHERE {matching.same_unhashed('n', 'o')})"
        kept = maintenance.add_cte(f"q_{suffix}", f"SELECT o.* FROM {stored} AS o WHERE NOT {gone}")
    carried = carry_forward(node, change, kept, analysis.keys, analysis.row_key, hash, suffix)
    if carried is None:
        rows = _computed_again(node, analysis, touched, maintenance)
    else:
        for name, sql in carried.ctes:
            maintenance.add_cte(name, sql)
        short = carried.short
        if renewed is not None:
            both = union_all([f"SELECT * FROM {short}", f"SELECT * FROM {renewed}"])
            short = maintenance.add_cte(f"w_{suffix}", both)
        rows = union_all([carried.rows, _computed_again(node, analysis, short, maintenance)])
    fresh = maintenance.add_cte(
        f"b_{suffix}",
        select(
            [
                *matching.hash_column("b"),
                *(f"b.{id}" for id in columns),
                *([] if analysis.row_key else copies(columns, "b")),
            ],
            f"FROM ({rows}) AS b",
        ),
    )
    hashed = [HASH] if matching.hashed else []
    key = analysis.row_key
    gone, come = exchanged(stored, fresh, columns, key, hashed, suffix, maintenance)
    maintenance.add_change(
        f"d_{suffix}",
        f"DELETE FROM {table.qualified} AS s WHERE s.ctid = ANY"
        f" (ARRAY(SELECT g.{PLACE} FROM {gone} AS g))",
    )
    names = ", ".join([*hashed, *columns])
    maintenance.add_change(
        f"i_{suffix}",
        f"INSERT INTO {table.qualified} ({names}) SELECT {names} FROM {come}",
    )


def _renewed(
    form: OneByOne, analysis: Analysis, suffix: str, maintenance: Maintenance
) -> str | None:
    """CTE of the partitions that come or go with the rows that first rows are looked for of."""
    change = maintenance.delta(form.rows)
    if change is None:
        return None
    keyed = form.with_keys(change)
    keys = [f"c.{key}" for key in analysis.keys]
    items = [*analysis.matching.hash_column("c"), *keys]
    sql = select(items, f"FROM {keyed.source('c')}", f"GROUP BY {', '.join(keys)}")
    return maintenance.add_cte(f"n_{suffix}", sql)


def _computed_again(
    node: Partitioned, analysis: Analysis, wanted: str, maintenance: Maintenance
) -> str:
    """The operator's rows in the partitions whose keys are in the CTE `wanted`."""
    form = analysis.one_by_one
    if form is not None:
        rows = form.with_keys(maintenance.new(form.rows))
        sought = union_all(restrict(rows, analysis.matching, wanted))
        found = form.found(Relation(sought, rows.ids, False), maintenance.new(form.others))
        return found.sql
    by_key = dict(zip(analysis.keys, node.partition, strict=True))
    terms = terms_with(node.child, by_key, wanted, maintenance)
    keyed = [_with_partition(node, term) for term in terms]
    parts = [part for term in keyed for part in restrict(term, analysis.matching, wanted)]
    body = _body(node, Relation(union_all(parts), keyed[0].ids, weighted=False))
    return select(
        [f"b.{id}" for id in body.ids],
        f"FROM {body.source('b')}",
        "" if analysis.keys else f"WHERE EXISTS (SELECT FROM {wanted})",
    )


def _distinct(keys: list[str]) -> str:
    return f"GROUP BY {', '.join(keys)}" if keys else "LIMIT 1"


PARTITIONED = Rules(initial=_initial, new=_new, old=_old, delta=_delta, new_terms=_new_terms)
