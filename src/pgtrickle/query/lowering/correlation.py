"""Subqueries that read the block around them are lowered apart from it.

The conjuncts of the subquery's WHERE that read the block around become the condition of a join.
Where the subquery aggregates, or takes its first rows, it does so for each row around it. Where the
correlation equates expressions of its own with expressions around, these become group or partition
keys,

    (select sum(x) from r where r.k = l.k)   is   γ_k(sum(x))(r) joined on k = l.k

(the unnesting of correlated aggregates after Kim, with the outer join of Ganski and Wong where no
row matches). Any other such subquery is evaluated over the combinations of values around it (see
`domain`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Node, Project, TopN
from pgtrickle.query.expression import Case, Expression
from pgtrickle.query.lowering.block import Block
from pgtrickle.query.lowering.conditions import conjunction, conjuncts
from pgtrickle.query.lowering.correlated import Correlated, are_equated, equated
from pgtrickle.query.lowering.domain import Around, Pair, same
from pgtrickle.query.lowering.environment import Environment, Lowered
from pgtrickle.query.lowering.first_rows import is_some, ordered
from pgtrickle.query.lowering.free_names import reads, reads_within
from pgtrickle.query.lowering.no_rows import over_no_rows
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.lowering.set_operations import combine
from pgtrickle.query.lowering.targets import column_names
from pgtrickle.query.lowering.values import beside_values


def lower_correlated(query: s.Query, environment: Environment) -> Correlated:
    """Lower a subquery; the block around it is `environment.outer`. Raises NotIncremental."""
    outer = environment.outer
    if not reads(query, outer):
        block = Block(query, environment) if _is_block(query) else None
        if block is not None and block.is_scalar_aggregation:
            return _aggregation(block)
        return _independent(query, environment)
    query = _with_conditions_apart(query, outer)
    if not _is_block(query) or reads_within(query, outer):
        return lower_dependent(query, environment)
    block = Block(query, environment)
    if block.is_aggregation and not query.group_by and not block.is_scalar_aggregation:
        simple = _of_one_row(block)
        if simple is None:
            return lower_dependent(query, environment)
        return lower_correlated(simple, environment)
    limited = query.limit is not None or query.offset is not None
    if (
        query.distinct is None
        and not limited
        and not block.is_aggregation
        and not block.numbers_rows
        and not block.expands
    ):
        values = tuple(block.resolve(target.expression) for target in query.targets)
        return Correlated(block.node, block.names, values, tuple(block.correlation))
    several = query.group_by or query.distinct is not None or block.numbers_rows or block.expands
    by_keys = not several
    if not by_keys or not are_equated(block.correlation, block.node) or block.reads_outer_above:
        return lower_dependent(query, environment)
    return _first_rows(block) if limited else _aggregation(block)


def _is_block(query: s.Query) -> TypeGuard[s.Select]:
    return isinstance(query, s.Select) and not query.ctes


def _of_one_row(block: Block) -> s.Select | None:
    """An aggregation into one row without what decides nothing there; None where it may."""
    query = block.query
    some = query.limit is None or is_some(query.limit)
    several = block.numbers_rows or block.expands
    if several or query.distinct or query.offset is not None or not some:
        return None
    return replace(query, distinct=None, limit=None)


def _with_conditions_apart(query: s.Query, outer: Scope | None) -> s.Query:
    """A block whose inner joins have those conditions in WHERE that read what is around it."""
    if not isinstance(query, s.Select):
        return query
    conditions: list[Expression] = []

    def without(source: s.FromItem) -> s.FromItem:
        if not isinstance(source, s.Join) or source.alias is not None or source.kind != "INNER":
            return source
        on = conjuncts(source.on)
        moved = [each for each in on if reads(each, outer)]
        conditions.extend(moved)
        source = replace(source, left=without(source.left), right=without(source.right))
        if not moved:
            return source
        rest = conjunction(each for each in on if each not in moved)
        return replace(source, kind="INNER" if rest else "CROSS", on=rest)

    sources = tuple(map(without, query.sources))
    if not conditions:
        return query
    where = conjunction([*conjuncts(query.where), *conditions])
    return replace(query, sources=sources, where=where)


def lower_dependent(query: s.Query, environment: Environment) -> Correlated:
    """Lower a subquery over the domain of what it reads around. Raises NotIncremental."""
    outer, block_around = environment.outer, environment.around
    if outer is None or block_around is None:
        raise NotIncremental("correlated subquery", "in this place it is recomputed")
    around = Around.of(query, outer, block_around, environment.attributes)
    if _is_block(query):
        block = _block_over(query, around.domain(), around, environment)
        if block.is_scalar_aggregation:
            return _aggregation(block, around.pairs)
        lowered = environment.lower_block(block, around.inside)
    else:
        lowered = _over(query, around, environment)
    attributes = lowered.node.attributes
    width = len(attributes) - len(around.pairs)
    condition = tuple(
        same(key, outside)
        for key, (outside, _) in zip(attributes[width:], around.pairs, strict=True)
    )
    values = tuple(attribute.reference for attribute in attributes[:width])
    return Correlated(lowered.node, lowered.names, values, condition)


def _block_over(query: s.Select, domain: Node, around: Around, environment: Environment) -> Block:
    outer = None if environment.outer is None else around.scope(environment.outer)
    block = Block(query, replace(environment, outer=outer), domain)
    if block.correlation:
        raise NotIncremental("correlated subquery", "it reads a block further out")
    return block


def _over(query: s.Query, around: Around, environment: Environment) -> Lowered:
    """A query over the domain, whose columns come last in the result. Raises NotIncremental."""
    query, environment = environment.with_tables(query, environment)
    domain, inner = around.again(environment.attributes)
    match query:
        case s.Select():
            return environment.lower_block(
                _block_over(query, domain, inner, environment), inner.inside
            )
        case s.SetOperation():
            left, right = (_over(side, around, environment) for side in (query.left, query.right))
            node = combine(query, left.node, right.node, environment.attributes)
            each = node.attributes[len(node.attributes) - len(around.pairs) :]
            partition = tuple(attribute.reference for attribute in each)
            return ordered(query, Lowered(node, left.names), partition)
        case s.Values():
            return _values_over(query, domain, inner, environment)
    raise NotIncremental("correlated subquery", "in this place it is recomputed")


def _values_over(
    query: s.Values, domain: Node, around: Around, environment: Environment
) -> Lowered:
    if environment.outer is None:
        raise NotIncremental("correlated subquery", "in this place it is recomputed")
    scope = around.scope(environment.outer)
    node, outputs = beside_values(query, domain, scope, environment)
    items = tuple((a, a.reference) for a in (*outputs, *around.inside))
    partition = tuple(attribute.reference for attribute in around.inside)
    return ordered(query, Lowered(Project(node, items), column_names(query)), partition)


def _independent(query: s.Query, environment: Environment) -> Correlated:
    """A subquery that does not read the block around it."""
    lowered = environment.lower_query(query, replace(environment, outer=None))
    values = tuple(attribute.reference for attribute in lowered.node.attributes)
    return Correlated(lowered.node, lowered.names, values, ())


def _aggregation(block: Block, around: tuple[Pair, ...] = ()) -> Correlated:
    """The block aggregated for each value that its correlation equates, or for each of `around`."""
    pairs = equated(block.correlation, block.node)
    pairs += [(inside.reference, outside.reference) for outside, inside in around]
    grouped = block.grouped(extra_keys=[inner for inner, _ in pairs])
    aggregate = grouped.aggregate
    condition: tuple[Expression, ...] = tuple(
        same(key, outside) for (key, _), (outside, _) in zip(aggregate.keys, around, strict=False)
    )
    if not around:
        condition = tuple(
            replace(before, left=key.reference, right=outer)  # type: ignore[call-arg]
            for before, (key, _), (_, outer) in zip(
                block.correlation, aggregate.keys, pairs, strict=False
            )
        )
    values, having = tuple(grouped.targets), grouped.having
    if pairs:
        values, having = over_no_rows((values, having), aggregate, block.environment.facts)
    if having is not None:
        values = tuple(Case(None, ((having, value),), None) for value in values)
    return Correlated(
        grouped.node,
        block.names,
        values,
        condition,
        one_row=True,
        having=having,
    )


def _first_rows(block: Block) -> Correlated:
    pairs = equated(block.correlation, block.node)
    query = block.query
    values = tuple(block.resolve(target.expression) for target in query.targets)
    order = tuple(block.sort_key(key) for key in query.order_by)
    if not order:
        raise NotIncremental("LIMIT", "without ORDER BY any rows may be taken")
    node = TopN(
        block.node,
        tuple(inner for inner, _ in pairs),
        order,
        query.limit,
        query.offset,
        query.with_ties,
    )
    return Correlated(node, block.names, values, tuple(block.correlation))
