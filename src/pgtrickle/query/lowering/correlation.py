"""Subqueries that read the block around them are lowered apart from it.

The conjuncts of the subquery's WHERE that read the block around become the condition of a join.
Where the subquery aggregates, or takes its first rows, it does so for each row around it: the
correlation must then equate expressions of its own with expressions around, and these become
group or partition keys,

    (select sum(x) from r where r.k = l.k)   is   γ_k(sum(x))(r) joined on k = l.k

(the unnesting of correlated aggregates after Kim, with the outer join of Ganski and Wong where no
row matches).
"""

from __future__ import annotations

from dataclasses import replace

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Aggregate, TopN
from pgtrickle.query.expression import Call, Case, Expression, Literal, Operator, SqlFunction
from pgtrickle.query.lowering.block import Block
from pgtrickle.query.lowering.correlated import Correlated, equated
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
    if query.group_by or query.windows or query.distinct is not None:
        raise NotIncremental(
            "correlated subquery", "with GROUP BY, WINDOW or DISTINCT of its own it is recomputed"
        )
    if block.is_scalar_aggregation:
        return _aggregation(block)
    if query.limit is not None or query.offset is not None:
        return _first_rows(block)
    values = tuple(block.resolve(target.expression) for target in query.targets)
    return Correlated(block.node, block.names, values, tuple(block.correlation))


def _independent(query: s.Query, environment: Environment) -> Correlated:
    """A subquery that does not read the block around it."""
    lowered = environment.lower_query(query, replace(environment, outer=None))
    values = tuple(attribute.reference for attribute in lowered.node.attributes)
    return Correlated(lowered.node, lowered.names, values, ())


def _aggregation(block: Block) -> Correlated:
    pairs = equated(block.correlation, block.node)
    grouped = block.grouped(extra_keys=[inner for inner, _ in pairs])
    aggregate = grouped.aggregate
    condition = tuple(
        Operator(("=",), key.reference, outer)
        for (key, _), (_, outer) in zip(aggregate.keys, pairs, strict=False)
    )
    values, having = grouped.targets, grouped.having
    if pairs:
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
        having=having is not None,
    )


def _without_rows(value: Expression, aggregate: Aggregate) -> Expression:
    """Count is 0, not NULL, where the outer join found no group."""
    counts = {a.reference for a, call in aggregate.aggregates if is_count(call)}

    def replaced(expression: Expression) -> Expression | None:
        if expression in counts:
            return SqlFunction("COALESCE", (expression, Literal("0")))
        return None

    return rewrite(value, replaced)


def is_count(call: Call) -> bool:
    """Whether an aggregate is 0, and not NULL, over no rows."""
    return call.name in (("count",), ("regr_count",))


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
