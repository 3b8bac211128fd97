"""Did PostgreSQL choose what the state tables say? For verification where a query leaves it open.

Which of several rows among peers a LIMIT takes, how window functions number peers, and what groups
show whose keys are equal or whose rows have no order, is PostgreSQL's choice; what was chosen
stands in the state tables. So a stream table is right if

    each choice is one that could have been made over the operator's input, and
    the table equals the query evaluated with these choices.

The operator's input is evaluated with the choices below it. Everything else is computed from base
tables; no other state is read. A choice is checked by a SELECT that returns a row where it could
not have been made:

**First rows** (LIMIT, DISTINCT ON). Every row kept is one of the input. Peers at the positions
a+1 … a+m of their partition give as many rows as those positions have in common with the wanted
ones.

**Window functions.** The rows are those of the input. Partitions without peers have one answer.
In the others, functions of peers as a whole (rank, a count) still have one; row_number gives peers
the positions a+1 … a+m, in any order; of what else depends on the order of peers no more is asked.

**Groups** are computed with those choices that can have been made: see `aggregate.chosen`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pgtrickle.delta.aggregate import Analysis, chosen
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import Relation, image, select, union_all
from pgtrickle.query.algebra import Aggregate, Attribute, Node, TopN, Window, walk_nodes
from pgtrickle.query.expression import Call, Expression, SortKey, WindowSpec
from pgtrickle.query.render import render_expression, render_parts, sort_parts

OF_ALL_PEERS = frozenset({"rank", "dense_rank", "percent_rank", "cume_dist", "count"})
"""Functions that give all peers one value, whatever their order, if no frame parts them."""


class Choosing(Maintenance):
    """`initial` of what is open is what was chosen; of everything else, the query's own."""

    @classmethod
    def of(cls, maintenance: Maintenance, root: Node) -> Choosing:
        """The same variant, in which only what is open has state."""
        analyses = maintenance.states.analyses
        kept = {id(node) for node in walk_nodes(root) if _is_open(node, analyses.get(id(node)))}
        tables = {
            owner: table for owner, table in maintenance.states.tables.items() if owner in kept
        }
        states = replace(maintenance.states, tables=tables)
        return cls(maintenance.rules, maintenance.sources, frozenset(), states)

    @classmethod
    def anew(cls, maintenance: Maintenance) -> Choosing:
        """The same variant without any state: PostgreSQL chooses again."""
        states = replace(maintenance.states, tables={})
        return cls(maintenance.rules, maintenance.sources, frozenset(), states)

    def initial(self, node: Node) -> Relation:
        if id(node) not in self.states.tables:
            return super().initial(node)
        return chosen(node, self) if isinstance(node, Aggregate) else self.old(node)


def _is_open(node: Node, analysis: object) -> bool:
    """A window that keeps some of its rows has one answer: see `Window`."""
    match node:
        case Aggregate():
            return isinstance(analysis, Analysis) and analysis.is_open
        case Window():
            return node.where is None
    return isinstance(node, TopN)


def violations(root: Node, choosing: Choosing) -> Iterator[str]:
    """A SELECT for each open operator: any row says that no such choice can have been made."""
    for node in walk_nodes(root):
        if id(node) not in choosing.states.tables:
            continue
        child, chosen = choosing.initial(node.children[0]), choosing.old(node)
        match node:
            case TopN():
                yield _wrong_rows(node, child, chosen)
            case Window():
                yield _wrong_values(node, child, chosen)


def _wrong_rows(node: TopN, child: Relation, chosen: Relation) -> str:
    row = image(f"c.{id}" for id in node.ids)
    over = _over(node.partition, node.order_by)
    placed = select(
        [
            f"{row} AS i",
            f"min({row}) OVER ({_partition_by(node.partition)}) AS part",
            f"rank() OVER ({over}) AS place",
        ],
        f"FROM {child.source('c')}",
    )
    here = select(
        ["i", "part", "place", "count(*) AS n"], f"FROM ({placed}) AS p", "GROUP BY i, part, place"
    )
    taken = select([f"{row} AS i", "count(*) AS n"], f"FROM {chosen.source('c')}", "GROUP BY 1")
    both = (
        "SELECT h.part, h.place, coalesce(h.n, 0) AS n, coalesce(t.n, 0) AS taken"
        f" FROM ({here}) AS h FULL JOIN ({taken}) AS t ON t.i = h.i"
    )
    there = f"SELECT FROM ({both}) AS b WHERE taken > n"
    as_many = select(
        [],
        f"FROM ({both}) AS b",
        "WHERE part IS NOT NULL",
        f"GROUP BY part, place HAVING sum(taken) <> {_wanted(node)}",
    )
    return union_all([there, as_many])


