"""SEARCH and CYCLE: columns of a recursion that tell the way to each row.

PostgreSQL defines them by columns that the recursion computes along with its own,

    SEARCH DEPTH FIRST BY a SET s     s = array of the rows (a) on the way, this one last
    SEARCH BREADTH FIRST BY a SET s   s = the row (number of steps, a)
    CYCLE a SET m TO v DEFAULT d USING p
        p = as with DEPTH FIRST;  m = v where the row (a) stands in p already, else d;
        a row with m = v is not followed

An array of rows is of no type that a table could have. So each column named is remembered in an
array of its own, and the array of rows is put together where the query reads it. Columns that
nobody reads are not computed at all (`pruning`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Attribute, Filter, Node, Project
from pgtrickle.query.expression import (
    Argument,
    Call,
    Case,
    Cast,
    Column,
    Expression,
    Literal,
    Operator,
    SqlFunction,
    Template,
    TypeName,
)
from pgtrickle.query.lowering.environment import Environment, Lowered
from pgtrickle.query.lowering.obstacle import NotIncremental

CONSTRUCT = "SEARCH/CYCLE"
HIDDEN = "__trail_{}"
"""Names, within the step, of the columns that are carried along."""


@dataclass(frozen=True, slots=True)
class Trails:
    """The columns that a recursion of `names` carries along for its clauses.

    In this order, after its own: the arrays of `remembered`, the number of steps of a search
    BREADTH FIRST, the mark of CYCLE.
    """

    cte: s.CommonTable
    names: tuple[str, ...]
    remembered: tuple[str, ...]
    environment: Environment

    @classmethod
    def of(cls, cte: s.CommonTable, base: Lowered, environment: Environment) -> Trails:
        """Raises NotIncremental where a column cannot be remembered in an array."""
        found: dict[str, None] = {}
        if cte.search is not None and not cte.search.breadth_first:
            found |= dict.fromkeys(cte.search.columns)
        if cte.cycle is not None:
            found |= dict.fromkeys(cte.cycle.columns)
        if found:
            of = [base.node.attributes[base.names.index(name)].reference for name in found]
            types = environment.facts.types(base.node, of)
            if any(type.endswith("[]") for type in types):
                raise NotIncremental(CONSTRUCT, "a column named by it is an array")
        return cls(cte, base.names, tuple(found), environment)

    @property
    def _counts(self) -> bool:
        return self.cte.search is not None and self.cte.search.breadth_first

    @property
    def _width(self) -> int:
        """The number of columns carried along."""
        return len(self.remembered) + self._counts + (self.cte.cycle is not None)

    def _column(self, columns: Sequence[Attribute], name: str) -> Expression:
        return columns[self.names.index(name)].reference

    def begun(self, base: Node) -> Node:
        """The base with what is carried along."""
        if not self._width:
            return base
        values: list[Expression] = [
            SqlFunction("ARRAY", (self._column(base.attributes, name),)) for name in self.remembered
        ]
        if self._counts:
            values.append(Cast(Literal("0"), TypeName("bigint")))
        if self.cte.cycle is not None:
            values.append(self._marks(self.cte.cycle, base)[1])
        return self._with(base, base.attributes, values)

    def _marks(self, cycle: s.Cycle, node: Node) -> tuple[Expression, Expression]:
        """The values of the mark, of the type that is common to them."""
        either = Case(None, ((Literal("true"), cycle.value),), cycle.default)
        (type,) = self.environment.facts.types(node, [either])
        return Cast(cycle.value, TypeName(type)), Cast(cycle.default, TypeName(type))

    def asked(self, step: s.Query) -> s.Query:
        """The step that also selects what is carried along. Raises NotIncremental."""
        if not self._width:
            return step
        if isinstance(step, s.Select) and not (step.distinct is not None or step.group_by):
            for table in _tables(step.sources):
                if table.schema is None and table.name == self.cte.name:
                    name = table.name if table.alias is None else table.alias.name
                    columns = (Column(name, HIDDEN.format(i)) for i in range(self._width))
                    hidden = (s.Target(column, None) for column in columns)
                    return replace(step, targets=(*step.targets, *hidden))
        raise NotIncremental(CONSTRUCT, "the step is not one that filters and joins alone")

    def continued(self, step: Node) -> Node:
        """What the step gives, with what is carried along brought up to date."""
        if not self._width:
            return step
        own = step.attributes[: len(self.names)]
        carried = [attribute.reference for attribute in step.attributes[len(own) :]]
        arrays = dict(zip(self.remembered, carried, strict=False))
        values: list[Expression] = [
            Call(("array_append",), (Argument(array), Argument(self._column(own, name))))
            for name, array in arrays.items()
        ]
        if self._counts:
            values.append(Operator(("+",), carried[len(arrays)], Literal("1")))
        if self.cte.cycle is not None:
            cycle, mark = self.cte.cycle, carried[-1]
            value, default = self._marks(cycle, step)
            step = Filter(step, Operator(("<>",), mark, value))
            before = [(arrays[name], self._column(own, name)) for name in cycle.columns]
            again = _stands_in(before)
            values.append(Case(None, ((again, value),), default))
        return self._with(step, own, values)

    def _with(self, node: Node, own: Sequence[Attribute], values: Iterable[Expression]) -> Node:
        kept = tuple((attribute, attribute.reference) for attribute in own)
        new = self.environment.attributes.new
        return Project(node, (*kept, *((new(), value) for value in values)))

    def shown(self, node: Node, *, inside: bool) -> Lowered:
        """The recursion as it is read; `inside` its step also what is carried along."""
        if not self._width:
            return Lowered(node, self.names)
        own = node.attributes[: len(self.names)]
        carried = [attribute.reference for attribute in node.attributes[len(own) :]]
        arrays = dict(zip(self.remembered, carried, strict=False))
        values: dict[str, Expression] = {}
        if self.cte.search is not None:
            columns = [self._column(own, name) for name in self.cte.search.columns]
            values[self.cte.search.sequence] = (
                Template(CONSTRUCT, _row(carried[len(arrays)], *columns))
                if self._counts
                else _rows([arrays[name] for name in self.cte.search.columns])
            )
        if self.cte.cycle is not None:
            values[self.cte.cycle.mark] = carried[-1]
            values[self.cte.cycle.path] = _rows([arrays[name] for name in self.cte.cycle.columns])
        if inside:
            values |= {HIDDEN.format(i): value for i, value in enumerate(carried)}
        return Lowered(self._with(node, own, values.values()), (*self.names, *values))


def _tables(sources: Iterable[s.FromItem]) -> Iterable[s.Table]:
    for source in sources:
        match source:
            case s.Table():
                yield source
            case s.Join(alias=None):
                yield from _tables((source.left, source.right))


def _row(*columns: Expression) -> tuple[str | Expression, ...]:
    parts: list[str | Expression] = ["ROW("]
    for column in columns:
        parts += [column, ", "]
    return (*parts[:-1], ")")


def _rows(arrays: Sequence[Expression]) -> Expression:
    """The rows on the way, from the arrays of their columns."""
    parts: list[str | Expression] = ["ARRAY(SELECT ROW("]
    for array in arrays:
        parts += ["(", array, ")[s.i]", ", "]
    over = (") FROM generate_subscripts(", arrays[0], ", 1) AS s (i) ORDER BY s.i)")
    return Template(CONSTRUCT, (*parts[:-1], *over))


def _stands_in(before: Sequence[tuple[Expression, Expression]]) -> Expression:
    """Whether a row is among those on the way; rows are equal where all columns are, or NULL."""
    parts: list[str | Expression] = ["(EXISTS (SELECT FROM generate_subscripts(", before[0][0]]
    parts.append(", 1) AS s (i) WHERE ")
    for array, column in before:
        parts += ["((", array, ")[s.i] IS NOT DISTINCT FROM ", column, ")", " AND "]
    return Template("CYCLE", (*parts[:-1], "))"))
