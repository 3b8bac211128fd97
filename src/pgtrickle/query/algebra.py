"""Relational algebra over bags: what the delta rules are written for.

A query block becomes a tree of these nodes. Every column of every node has an *attribute id*
that is unique in the whole tree (``c7``), so expressions refer to columns by id alone and a
node can be moved or repeated without renaming. Node constructors refuse what cannot be meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from pgtrickle.query.expression import (
    Call,
    Column,
    Expression,
    SortKey,
)
from pgtrickle.query.statement import FromItem


@dataclass(frozen=True, slots=True)
class Attribute:
    """An output column. `not_null` is proved, never guessed."""

    id: str
    not_null: bool = False

    @property
    def reference(self) -> Column:
        return Column(None, self.id)


@dataclass(frozen=True, slots=True)
class Node:
    """A relation: a bag of rows over `attributes`."""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        raise TypeError(f"{type(self).__name__} has no attributes")

    @property
    def children(self) -> tuple[Node, ...]:
        return ()

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(attribute.id for attribute in self.attributes)


@dataclass(frozen=True, slots=True)
class Scan(Node):
    """A table whose changes are captured. `columns` pairs attributes with column names.

    `keys` are the sets of column names that are unique and not null, best first. `whole`: the query
    uses its rows as values, so that a column added to the table changes the result. `scales`: how
    many decimals the values of a column have, where all have as many. `types`: the OID of each
    column's type.
    """

    relid: int
    schema: str
    name: str
    columns: tuple[tuple[Attribute, str], ...]
    keys: tuple[tuple[str, ...], ...] = ()
    whole: bool = False
    scales: tuple[tuple[str, int], ...] = ()
    types: tuple[tuple[str, int], ...] = ()

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return tuple(attribute for attribute, _ in self.columns)


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A relation that never changes: VALUES, a function of constants, a FROM-less SELECT.

    `sql` is a select whose output columns are named by the attribute ids. `single` tells that
    it has exactly one row. `former` is what `sql` was at the last refresh, where it reads the
    moment and so changes after all.
    """

    sql: str
    outputs: tuple[Attribute, ...]
    single: bool = False
    former: str | None = None

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.outputs


@dataclass(frozen=True, slots=True)
class Filter(Node):
    child: Node
    predicate: Expression

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.child.attributes

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.child,)


@dataclass(frozen=True, slots=True)
class Project(Node):
    """Computes each attribute from an expression over the child's attributes.

    `expands`: an item returns a set, so one row becomes any number of rows.
    """

    child: Node
    items: tuple[tuple[Attribute, Expression], ...]
    expands: bool = False

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return tuple(attribute for attribute, _ in self.items)

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.child,)


@dataclass(frozen=True, slots=True)
class MovingFilter(Filter):
    """A filter whose predicate reads the moment: rows come and go with no change below."""


@dataclass(frozen=True, slots=True)
class MovingProject(Project):
    """A projection that reads the moment: values change with no change below. Never expands."""

    def __post_init__(self) -> None:
        if self.expands:
            raise ValueError("what returns sets reads no moment itself")


@dataclass(frozen=True, slots=True)
class Join(Node):
    """Inner join; a cross join has no condition."""

    left: Node
    right: Node
    condition: Expression | None = None

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.left.attributes + self.right.attributes

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class UnionAll(Node):
    """Bag union. `outputs[i]` takes its values from attribute i of every branch."""

    branches: tuple[Node, ...]
    outputs: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        for branch in self.branches:
            if len(branch.attributes) != len(self.outputs):
                raise ValueError("branches of a union differ in their number of columns")

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.outputs

    @property
    def children(self) -> tuple[Node, ...]:
        return self.branches


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """Groups by `keys` and computes `aggregates`; without keys there is always one row.

    Key expressions and aggregate arguments read the child's attributes. DISTINCT is an
    Aggregate with keys and no aggregates.
    """

    child: Node
    keys: tuple[tuple[Attribute, Expression], ...]
    aggregates: tuple[tuple[Attribute, Call], ...]
    construct: str = "GROUP BY"

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return tuple(a for a, _ in self.keys) + tuple(a for a, _ in self.aggregates)

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.child,)


@dataclass(frozen=True, slots=True)
class Replicate(Node):
    """Every row as often as `copies` says (an expression of type bigint; none when below 1)."""

    child: Node
    copies: Expression

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.child.attributes

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.child,)


@dataclass(frozen=True, slots=True)
class Shared(Node):
    """A relation that stands in several places of a tree: a WITH query used more than once.

    All places hold the same object as `child`; what is kept or computed for it is so once. `apart`:
    the query says AS MATERIALIZED, so that it is evaluated by itself though one place reads it.
    """

    child: Node
    apart: bool = False

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.child.attributes

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.child,)


@dataclass(frozen=True, slots=True)
class Expand(Node):
    """Every row with the rows of set-returning functions of it: a lateral join.

    `source` is the FROM item over the child's attributes, its columns named by `outputs`. `outer`
    keeps a row without any (LEFT JOIN LATERAL ... ON `condition`, over both; None for true).
    """

    child: Node
    source: FromItem
    outputs: tuple[Attribute, ...]
    outer: bool = False
    condition: Expression | None = None

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.child.attributes + self.outputs

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.child,)


