"""Subqueries in expressions become joins.

A conjunct of WHERE that is EXISTS, IN or ALL, or the negation of one, becomes a semi or anti
join. In any other place a subquery's value becomes a column: a *mark* for EXISTS, marks combined
by CASE for the three-valued IN, ANY and ALL, the joined value of a scalar subquery, the joined
values of one whose only row is compared.

NOT IN is true only where no row's comparison is anything but false. Where both sides may be NULL
it is taken apart, so that the large part stays an equality that an index can serve:

    x NOT IN (Q)  ⟺  no row equal to x, no NULL in Q, and x is not NULL or Q is empty
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pgtrickle.query.algebra import Aggregate, Filter, MarkJoin, Node, Project, SemiJoin
from pgtrickle.query.expression import (
    Argument,
    Call,
    Case,
    Cast,
    Column,
    DistinctFrom,
    Expression,
    Is,
    Literal,
    Not,
    Operator,
    Or,
    SqlFunction,
    Sublink,
    Template,
    TypeName,
)
from pgtrickle.query.lowering.collecting import collected
from pgtrickle.query.lowering.conditions import conjunction
from pgtrickle.query.lowering.correlated import Correlated, are_equated
from pgtrickle.query.lowering.environment import Environment
from pgtrickle.query.lowering.equality import COMPARED, EQUAL
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.lowering.targets import column_names
from pgtrickle.query.pruning import columns_of
from pgtrickle.query.statement import Query
from pgtrickle.query.traverse import transform

TEST = "\0test"
"""A relation no query names: the left side of a comparison."""
NULL = Literal("NULL")
"""Compared by IS DISTINCT FROM: IS NULL would look into the fields of a row."""
NULL_BOOLEAN = Cast(NULL, TypeName("boolean"))


def restrict(node: Node, scope: Scope, condition: Expression, environment: Environment) -> Node:
    """`node` filtered by a conjunct of WHERE that holds subqueries."""
    match condition:
        case Sublink(test=Expression() as test) as sublink if has_sublink(test):
            node, scope, condition = _with_test(node, scope, sublink, environment)
        case Not(operand=Sublink(test=Expression() as test) as sublink) if has_sublink(test):
            node, scope, sublink = _with_test(node, scope, sublink, environment)
            condition = Not(sublink)
    match condition:
        case (Sublink(kind="ANY" | "ALL") as sublink) | Not(operand=Sublink(kind="ANY") as sublink):
            if _with_one_row(node, scope, sublink, environment) is not None:
                return _filtered(node, scope, condition, environment)
    match condition:
        case Sublink(kind="EXISTS"):
            return _exists(node, scope, condition, environment, negated=False)
        case Not(operand=Sublink(kind="EXISTS") as sublink):
            return _exists(node, scope, sublink, environment, negated=True)
        case Sublink(kind="ANY"):
            node, inner, pairs = _comparison(node, scope, condition, environment)
            return SemiJoin(node, inner.node, _and(inner, pairs), negated=False)
        case Not(operand=Sublink(kind="ANY") as sublink):
            return _no_match(node, scope, sublink, environment)
        case Sublink(kind="ALL"):
            node, inner, pairs = _comparison(node, scope, condition, environment)
            untrue = Is(_together(pairs), "NOT TRUE")
            return SemiJoin(node, inner.node, _and(inner, [untrue]), negated=True)

    return _filtered(node, scope, condition, environment)


def _filtered(node: Node, scope: Scope, condition: Expression, environment: Environment) -> Node:
    """`node` filtered by a condition over the values of its subqueries."""

    def attached(sublink: Sublink) -> Expression:
        nonlocal node
        node, value = attach(node, scope, sublink, environment)
        return value

    resolved = scope.resolve(condition, attached)
    return Filter(node, resolved)


def attach(
    node: Node, scope: Scope, sublink: Sublink, environment: Environment
) -> tuple[Node, Expression]:
    """`node` with what a subquery contributes, and the expression of the subquery's value."""
    if sublink.test is not None and has_sublink(sublink.test):
        node, scope, sublink = _with_test(node, scope, sublink, environment)
    match sublink.kind:
        case "EXISTS":
            node, inner = _lowered(node, scope, sublink, environment)
            if inner.one_row:
                return _one_row_exists(node, inner)
            return _mark(node, inner, list(inner.condition), environment)
        case "ANY" | "ALL":
            compared = _with_one_row(node, scope, sublink, environment)
            return compared or _quantified(node, scope, sublink, environment)
        case "SCALAR":
            node, inner = _scalar(node, scope, sublink, environment)
            return inner.beside(node, outer=True), inner.values[0]
        case "ROW":
            node, inner = _scalar(node, scope, sublink, environment)
            test = None if sublink.test is None else scope.resolve(sublink.test)
            row = SqlFunction("ROW", inner.values)
            return inner.beside(node, outer=True), Operator(sublink.operator or EQUAL, test, row)
        case "ARRAY":
            collecting = replace(
                sublink, kind="SCALAR", query=collected(sublink.query, environment.facts)
            )
            node, inner = _lowered(node, scope, collecting, environment)
            (type,) = environment.facts.types(inner.node, [inner.values[0]])
            empty = Cast(Literal("'{}'"), TypeName(type))
            value = SqlFunction("COALESCE", (inner.values[0], empty))
            return inner.beside(node, outer=True), value
    raise NotIncremental(f"subquery ({sublink.kind})", "it is recomputed")


