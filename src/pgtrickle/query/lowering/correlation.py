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

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Aggregate, TopN
from pgtrickle.query.expression import Case, Expression, Literal, Operator, SqlFunction
from pgtrickle.query.lowering.block import Block
from pgtrickle.query.lowering.correlated import Correlated, are_equated, equated
from pgtrickle.query.lowering.domain import Around, Pair, same
from pgtrickle.query.lowering.environment import Environment
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite


def lower_correlated(query: s.Query, environment: Environment) -> Correlated:
    """Lower a subquery; the block around it is `environment.outer`. Raises NotIncremental."""
    if not isinstance(query, s.Select) or query.ctes:
        return _independent(query, environment)
    block = Block(query, environment)
    if not block.correlation and not block.reads_outer_above:
        if block.is_scalar_aggregation:
            return _aggregation(block)
        return _independent(query, environment)
    if block.is_aggregation and not query.group_by and not block.is_scalar_aggregation:
        return lower_correlated(_of_one_row(block), environment)
    limited = query.limit is not None or query.offset is not None
    if (
        query.distinct is None
        and not limited
        and not block.is_aggregation
        and not block.numbers_rows
    ):
        values = tuple(block.resolve(target.expression) for target in query.targets)
        return Correlated(block.node, block.names, values, tuple(block.correlation))
    by_keys = not (query.group_by or query.distinct is not None or block.numbers_rows)
    if not by_keys or not are_equated(block.correlation, block.node) or block.reads_outer_above:
        return lower_dependent(query, environment)
    return _first_rows(block) if limited else _aggregation(block)


def _of_one_row(block: Block) -> s.Select:
    """An aggregation into one row without what decides nothing there. Raises NotIncremental."""
    query = block.query
    some = query.limit is None or is_some(query.limit)
    if block.numbers_rows or query.distinct or query.offset is not None or not some:
        raise NotIncremental("correlated subquery", "its only row is numbered, or may be left out")
    return replace(query, distinct=None, limit=None)


def is_some(limit: Expression | None) -> bool:
    """Whether a LIMIT lets at least one row through."""
    return isinstance(limit, Literal) and limit.sql.isdigit() and int(limit.sql) > 0


def lower_dependent(query: s.Query, environment: Environment) -> Correlated:
    """Lower a subquery over the domain of what it reads around. Raises NotIncremental."""
    outer = environment.outer
    if not isinstance(query, s.Select) or query.ctes or outer is None:
        raise NotIncremental("correlated subquery", "in this place it is recomputed")
    around = Around.of(query, outer, environment.attributes)
    block = Block(query, replace(environment, outer=around.scope(outer)), around.domain())
    if block.correlation:
        raise NotIncremental("correlated subquery", "it reads a block further out")
    if block.is_scalar_aggregation:
        return _aggregation(block, around.pairs)
    lowered = environment.lower_block(block, around.inside)
    attributes = lowered.node.attributes
    width = len(attributes) - len(around.pairs)
    condition = tuple(
        same(key, outside)
        for key, (outside, _) in zip(attributes[width:], around.pairs, strict=True)
    )
    values = tuple(attribute.reference for attribute in attributes[:width])
    return Correlated(lowered.node, block.names, values, condition)


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
            Operator(("=",), key.reference, outer)
            for (key, _), (_, outer) in zip(aggregate.keys, pairs, strict=False)
        )
    values, having = grouped.targets, grouped.having
    if pairs:
        for _, call in aggregate.aggregates:
            if len(call.name) > 1 and not block.environment.facts.is_null_over_no_rows(call.name):
                raise NotIncremental(call.name[-1], "over no rows this aggregate may have a value")
        values = [_without_rows(value, aggregate) for value in values]
        having = None if having is None else _without_rows(having, aggregate)
    if having is not None:
        values = [Case(None, ((having, value),), None) for value in values]
    return Correlated(
        grouped.node,
        block.names,
        tuple(values),
        condition,
        one_row=True,
        having=having,
    )


OVER_NO_ROWS = {
    "count": "0",
    "regr_count": "0",
    "rank": "1",
    "dense_rank": "1",
    "percent_rank": "0",
    "cume_dist": "1",
}
"""PostgreSQL's aggregates that are not NULL over no rows, and what they are then."""


def _without_rows(value: Expression, aggregate: Aggregate) -> Expression:
    """What is not NULL over no rows, where the outer join found no group."""
    known = {
        a.reference: OVER_NO_ROWS[call.name[0]]
        for a, call in aggregate.aggregates
        if len(call.name) == 1 and call.name[0] in OVER_NO_ROWS
    }

    def replaced(expression: Expression) -> Expression | None:
        if expression in known:
            return SqlFunction("COALESCE", (expression, Literal(known[expression])))  # type: ignore[index]
        return None

    return rewrite(value, replaced)


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
    condition = tuple(Operator(("=",), inner, outer) for inner, outer in pairs)
    return Correlated(node, block.names, values, condition)
