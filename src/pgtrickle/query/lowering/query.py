"""Query blocks become algebra.

A block is, from the inside out: FROM, WHERE, GROUP BY and aggregates, HAVING, window functions,
select list, DISTINCT, ORDER BY with LIMIT. Set operations combine blocks. ORDER BY without LIMIT
says nothing about a table and is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import (
    Aggregate,
    Attribute,
    Filter,
    Node,
    Project,
    Shared,
    TopN,
)
from pgtrickle.query.expression import (
    Call,
    Column,
    Expression,
    Literal,
    SortKey,
    Sublink,
)
from pgtrickle.query.lowering.attributes import Attributes
from pgtrickle.query.lowering.block import Block
from pgtrickle.query.lowering.correlation import lower_correlated, lower_dependent
from pgtrickle.query.lowering.environment import Environment, Lowered
from pgtrickle.query.lowering.equality import COMPARED, compared_alone
from pgtrickle.query.lowering.facts import Facts
from pgtrickle.query.lowering.first_rows import first_rows, ordered
from pgtrickle.query.lowering.free_names import reads
from pgtrickle.query.lowering.input_order import with_input_orders
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.recursion import lower_recursive
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.lowering.row_queries import with_row_queries
from pgtrickle.query.lowering.set_operations import combine
from pgtrickle.query.lowering.subqueries import with_row_comparisons
from pgtrickle.query.lowering.values import lower_values, with_numbered_orders
from pgtrickle.query.lowering.windows import add_windows, written_out
from pgtrickle.query.pruning import columns_of
from pgtrickle.query.traverse import transform


def lower(query: s.Query, facts: Facts, *, one_equality: bool = True) -> Lowered:
    """Lower a whole query; without `one_equality`, what is equal need not group. NotIncremental."""
    environment = Environment(
        facts,
        Attributes(),
        {},
        _query,
        lower_correlated,
        lower_dependent,
        _selected,
        _with_tables_apart,
    )
    query = with_numbered_orders(with_input_orders(query))
    query = with_row_comparisons(with_row_queries(query, facts))
    if one_equality:
        return _query(query, environment)
    return _query(compared_alone(query), replace(environment, equality=COMPARED))


def _query(query: s.Query, environment: Environment) -> Lowered:
    if query.locking:
        raise NotIncremental(query.locking, "row locks have no meaning in a stored table")
    environment = _with_common_tables(query, environment)
    match query:
        case s.Select():
            return _select(query, environment)
        case s.SetOperation():
            left = _query(query.left, environment)
            right = _query(query.right, environment)
            node = combine(query, left.node, right.node, environment.attributes)
            return ordered(query, Lowered(node, left.names))
        case s.Values():
            return ordered(query, lower_values(query, environment))
    raise NotIncremental(type(query).__name__, "it is recomputed")


def _with_common_tables(query: s.Query, environment: Environment) -> Environment:
    """WITH names become relations on demand; each reference has attribute ids of its own."""
    for cte in query.ctes:
        recursive = query.recursive and _mentions(cte.query, cte.name)
        table = _CommonTable(cte, environment, _recursive if recursive else _plain)
        environment = replace(
            environment, common_tables=environment.common_tables | {cte.name: table.reference}
        )
    return environment


def _with_tables_apart(query: s.Query, environment: Environment) -> tuple[s.Query, Environment]:
    """A query without WITH: what reads the block around it stands where it is used."""
    tables = []
    for cte in query.ctes:
        if not reads(cte.query, environment.outer):
            tables.append(cte)
            continue
        if query.recursive and _mentions(cte.query, cte.name):
            raise NotIncremental(
                "WITH RECURSIVE", "it reads the query around the subquery it is in"
            )
        rest = tuple(other for other in query.ctes if other is not cte)
        query = _in_place(replace(query, ctes=rest), cte)
        return _with_tables_apart(query, environment)
    environment = _with_common_tables(query, environment)
    return replace(query, ctes=(), recursive=False), environment


def _in_place(query: s.Query, cte: s.CommonTable) -> s.Query:
    """`query` with a WITH query where it is named, as a subquery."""

    def replaced(node: object) -> object:
        match node:
            case s.Table(schema=None, name=cte.name):
                alias = node.alias or s.Alias(cte.name)
                names = alias.columns + cte.columns[len(alias.columns) :]
                return s.Derived(cte.query, replace(alias, columns=names))
        return node

    return transform(query, replaced)


def _plain(cte: s.CommonTable, environment: Environment) -> Lowered:
    return _query(cte.query, environment)


def _recursive(cte: s.CommonTable, environment: Environment) -> Lowered:
    return lower_recursive(cte, cte.query, _with_common_tables(cte.query, environment))


class _CommonTable:
    """A WITH query: lowered once, and shared by its references."""

    def __init__(
        self,
        cte: s.CommonTable,
        environment: Environment,
        lowering: Callable[[s.CommonTable, Environment], Lowered],
    ) -> None:
        self._cte = cte
        self._environment = environment
        self._lowering = lowering
        self._lowered: Lowered | None = None

    def reference(self) -> Lowered:
        if self._lowered is None:
            self._lowered = self._lowering(self._cte, replace(self._environment, outer=None))
        shared = Shared(self._lowered.node, apart=self._cte.materialized is True)
        items = tuple((_again(a, self._environment), a.reference) for a in shared.attributes)
        columns = self._cte.columns
        return Lowered(Project(shared, items), columns + self._lowered.names[len(columns) :])


def _mentions(value: object, name: str) -> bool:
    """Whether a FROM item anywhere inside names `name` without a schema."""
    if isinstance(value, s.Table):
        return value.schema is None and value.name == name
    if isinstance(value, tuple):
        return any(_mentions(item, name) for item in value)
    fields = getattr(type(value), "__dataclass_fields__", None)
    return fields is not None and any(_mentions(getattr(value, field), name) for field in fields)


def _select(query: s.Select, environment: Environment) -> Lowered:
    block = Block(query, environment)
    if block.correlation:
        raise NotIncremental("correlated subquery", "in this place it is recomputed")
    return _selected(block, ())


def _selected(block: Block, each: tuple[Attribute, ...]) -> Lowered:
    """What a block selects, for each combination of the columns `each` of its FROM.

    These are the last columns of the result.
    """
    query, environment = block.query, block.environment
    around: list[Expression] = [attribute.reference for attribute in each]
    targets = [written_out(query, target.expression) for target in query.targets]
    limited = query.limit is not None or query.offset is not None
    # (What is ordered by a set comes once for each of its values.)
    decides = limited or query.distinct or _returns_set(query.order_by, environment)
    keys = query.order_by if decides else ()
    ordered = [written_out(query, key.expression) for key in keys]
    wanted = [*targets, *(query.distinct or ()), *ordered]
    if block.is_aggregation:
        grouped = block.grouped_for(wanted, around)
        node, wanted = grouped.node, grouped.targets
        around = [key.reference for key, _ in grouped.aggregate.keys[: len(around)]]
        if grouped.having is not None:
            node = Filter(node, grouped.having)
    else:
        wanted = [block.resolve(expression) for expression in wanted]
        node = block.node
    node, wanted = add_windows(node, wanted, environment.attributes, tuple(around))
    if not columns_of(tuple(wanted)) <= frozenset(node.ids):
        raise NotIncremental("correlated subquery", "in this place it is recomputed")
    # The columns first, then what they are evaluated for, then what only orders them.
    wanted = wanted[: len(targets)] + around + wanted[len(targets) :]
    projection = _Projection(node, wanted, environment)
    outputs = [projection.attribute(i) for i in range(len(wanted))]
    node = projection.node()
    width, on = len(targets) + len(around), len(query.distinct or ())
    partition = tuple(a.reference for a in outputs[len(targets) : width])
    sort = tuple(
        replace(key, expression=outputs[width + on + i].reference) for i, key in enumerate(keys)
    )
    if query.distinct:
        of_keys = (*partition, *(a.reference for a in outputs[width : width + on]))
        node = TopN(node, of_keys, sort, Literal("1"), construct="DISTINCT ON")
    elif query.distinct is not None:
        node, outputs, sort = _distinct(node, outputs, sort, width, environment)
        partition = tuple(a.reference for a in outputs[len(targets) : width])
    if limited:
        one_each = block.is_aggregation and not query.group_by
        node = first_rows(query, node, sort, partition, one_each=one_each)
    if len(node.attributes) > width or tuple(outputs[:width]) != node.attributes:
        node = Project(node, tuple((_again(a, environment), a.reference) for a in outputs[:width]))
    return Lowered(node, block.names)


def _again(attribute: Attribute, environment: Environment) -> Attribute:
    return environment.attributes.new(attribute.not_null)


class _Projection:
    """The select list; expressions that are equal share a column."""

    def __init__(
        self, below: Node, expressions: list[Expression], environment: Environment
    ) -> None:
        self._below = below
        self._environment = environment
        self._by_expression: dict[Expression, Attribute] = {}
        self._outputs = []
        for expression in expressions:
            known = self._by_expression.get(expression)
            attribute = known or self._output(expression)
            self._by_expression[expression] = attribute
            self._outputs.append(attribute)

    def attribute(self, i: int) -> Attribute:
        """The column of the i-th expression."""
        return self._outputs[i]

    def node(self) -> Node:
        items = tuple((attribute, e) for e, attribute in self._by_expression.items())
        expands = _returns_set(tuple(self._by_expression), self._environment)
        return Project(self._below, items, expands)

    def _output(self, expression: Expression) -> Attribute:
        """A new attribute, NOT NULL where that is plain to see."""
        match expression:
            case Column(name=name):
                by_id = {attribute.id: attribute for attribute in self._below.attributes}
                return self._environment.attributes.new(name in by_id and by_id[name].not_null)
            case Literal(sql=sql):
                return self._environment.attributes.new(sql.upper() != "NULL")
        return self._environment.attributes.new()


def _returns_set(value: object, environment: Environment) -> bool:
    """Whether a call in the expressions of `value`, outside of subqueries, returns a set."""
    found = False

    def look(each: Expression) -> Expression | None:
        nonlocal found
        if isinstance(each, Call):
            found = found or environment.facts.returns_set(each.name)
        return each if isinstance(each, Sublink) else None

    rewrite(value, look)
    return found


def _distinct(
    node: Node,
    outputs: list[Attribute],
    sort: tuple[SortKey, ...],
    width: int,
    environment: Environment,
) -> tuple[Node, list[Attribute], tuple[SortKey, ...]]:
    """SELECT DISTINCT; what it is ordered by stands in the select list."""
    kept = list(dict.fromkeys(outputs[:width]))
    keys = {attribute.id: environment.attributes.new(attribute.not_null) for attribute in kept}
    below = Project(node, tuple((a, a.reference) for a in kept))
    distinct = Aggregate(
        below, tuple((keys[a.id], a.reference) for a in kept), (), construct="DISTINCT"
    )
    renamed = [keys[attribute.id] for attribute in outputs[:width]]
    order = []
    for key in sort:
        if not isinstance(key.expression, Column) or key.expression.name not in keys:
            raise NotIncremental("DISTINCT", "ordered by what is not selected")
        order.append(replace(key, expression=keys[key.expression.name].reference))
    return distinct, renamed, tuple(order)