def _with_test(
    node: Node, scope: Scope, sublink: Sublink, environment: Environment
) -> tuple[Node, Scope, Sublink]:
    """A comparison whose left side holds subqueries: that becomes columns, named as TEST."""

    def attached(inner: Sublink) -> Expression:
        nonlocal node
        node, value = attach(node, scope, inner, environment)
        return value

    if sublink.test is None:
        raise NotIncremental(sublink.kind, "it compares nothing")
    test = scope.resolve(sublink.test, attached)
    is_row = isinstance(test, SqlFunction) and test.keyword == "ROW"
    values = test.arguments if is_row else (test,)  # type: ignore[attr-defined]
    columns = {each: environment.attributes.new() for each in values}
    kept = tuple((attribute, attribute.reference) for attribute in node.attributes)
    node = Project(node, (*kept, *((attribute, each) for each, attribute in columns.items())))
    scope = scope + Scope({TEST: {a.id: a for a in columns.values()}})
    names = tuple(Column(TEST, columns[each].id) for each in values)
    named = SqlFunction("ROW", names) if is_row else names[0]
    return node, scope, replace(sublink, test=named)


def _lowered(
    node: Node, scope: Scope, sublink: Sublink, environment: Environment
) -> tuple[Node, Correlated]:
    """The subquery, and `node`, perhaps as a relation that both share."""
    inside = replace(environment, outer=scope, around=node)
    inner = environment.lower_correlated(sublink.query, inside)
    node, inner = inner.placed(node, environment.attributes)
    inner.check_reach(node)
    return node, inner


def _with_one_row(
    node: Node, scope: Scope, sublink: Sublink, environment: Environment
) -> tuple[Node, Expression] | None:
    """IN, ANY and ALL over an aggregation: the comparison with its only row, or None.

    Where HAVING drops that row, ANY is false and ALL true.
    """
    around, inner = _lowered(node, scope, sublink, environment)
    if not inner.one_row or not (inner.condition or inner.having is not None):
        return None
    compared = _together(_pairs(sublink, scope, inner))
    if inner.having is not None:
        of_none = Literal("false" if sublink.kind == "ANY" else "true")
        compared = Case(None, ((inner.having, compared),), of_none)
    return inner.beside(around, outer=True), compared


