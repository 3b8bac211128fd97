"""ON, with subqueries in it.

A subquery in ON is computed beside the side whose columns it reads, and the condition reads its
value. In the condition of an inner join it may read both sides, as in WHERE. Of an outer join with
such a condition θ the matches are computed apart, and with c the columns of L that θ reads,

    L ⟕ R on θ   is   σ_θ(L × R)  ∪  (L ▷ σ_θ(L × R) on the same c) extended by NULLs
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import (
    Attribute,
    Join,
    Node,
    OuterJoin,
    Project,
    SemiJoin,
    Shared,
    UnionAll,
)
from pgtrickle.query.expression import Cast, Expression, Literal, Sublink, TypeName
from pgtrickle.query.lowering import subqueries
from pgtrickle.query.lowering.conditions import conjunction, conjuncts
from pgtrickle.query.lowering.domain import same
from pgtrickle.query.lowering.environment import Environment
from pgtrickle.query.lowering.free_names import free_names, reads
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.lowering.source import Source
from pgtrickle.query.pruning import columns_of


def join_node(kind: str, left: Node, right: Node, condition: Expression | None) -> Node:
    match kind:
        case "LEFT":
            return OuterJoin(left, right, condition)
        case "RIGHT":
            return OuterJoin(right, left, condition)
        case "FULL":
            return OuterJoin(left, right, condition, full=True)
    return Join(left, right, condition)


def joined_on(item: s.Join, left: Source, right: Source, environment: Environment) -> Node:
    """The two sides of a join with ON, or without any condition. Raises NotIncremental."""
    every = conjuncts(item.on)
    nested = [each for each in every if subqueries.has_sublink(each)]
    scope = replace(left.scope + right.scope, outer=environment.outer)
    plain = [scope.resolve(each) for each in every if each not in nested]
    if not columns_of(tuple(plain)) <= frozenset((*left.node.ids, *right.node.ids)):
        raise NotIncremental("JOIN ... ON", "its condition reads the query around a subquery")
    if item.kind in ("INNER", "CROSS"):
        node = join_node(item.kind, left.node, right.node, conjunction(plain))
        return restricted(node, scope, nested, environment)
    if any(_reads_both(each, left, right) for each in nested):
        return _apart(item, left, right, environment)
    sides = {"left": left, "right": right}

    def attach(sublink: Sublink) -> Expression:
        name = "left" if reads(sublink, left.scope) else "right"
        of = replace(sides[name].scope, outer=environment.outer)
        node, value = subqueries.attach(sides[name].node, of, sublink, environment)
        sides[name] = replace(sides[name], node=node)
        return value

    plain += [scope.resolve(each, attach) for each in nested]
    return join_node(item.kind, sides["left"].node, sides["right"].node, conjunction(plain))


def restricted(
    node: Node, scope: Scope, conditions: list[Expression], environment: Environment
) -> Node:
    """`node` filtered by conditions that hold subqueries."""
    for condition in conditions:
        node = subqueries.restrict(node, scope, condition, environment)
    return node


def _reads_both(condition: Expression, left: Source, right: Source) -> bool:
    """Whether a subquery in a condition reads both sides of the join."""
    found: list[Sublink] = []

    def collect(sublink: Sublink) -> Expression:
        found.append(sublink)
        return Literal("NULL")

    (left.scope + right.scope).resolve(condition, collect)
    return any(reads(each, left.scope) and reads(each, right.scope) for each in found)


def _apart(item: s.Join, left: Source, right: Source, environment: Environment) -> Node:
    if item.kind == "FULL":
        raise NotIncremental("FULL JOIN", "a subquery in its condition reads both sides")
    kept, other = (left, right) if item.kind == "LEFT" else (right, left)
    kept = replace(kept, node=Shared(kept.node))
    inner = replace(item, kind="INNER")
    sides = (kept, other) if item.kind == "LEFT" else (other, kept)
    matches = joined_on(inner, *sides, environment)
    return with_unmatched(kept, matches, other.node.attributes, item.on, environment)


def with_unmatched(
    kept: Source,
    matches: Node,
    others: tuple[Attribute, ...],
    condition: Any,
    environment: Environment,
) -> Node:
    """`matches`, and the rows of `kept` that have none, with NULLs for `others`.

    `kept` is shared. Whether a row of it has a match is decided by the columns of it that
    `condition` reads, going by names.
    """
    new = environment.attributes.new
    shared = Shared(matches)
    decisive = _columns_read(condition, kept.scope)
    again = {a.id: new(a.not_null) for a in kept.node.attributes}
    found = {id: new(again[id].not_null) for id in again if id in decisive}
    rows = Project(kept.node, tuple((again[a.id], a.reference) for a in kept.node.attributes))
    with_match = Project(
        shared,
        tuple((found[a.id], a.reference) for a in matches.attributes if a.id in found),
    )
    match = conjunction(same(again[id], attribute) for id, attribute in found.items())
    unmatched = SemiJoin(rows, with_match, match, negated=True)
    types = environment.facts.types(matches, [a.reference for a in others])
    nulls = [Cast(Literal("NULL"), TypeName(type)) for type in types]
    wanted = (*kept.node.attributes, *others)
    branches = (
        Project(shared, tuple((new(a.not_null), a.reference) for a in wanted)),
        Project(
            unmatched,
            (
                *((new(a.not_null), a.reference) for a in again.values()),
                *((new(), null) for null in nulls),
            ),
        ),
    )
    outputs = (*kept.node.attributes, *(Attribute(a.id) for a in others))
    return UnionAll(branches, outputs)


def _columns_read(value: Any, scope: Scope) -> frozenset[str]:
    """The attributes that something reads of a scope, by their ids."""
    found: set[str] = set()
    for relation, name in free_names(value):
        if relation is None:
            found |= columns_of(scope.merged.get(name))
        elif name in scope.relations.get(relation, {}):
            found.add(scope.relations[relation][name].id)
        elif name == "" and relation in scope.whole:
            found.add(scope.whole[relation].id)
    return frozenset(found)
