"""WITH RECURSIVE: the least R with R = B ∪ F(R), kept in a state table.

B is the part that does not refer to R, F the part that does; F is *linear* where each of its rows
comes from one row of R, by joins, filters and projections of it. With the changes of B and of what
F reads beside R, one step away from what is stored,

    S = δB + δF(R_old)

**UNION ALL** is a bag, and F linear in weights too, so whatever changed

    δR = S + F_new(δR)

computed by a recursion that carries weights. Rows removed are followed through what is there now,
so that a cycle nobody reached before or reaches now could be walked for ever; a recursion that
grows beyond bounds is given up, and R computed again.

**UNION** is a set. Where no row of S has a negative weight, every step by which a stored row came
about is still there, so R_old ⊆ R_new, cycles or not; the rows to add follow from S (semi-naive
evaluation), and what is stored already need not be followed again:

    N = (S ∪ F_new(N)) without R_old

Where a row of S is taken away, R is computed again and compared with what is stored. So is it
always where F is not linear (a window function over R), or where equal rows may print differently.
What stands above R gets the difference in any case. Common table expressions of one recursion:

    s_n   the changes one step away from what is stored
    x_n   what follows from them
    b_n, o_n   R computed again, and R as stored, where that is needed
    g_n, c_n   the rows gone and come
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import WEIGHT, Relation, image, select, union_all
from pgtrickle.delta.restriction import HASH
from pgtrickle.delta.state import fit_an_index
from pgtrickle.query.algebra import (
    Expand,
    Filter,
    Join,
    MarkJoin,
    Node,
    OuterJoin,
    Project,
    Recursion,
    SemiJoin,
    Shared,
    Working,
    walk_nodes,
)
from pgtrickle.query.expression import Column, Operator
from pgtrickle.query.lowering.conditions import conjuncts

MOST_ROWS = 1_000_000
"""Rows beyond which following changes is given up."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """Columns of R as the state has them, and those of them by which the step joins it.

    `follows`: changes can be followed, else R is computed again. `same_image`: rows that are equal
    print alike.
    """

    columns: tuple[str, ...]
    joined: tuple[str, ...]
    follows: bool
    same_image: bool


def is_linear(node: Node, name: str) -> bool:
    """Whether each row of `node` comes from one row of the recursion `name`."""
    match node:
        case Working():
            return node.recursion == name
        case Filter() | Project() | Expand() | Shared():
            return is_linear(node.child, name)
        case Join():
            sides = [side for side in node.children if _reads(side, name)]
            return len(sides) == 1 and is_linear(sides[0], name)
        case SemiJoin() | MarkJoin() | OuterJoin(full=False):
            return not _reads(node.right, name) and is_linear(node.left, name)
    return False


def _reads(node: Node, name: str) -> bool:
    return any(isinstance(e, Working) and e.recursion == name for e in walk_nodes(node))


def analyse(node: Recursion, maintenance: Maintenance) -> Analysis:
    """Decide how the node is maintained. Only where it `follows` do its parts keep state."""
    columns = _columns(node)
    types = maintenance.states.types[id(node)]
    same_image = all(type.bitwise for type in types)
    widths = {name: type.width for name, type in zip(columns, types, strict=True)}
    joined = [column for column in dict.fromkeys(_joined(node)) if widths[column] is not None]
    analysis = Analysis(
        columns,
        tuple(joined) if fit_an_index(widths[column] for column in joined) else (),
        is_linear(node.step, node.name) and (same_image or not node.distinct),
        same_image,
    )
    maintenance.states.analyses[id(node)] = analysis
    return analysis


def prepare(node: Recursion, maintenance: Maintenance) -> None:
    """Add the state table. `analyse` and the parts that keep state come first."""
    analysis: Analysis = maintenance.states.analyses[id(node)]
    columns = analysis.columns
    body = _initial(node, maintenance)
    rows = select(
        [f"b.{id} AS {column}" for id, column in zip(node.ids, columns, strict=True)],
        f"FROM {body.source('b')}",
    )
    fill = select([f"{_hash('b', columns)} AS {HASH}", "b.*"], f"FROM ({rows}) AS b")
    maintenance.states.add(id(node), fill, index=(HASH,), lookup=analysis.joined)


def _columns(node: Recursion) -> tuple[str, ...]:
    return tuple(f"r{i}" for i in range(1, len(node.outputs) + 1))


def _joined(node: Recursion) -> Iterator[str]:
    """Columns of R by which the step joins it."""
    by_id: dict[str, str] = {}
    conditions = []
    for each in walk_nodes(node.step):
        match each:
            case Working(recursion=node.name):
                by_id |= dict(zip(each.ids, _columns(node), strict=True))
            case Join() | OuterJoin() | SemiJoin() | MarkJoin():
                conditions += conjuncts(each.condition)
            case Filter():
                conditions += conjuncts(each.predicate)
    for condition in conditions:
        match condition:
            case Operator(name=("=",), left=Column(name=a), right=Column(name=b)):
                yield from (by_id[id] for id in (a, b) if id in by_id)


def _hash(alias: str, columns: tuple[str, ...]) -> str:
    return f"hashtextextended({_image(alias, columns)}, 0)"


def _image(alias: str, columns: tuple[str, ...]) -> str:
    return image(f"{alias}.{column}" for column in columns)


def _is_row(a: str, b: str, columns: tuple[str, ...]) -> str:
    """Condition that a row of the state table `a` is the row `b`."""
    same = f"{_image(a, columns)} = {_image(b, columns)}"
    return f"{a}.{HASH} = {_hash(b, columns)} AND {same}"


def _evaluated(node: Recursion, base: Relation, step: Relation) -> str:
    """The recursion as a SELECT of r1…rn; `step` reads the common table expression it is."""
    columns = _columns(node)
    parts = [
        select(
            [f"x.{id} AS {column}" for id, column in zip(part.ids, columns, strict=True)],
            f"FROM {part.source('x')}",
        )
        for part in (base, step)
    ]
    union = "UNION" if node.distinct else "UNION ALL"
    names = ", ".join(columns)
    return (
        f"WITH RECURSIVE {node.name} ({names}) AS (\n{parts[0]}\n{union}\n{parts[1]}\n)"
        f" SELECT {names} FROM {node.name}"
    )


def _working(node: Recursion, *, weighted: bool = False) -> Relation:
    """The rows that the last round of the recursion found."""
    columns = [*_columns(node), *([WEIGHT] if weighted else [])]
    return Relation(f"SELECT {', '.join(columns)} FROM {node.name}", _columns(node), weighted)


def _again(node: Recursion, maintenance: Maintenance, *, states: bool) -> str:
    """R computed from what is there now, with the `states` below it or from tables alone."""
    rule = maintenance.new if states else maintenance.initial
    with maintenance.reading(node.name, _working(node)):
        return _evaluated(node, rule(node.base), rule(node.step))


def _initial(node: Recursion, maintenance: Maintenance) -> Relation:
    """What the state is filled with, once it has one: both must see the same choice."""
    table = maintenance.states.tables.get(id(node))
    if table is not None:
        return _outputs(node, table.filling)
    sql = _again(node, maintenance, states=False)
    return _outputs(node, f"({sql})")


def _outputs(node: Recursion, source: str, *conditions: str) -> Relation:
    items = [f"s.{column} AS {id}" for id, column in zip(node.ids, _columns(node), strict=True)]
    return Relation(select(items, f"FROM {source} AS s", *conditions), node.ids, weighted=False)


def _old(node: Recursion, maintenance: Maintenance) -> Relation:
    return _outputs(node, maintenance.states.tables[id(node)].qualified)


def _new(node: Recursion, maintenance: Maintenance) -> Relation:
    if not maintenance.is_changed(node):
        return _old(node, maintenance)
    gone, come = _changes(node, maintenance)
    stored = maintenance.states.tables[id(node)].qualified
    unless = f"WHERE NOT EXISTS (SELECT FROM {gone} AS g WHERE g.__place = s.ctid)"
    terms = [_outputs(node, stored, unless).sql, _outputs(node, come).sql]
    return Relation(union_all(terms), node.ids, weighted=False)


def _delta(node: Recursion, maintenance: Maintenance) -> Relation:
    terms = []
    for name, weight in zip(_changes(node, maintenance), (-1, 1), strict=True):
        columns = zip(node.ids, _columns(node), strict=True)
        items = [*(f"x.{column} AS {id}" for id, column in columns), f"{weight} AS {WEIGHT}"]
        terms.append(select(items, f"FROM {name} AS x"))
    return Relation(union_all(terms), node.ids, weighted=True)


def _changes(node: Recursion, maintenance: Maintenance) -> tuple[str, str]:
    """The CTEs g_n and c_n, adding them and what they need the first time."""
    suffix = maintenance.states.tables[id(node)].suffix
    if id(node) not in maintenance.finished:
        _Changes(node, maintenance).add()
        maintenance.finished[id(node)] = suffix
    return f"g_{suffix}", f"c_{suffix}"


class _Changes:
    """Builds the common table expressions of one recursion in one variant."""

    def __init__(self, node: Recursion, maintenance: Maintenance) -> None:
        self.node = node
        self.maintenance = maintenance
        self.analysis: Analysis = maintenance.states.analyses[id(node)]
        self.table = maintenance.states.tables[id(node)]
        self.columns = self.analysis.columns
        self.suffix = self.table.suffix

    def add(self) -> None:
        gone: list[str] = []
        come: list[str] = []
        if not self.analysis.follows:
            self._compared("true", gone, come)
        elif self.node.distinct:
            seeds = self._seeds()
            some_gone = f"EXISTS (SELECT FROM {seeds} AS s WHERE s.{WEIGHT} < 0)"
            come.append(self._additions(seeds, f"NOT {some_gone}"))
            self._compared(some_gone, gone, come)
        else:
            followed = self._weighted(self._seeds())
            given_up = f"(SELECT count(*) FROM {followed}) >= {MOST_ROWS}"
            self._netted(followed, f"NOT ({given_up})", gone, come)
            self._compared(given_up, gone, come)
        names = ", ".join(self.columns)
        removed = self._cte("g", union_all(gone))
        added = self._cte("c", union_all(come))
        table = self.table.qualified
        self.maintenance.add_change(
            f"d_{self.suffix}",
            f"DELETE FROM {table} AS s WHERE s.ctid = ANY"
            f" (ARRAY(SELECT g.__place FROM {removed} AS g))",
        )
        self.maintenance.add_change(
            f"i_{self.suffix}",
            f"INSERT INTO {table} ({HASH}, {names})"
            f" SELECT {_hash('c', self.columns)}, {names} FROM {added} AS c",
        )

    def _cte(self, letter: str, sql: str) -> str:
        return self.maintenance.add_cte(f"{letter}_{self.suffix}", sql)

    def _of(self, alias: str) -> list[str]:
        return [f"{alias}.{column}" for column in self.columns]

    def _seeds(self) -> str:
        stored = f"SELECT {', '.join(self.columns)} FROM {self.table.qualified}"
        with self.maintenance.reading(self.node.name, Relation(stored, self.columns, False)):
            found = [self.maintenance.delta(part) for part in (self.node.base, self.node.step)]
        return self._cte(
            "s",
            union_all(
                select(
                    [
                        *(f"x.{id} AS {c}" for id, c in zip(part.ids, self.columns, strict=True)),
                        f"x.{WEIGHT}",
                    ],
                    f"FROM {part.source('x')}",
                )
                for part in found
                if part is not None
            ),
        )

    def _step(self, *, weighted: bool) -> Relation:
        with self.maintenance.reading(self.node.name, _working(self.node, weighted=weighted)):
            return self.maintenance.new(self.node.step)

    def _additions(self, seeds: str, condition: str) -> str:
        """What follows from added rows, and is not stored."""
        unknown = (
            f"NOT EXISTS (SELECT FROM {self.table.qualified} AS t"
            f" WHERE {_is_row('t', 'x', self.columns)})"
        )
        step = self._step(weighted=False)
        renamed = select(
            [f"y.{id} AS {c}" for id, c in zip(step.ids, self.columns, strict=True)],
            f"FROM {step.source('y')}",
        )
        names = ", ".join(self.columns)
        parts = [
            select(self._of("x"), f"FROM {source} AS x", f"WHERE {unknown}")
            for source in (seeds, f"({renamed})")
        ]
        union = "\nUNION\n".join(parts)
        followed = self._cte(
            "x",
            f"SELECT * FROM (WITH RECURSIVE {self.node.name} ({names}) AS (\n{union}\n)"
            f" SELECT {names} FROM {self.node.name}) AS x WHERE {condition}",
        )
        return select(self._of("x"), f"FROM {followed} AS x")

    def _weighted(self, seeds: str) -> str:
        """All that follows from changed rows, each with its weight."""
        step = self._step(weighted=True)
        names = ", ".join((*self.columns, WEIGHT))
        items = [f"y.{id}" for id in step.ids]
        rest = select([*items, f"{step.weights('y')}::integer"], f"FROM {step.source('y')}")
        return self._cte(
            "x",
            f"SELECT row_number() OVER () AS rn, x.* FROM (\n"
            f"WITH RECURSIVE {self.node.name} ({names}) AS (\n"
            f"SELECT {names} FROM {seeds}\nUNION ALL\n{rest}\n)"
            f" SELECT {names} FROM {self.node.name} LIMIT {MOST_ROWS}) AS x",
        )

    def _netted(self, followed: str, condition: str, gone: list[str], come: list[str]) -> None:
        """Rows added up by weight; as many stored copies go as the sum says."""
        grouped = select(
            ["min(x.rn) AS rn", f"sum(x.{WEIGHT}) AS w"],
            f"FROM {followed} AS x",
            f"GROUP BY {_image('x', self.columns)}",
            f"HAVING sum(x.{WEIGHT}) <> 0",
        )
        net = self._cte(
            "n",
            select(
                ["x.*", "g.w"],
                f"FROM (\n{grouped}\n) AS g JOIN {followed} AS x USING (rn)",
                f"WHERE {condition}",
            ),
        )
        found = select(
            [
                "t.ctid AS __place",
                *self._of("t"),
                "row_number() OVER (PARTITION BY n.rn) AS copy",
                "- n.w AS copies",
            ],
            f"FROM {net} AS n JOIN {self.table.qualified} AS t"
            f" ON {_is_row('t', 'n', self.columns)}",
            "WHERE n.w < 0",
        )
        taken = self._cte("t", f"SELECT f.* FROM (\n{found}\n) AS f WHERE f.copy <= f.copies")
        self.maintenance.checks.append(
            f"SELECT WHERE (SELECT count(*) FROM {taken})"
            f" <> (SELECT coalesce(- sum(n.w), 0) FROM {net} AS n WHERE n.w < 0)"
        )
        gone.append(select(["t.__place", *self._of("t")], f"FROM {taken} AS t"))
        come.append(
            select(self._of("n"), f"FROM {net} AS n, generate_series(1, n.w) WHERE n.w > 0")
        )

    def _compared(self, condition: str, gone: list[str], come: list[str]) -> None:
        """R computed again under a condition, and compared with what is stored."""
        again = _again(self.node, self.maintenance, states=self.analysis.follows)
        number = f"row_number() OVER (PARTITION BY {_image('x', self.columns)}) AS __copy"
        shown = f"{_image('x', self.columns)} AS __image"
        fresh = self._cte(
            "b",
            select([*self._of("x"), shown, number], f"FROM ({again}) AS x WHERE {condition}"),
        )
        stored = self._cte(
            "o",
            select(
                ["x.ctid AS __place", *self._of("x"), shown, number],
                f"FROM {self.table.qualified} AS x WHERE {condition}",
            ),
        )
        same = "b.__image = o.__image AND b.__copy = o.__copy"
        gone.append(
            select(
                ["o.__place", *self._of("o")],
                f"FROM {stored} AS o",
                f"WHERE NOT EXISTS (SELECT FROM {fresh} AS b WHERE {same})",
            )
        )
        come.append(
            select(
                self._of("b"),
                f"FROM {fresh} AS b",
                f"WHERE NOT EXISTS (SELECT FROM {stored} AS o WHERE {same})",
            )
        )


def _read_working(node: Working, maintenance: Maintenance) -> Relation:
    """What the step reads of its recursion: what is stored, or what the last round found."""
    read = maintenance.working.get(node.recursion)
    if read is None:
        # Outside of the recursion only types are asked for.
        read = maintenance.initial(node.base)
    items = [f"w.{a} AS {b}" for a, b in zip(read.ids, node.ids, strict=True)]
    weight = [f"w.{WEIGHT}"] if read.weighted else []
    return Relation(select([*items, *weight], f"FROM {read.source('w')}"), node.ids, read.weighted)


def _never(node: Working, _: Maintenance) -> Relation:
    raise ValueError(f"{node.recursion} has no changes of its own")


RECURSION = Rules(initial=_initial, new=_new, old=_old, delta=_delta)
WORKING = Rules(initial=_read_working, new=_read_working, old=_read_working, delta=_never)