def _scalar(
    node: Node, scope: Scope, sublink: Sublink, environment: Environment
) -> tuple[Node, Correlated]:
    """A subquery that gives one value: of no row NULL, of two PostgreSQL's error."""
    around, inner = _lowered(node, scope, sublink, environment)
    if inner.one_row:
        return around, inner
    within = columns_of(inner.values) <= frozenset(inner.node.ids)
    if not (within and are_equated(inner.condition, inner.node)):
        inside = replace(environment, outer=scope, around=node)
        inner = environment.lower_dependent(sublink.query, inside)
        around, inner = inner.placed(node, environment.attributes)
    return around, _single(inner, environment)


def _one_row_exists(node: Node, inner: Correlated) -> tuple[Node, Expression]:
    """`node` with an aggregation, and whether that has its row: always, unless HAVING drops it."""
    if inner.having is None:
        return node, Literal("true")
    return inner.beside(node, outer=True), Is(inner.having, "TRUE")


def _exists(
    node: Node, scope: Scope, sublink: Sublink, environment: Environment, *, negated: bool
) -> Node:
    around, inner = _lowered(node, scope, sublink, environment)
    if inner.one_row:
        joined, exists = _one_row_exists(around, inner)
        return Filter(joined, Not(exists) if negated else exists)
    return SemiJoin(around, inner.node, conjunction(inner.condition), negated)


def _comparison(
    node: Node, scope: Scope, sublink: Sublink, environment: Environment
) -> tuple[Node, Correlated, list[Expression]]:
    """As `_lowered`, and ``test operator value`` column by column."""
    node, inner = _lowered(node, scope, sublink, environment)
    return node, inner, _pairs(sublink, scope, inner)


def _pairs(sublink: Sublink, scope: Scope, inner: Correlated) -> list[Expression]:
    """``test operator value``, column by column where that is the comparison of the rows."""
    if sublink.test is None or sublink.operator is None:
        raise NotIncremental(sublink.kind, "it compares nothing")
    test = scope.resolve(sublink.test)
    tests: tuple[Expression, ...] = (test,)
    if isinstance(test, SqlFunction) and test.keyword == "ROW" and len(inner.values) > 1:
        tests = test.arguments
    if len(tests) != len(inner.values):
        raise NotIncremental(sublink.kind, "it compares whole rows")
    operator = sublink.operator
    if len(tests) > 1 and operator not in (EQUAL, COMPARED):
        rows = SqlFunction("ROW", tests), SqlFunction("ROW", inner.values)
        return [Operator(operator, *rows)]
    pairs = zip(tests, inner.values, strict=True)
    return [Operator(operator, a, b) for a, b in pairs]


def _together(pairs: list[Expression]) -> Expression:
    found = conjunction(pairs)
    if found is None:
        raise NotIncremental("IN", "it compares nothing")
    return found


def _and(inner: Correlated, conditions: list[Expression]) -> Expression | None:
    return conjunction([*conditions, *inner.condition])


def _mark(
    node: Node, inner: Correlated, conditions: list[Expression], environment: Environment
) -> tuple[Node, Expression]:
    mark = environment.attributes.new(not_null=True)
    return MarkJoin(node, inner.node, conjunction(conditions), mark), mark.reference


def _is_not_null(expression: Expression, node: Node) -> bool:
    return isinstance(expression, Column) and any(
        attribute.id == expression.name and attribute.not_null for attribute in node.attributes
    )


def _simple_equality(
    sublink: Sublink, pairs: list[Expression]
) -> tuple[Expression, Expression] | None:
    """The two sides of ``x = value`` where that is all that is compared."""
    match pairs:
        case [Operator(name=("=",), left=Expression() as a, right=b)] if sublink.operator == EQUAL:
            return a, b
    return None