@dataclass(frozen=True, slots=True)
class OuterJoin(Node):
    """LEFT or, with `full`, FULL join. A RIGHT join is a LEFT join the other way round."""

    left: Node
    right: Node
    condition: Expression | None
    full: bool = False

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        left = _nullable(self.left.attributes) if self.full else self.left.attributes
        return left + _nullable(self.right.attributes)

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class SemiJoin(Node):
    """The left rows for which a right row satisfies the condition; `negated`: none does."""

    left: Node
    right: Node
    condition: Expression | None
    negated: bool = False

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.left.attributes

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class MarkJoin(Node):
    """Every left row, with whether a right row satisfies the condition as a boolean `mark`."""

    left: Node
    right: Node
    condition: Expression | None
    mark: Attribute

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return (*self.left.attributes, self.mark)

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class Window(Node):
    """Every row with window functions over its partition; all calls have the same PARTITION BY.

    `where` says which of the rows come out, their functions computed over all. There is one only
    where each function has one value for a row: by its order there are no peers, or they share it.
    """

    child: Node
    partition: tuple[Expression, ...]
    calls: tuple[tuple[Attribute, Call], ...]
    where: Expression | None = None

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.child.attributes + tuple(attribute for attribute, _ in self.calls)

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.child,)


@dataclass(frozen=True, slots=True)
class TopN(Node):
    """The first rows of each partition in an order: LIMIT, FETCH FIRST, DISTINCT ON.

    `limit` and `offset` are constant expressions or None; `ties` keeps the last row's peers.
    """

    child: Node
    partition: tuple[Expression, ...]
    order_by: tuple[SortKey, ...]
    limit: Expression | None
    offset: Expression | None = None
    ties: bool = False
    construct: str = "LIMIT"

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.child.attributes

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.child,)


@dataclass(frozen=True, slots=True)
class Recursion(Node):
    """WITH RECURSIVE: `base`, and `step` repeated on the rows found in the round before.

    `step` reads those as the Working relation of the same `name`. `outputs[i]` takes its values
    from attribute i of both. `distinct`: UNION, else UNION ALL.
    """

    base: Node
    step: Node
    name: str
    outputs: tuple[Attribute, ...]
    distinct: bool

    def __post_init__(self) -> None:
        for part in (self.base, self.step):
            if len(part.attributes) != len(self.outputs):
                raise ValueError("the parts of a recursion differ in their number of columns")

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.outputs

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.base, self.step)


@dataclass(frozen=True, slots=True)
class Domain(Node):
    """The combinations of values of the block around that a correlated subquery is evaluated for.

    `outputs[i]` stands for the attribute `around[i]` of the block around, which is `of` while types
    are asked. Put in its place before lowering is done (`lowering.domain`); no rewriting and no
    delta rule meets one.
    """

    outputs: tuple[Attribute, ...]
    around: tuple[Attribute, ...]
    of: Node = field(compare=False)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.outputs


@dataclass(frozen=True, slots=True)
class Working(Node):
    """What the step of the Recursion named `recursion` reads of it; typed as `base`, its base."""

    recursion: str
    base: Node
    outputs: tuple[Attribute, ...]

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return self.outputs


def _nullable(attributes: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    """The same attributes on the side of an outer join that may be missing."""
    return tuple(Attribute(attribute.id) for attribute in attributes)


def walk_nodes(node: Node) -> Iterator[Node]:
    """`node` and everything below it, parents first; what is shared comes once."""
    return _walk(node, set())


def _walk(node: Node, shared: set[int]) -> Iterator[Node]:
    yield node
    for child in node.children:
        if isinstance(node, Shared):
            if id(child) in shared:
                continue
            shared.add(id(child))
        yield from _walk(child, shared)


def with_children(node: Node, change: Callable[[Node], Node]) -> Node:
    """`node` with `change` made to each of its children."""
    if isinstance(node, Recursion):
        return replace(node, base=change(node.base), step=change(node.step))
    match node.children:
        case ():
            return node
        case (child,) if hasattr(node, "child"):
            return replace(node, child=change(child))  # type: ignore[call-arg]
        case (left, right) if hasattr(node, "left"):
            return replace(node, left=change(left), right=change(right))  # type: ignore[call-arg]
    return replace(node, branches=tuple(map(change, node.children)))  # type: ignore[call-arg]


def moves(node: Node) -> bool:
    """Whether anything in the tree changes with time alone."""
    return any(map(moves_itself, walk_nodes(node)))


def moves_itself(node: Node) -> bool:
    """Whether the node changes with time alone though nothing below it does."""
    return isinstance(node, MovingFilter | MovingProject) or (
        isinstance(node, Constant) and node.former is not None
    )


def scans(node: Node) -> Iterator[Scan]:
    """The scans under `node`, in order of appearance."""
    for each in walk_nodes(node):
        if isinstance(each, Scan):
            yield each