def _wanted(node: TopN) -> str:
    """How many of the peers that start after place - 1 rows are among the first rows."""
    offset, limit = (
        f"coalesce(({render_expression(bound)})::bigint::numeric, {otherwise})"
        if bound is not None
        else otherwise
        for bound, otherwise in ((node.offset, "0"), (node.limit, "'Infinity'::numeric"))
    )
    before, last = "(place - 1)", "(place - 1 + sum(n))"
    if node.ties:
        reached = f"CASE WHEN {before} < {offset} + {limit} THEN {last} ELSE {before} END"
    else:
        reached = f"least({last}, {offset} + {limit})"
    return f"greatest(0, {reached} - greatest({before}, {offset}))"


def _wrong_values(node: Window, child: Relation, chosen: Relation) -> str:
    calls = [f"{render_expression(call)} AS {attribute.id}" for attribute, call in node.calls]
    columns = [f"c.{id}" for id in node.child.ids]
    computed = select([*columns, *calls], f"FROM {child.source('c')}")
    sides = [
        select(["1 AS w", "i", "full_row"], f"FROM ({_compared(node, computed)}) AS x"),
        select(["-1 AS w", "i", "full_row"], f"FROM ({_compared(node, chosen.sql)}) AS x"),
    ]
    differing = select(
        [], f"FROM ({union_all(sides)}) AS x", "GROUP BY i, full_row HAVING sum(w) <> 0"
    )
    numbers = (_wrong_numbers(node, a, call, chosen) for a, call in _numbering(node))
    return union_all([differing, *numbers])


def _compared(node: Window, rows: str) -> str:
    """What must agree of every row: all of it where no peers are in its partition."""
    orders = list(dict.fromkeys(_spec(call).order_by for _, call in node.calls))
    peers = [
        f"count(*) OVER ({_over(node.partition, order)} RANGE BETWEEN CURRENT ROW AND CURRENT ROW)"
        if order
        else f"count(*) OVER ({_partition_by(node.partition)})"
        for order in orders
    ]
    numbered = select(["c.*", f"greatest({', '.join(peers)}) AS peers"], f"FROM ({rows}) AS c")
    fixed = [a.id for a, call in node.calls if _is_fixed(call)]
    alone = f"max(peers) OVER ({_partition_by(node.partition)}) = 1"
    whole = f"CASE WHEN {alone} THEN {image(f'c.{id}' for id in node.ids)} END"
    common = image(f"c.{id}" for id in (*node.child.ids, *fixed))
    return select([f"{common} AS i", f"{whole} AS full_row"], f"FROM ({numbered}) AS c")


def _numbering(node: Window) -> Iterator[tuple[Attribute, Call]]:
    for attribute, call in node.calls:
        if call.name[-1] == "row_number":
            yield attribute, call


def _wrong_numbers(node: Window, attribute: Attribute, call: Call, chosen: Relation) -> str:
    """Numbers beyond the positions of the row's peers, or given twice in a partition."""
    row = image(f"c.{id}" for id in node.ids)
    numbered = select(
        [
            f"min({row}) OVER ({_partition_by(node.partition)}) AS part",
            f"rank() OVER ({_over(node.partition, _spec(call).order_by)}) AS place",
            f"c.{attribute.id} AS number",
        ],
        f"FROM {chosen.source('c')}",
    )
    peers = "count(*) OVER (PARTITION BY part, place)"
    copies = "count(*) OVER (PARTITION BY part, number)"
    judged = select(["*", f"{peers} AS peers", f"{copies} AS copies"], f"FROM ({numbered}) AS n")
    wrong = "number NOT BETWEEN place AND place + peers - 1 OR copies > 1"
    return select([], f"FROM ({judged}) AS n", f"WHERE {wrong}")


def _is_fixed(call: Call) -> bool:
    """Whether all peers get one value, in whatever order they stand."""
    return call.name[-1] in OF_ALL_PEERS and not _spec(call).frame


def _spec(call: Call) -> WindowSpec:
    return call.over if isinstance(call.over, WindowSpec) else WindowSpec()


def _partition_by(partition: Sequence[Expression]) -> str:
    return f"PARTITION BY {', '.join(map(render_expression, partition))}" if partition else ""


def _over(partition: Sequence[Expression], order: Sequence[SortKey]) -> str:
    ordered = f"ORDER BY {render_parts(sort_parts(order))}" if order else ""
    return f"{_partition_by(partition)} {ordered}".strip()