def _no_match(node: Node, scope: Scope, sublink: Sublink, environment: Environment) -> Node:
    """NOT IN, NOT (x op ANY): where every comparison is false."""
    node, inner, pairs = _comparison(node, scope, sublink, environment)
    sides = _simple_equality(sublink, pairs)
    if sides is None:
        not_false = Is(_together(pairs), "NOT FALSE")
        return SemiJoin(node, inner.node, _and(inner, [not_false]), negated=True)
    test, value = sides
    result: Node = SemiJoin(node, inner.node, _and(inner, pairs), negated=True)
    if not _is_not_null(value, inner.node):
        result, again = _lowered(result, scope, sublink, environment)
        is_null = DistinctFrom(again.values[0], NULL, negated=True)
        result = SemiJoin(result, again.node, _and(again, [is_null]), negated=True)
    if not _is_not_null(test, node):
        result, again = _lowered(result, scope, sublink, environment)
        result, some = _mark(result, again, list(again.condition), environment)
        result = Filter(result, Or((DistinctFrom(test, NULL, negated=False), Not(some))))
    return result


def _quantified(
    node: Node, scope: Scope, sublink: Sublink, environment: Environment
) -> tuple[Node, Expression]:
    """ANY and ALL with their three values, from marks."""
    node, inner, pairs = _comparison(node, scope, sublink, environment)
    decisive = _together(pairs)
    if sublink.kind == "ALL":
        decisive = Is(decisive, "FALSE")
    node, decided = _mark(node, inner, [decisive, *inner.condition], environment)
    node, again, pairs = _comparison(node, scope, sublink, environment)
    unknown = Is(_together(pairs), "NULL")
    node, undecided = _mark(node, again, [unknown, *again.condition], environment)
    yes, no = ("true", "false") if sublink.kind == "ANY" else ("false", "true")
    value = Case(None, ((decided, Literal(yes)), (undecided, NULL_BOOLEAN)), Literal(no))
    return node, value


def _single(inner: Correlated, environment: Environment) -> Correlated:
    """A scalar subquery without aggregation: its only row, or PostgreSQL's error for two.

    Collects the values of each correlation key; taking the one value out of a collection is a
    subquery again, which raises for a second row.
    """
    pairs = inner.equated()
    keys, outers = [a for a, _ in pairs], [b for _, b in pairs]
    below, calls, only = [], [], []
    types = environment.facts.types(inner.node, inner.values)
    for value, type in zip(inner.values, types, strict=True):
        # Arrays of arrays are something else: each is kept as text.
        taken, as_type = value, ""
        if type.endswith("[]"):
            taken, as_type = Cast(value, TypeName("text")), f"::{type}"
        one, collected = environment.attributes.new(), environment.attributes.new()
        below.append((one, taken))
        calls.append((collected, Call(("array_agg",), (Argument(one.reference),))))
        parts = f"(SELECT v.v{as_type} FROM unnest(", collected.reference, ") AS v (v))"
        only.append(Template("scalar subquery", parts))
    kept = ((a, a.reference) for a in inner.node.attributes)
    attributes = tuple(environment.attributes.new() for _ in keys)
    node = Aggregate(
        Project(inner.node, (*kept, *below)),
        tuple(zip(attributes, keys, strict=True)),
        tuple(calls),
        "scalar subquery",
    )
    condition = tuple(
        replace(before, left=attribute.reference, right=outer)  # type: ignore[call-arg]
        for before, attribute, outer in zip(inner.condition, attributes, outers, strict=True)
    )
    return Correlated(node, inner.names, tuple(only), condition, one_row=True)


def with_row_comparisons(query: Query) -> Query:
    """`query` with comparisons of a row with a subquery's only row as subqueries of kind ROW."""

    def replaced(node: Any) -> Any:
        match node:
            case Operator(left=Expression() as test, right=Sublink(kind="SCALAR", query=inner)):
                if len(column_names(inner)) > 1:
                    return Sublink("ROW", inner, test, node.name)
        return node

    return transform(query, replaced)


def has_sublink(expression: Expression) -> bool:
    """Whether a subquery stands anywhere in `expression`."""
    found = False

    def look(each: Expression) -> Expression | None:
        nonlocal found
        found = found or isinstance(each, Sublink)
        return each if found else None

    rewrite(expression, look)
    return found
