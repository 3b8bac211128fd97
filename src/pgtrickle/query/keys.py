"""What identifies a row: the sets of attributes that are unique and not null in a relation."""

from __future__ import annotations

from pgtrickle.query.algebra import (
    Aggregate,
    Attribute,
    Constant,
    Expand,
    Filter,
    Join,
    MarkJoin,
    Node,
    OuterJoin,
    Project,
    Replicate,
    Scan,
    SemiJoin,
    Shared,
    TopN,
    Window,
)
from pgtrickle.query.expression import And, Column, Expression, Operator

Key = frozenset[str]
MOST_KEYS = 8
"""Alternatives followed per relation; joins multiply them."""


def keys(node: Node, equal: frozenset[tuple[str, str]] = frozenset()) -> tuple[Key, ...]:
    """Keys of `node` as sets of attribute ids, shortest first.

    `equal` holds pairs of attributes that conditions above `node` equate: a join on the whole
    key of one side leaves the other side's key unique. The empty key means: at most one row.
    """
    return _shortest(_keys(node, equal))


def _shortest(found: list[Key]) -> tuple[Key, ...]:
    return tuple(sorted(set(found), key=lambda key: (len(key), sorted(key)))[:MOST_KEYS])


def _keys(node: Node, equal: frozenset[tuple[str, str]]) -> list[Key]:
    match node:
        case Scan():
            ids = {name: attribute.id for attribute, name in node.columns}
            return [
                frozenset(ids[name] for name in names)
                for names in node.keys
                if all(name in ids for name in names)
            ]
        case Constant(single=True):
            return [frozenset()]
        case Filter():
            return list(keys(node.child, equal | equalities(node.predicate)))
        case Project():
            return _projected(node)
        case OuterJoin():
            return _outer_joined(node, equal)
        case Expand() | Replicate():
            return []
        case SemiJoin() | MarkJoin():
            return list(keys(node.left, equal))
        case Shared():
            return list(keys(node.child))
        case Window() | TopN():
            return list(keys(node.child, equal))
        case Join():
            return _joined(node, equal | equalities(node.condition))
        case Aggregate():
            if all(attribute.not_null for attribute, _ in node.keys):
                return [frozenset(attribute.id for attribute, _ in node.keys)]
    return []


def _projected(node: Project) -> list[Key]:
    """Keys whose every attribute is handed on unchanged."""
    if node.expands:
        return []
    renamed: dict[str, str] = {}
    for attribute, expression in node.items:
        if isinstance(expression, Column):
            renamed.setdefault(expression.name, attribute.id)
    return [
        frozenset(renamed[id] for id in key)
        for key in keys(node.child)
        if all(id in renamed for id in key)
    ]


def group_key(node: Node) -> tuple[str, ...] | None:
    """The attributes that tell the groups of a top-level aggregation apart; they may be NULL.

    None where `node` is no aggregation, or hides one of its keys.
    """
    renamed: dict[str, str] | None = None
    while isinstance(node, Project | Filter):
        if isinstance(node, Project):
            if node.expands:
                return None
            handed_on = {e.name: a.id for a, e in reversed(node.items) if isinstance(e, Column)}
            renamed = (
                handed_on
                if renamed is None
                else {name: renamed[id] for name, id in handed_on.items() if id in renamed}
            )
        node = node.child
    if not isinstance(node, Aggregate) or not node.keys:
        return None
    names = [attribute.id for attribute, _ in node.keys]
    if renamed is None:
        return tuple(names)
    return tuple(renamed[name] for name in names) if all(n in renamed for n in names) else None


def _joined(node: Join, equal: frozenset[tuple[str, str]]) -> list[Key]:
    left, right = keys(node.left, equal), keys(node.right, equal)
    found = [a | b for a in left for b in right]
    if matches_one(node.right, right, node.left, equal):
        found += left
    if matches_one(node.left, left, node.right, equal):
        found += right
    return found


def _outer_joined(node: OuterJoin, equal: frozenset[tuple[str, str]]) -> list[Key]:
    """The left side's keys, where each left row meets at most one right row."""
    equal |= equalities(node.condition)
    right = keys(node.right, equal)
    if node.full or not matches_one(node.right, right, node.left, equal):
        return []
    return list(keys(node.left))


def meets_one(node: Node, other: Node, condition: Expression | None) -> bool:
    """Whether a row of `other` meets at most one row of `node` under a join's condition."""
    equal = equalities(condition)
    return bool(equal) and matches_one(node, keys(node, equal), other, equal)


def matches_one(
    node: Node, unique: tuple[Key, ...], other: Node, equal: frozenset[tuple[str, str]]
) -> bool:
    """Whether a row of `other` meets at most one row of `node`, whose keys are `unique`.

    The key of a group may be NULL here, for what is equated with something is not.
    """
    group = group_key(node)
    if group:
        unique = (*unique, frozenset(group))
    return any(_determined(key, other, equal) for key in unique)


def _determined(key: Key, other: Node, equal: frozenset[tuple[str, str]]) -> bool:
    """Whether every attribute of `key` is equated with an attribute of `other`."""
    ids = frozenset(other.ids)
    return all(any(a == id and b in ids for a, b in equal) for id in key)


def equalities(condition: Expression | None) -> frozenset[tuple[str, str]]:
    """Pairs of attributes that a condition equates, both ways round."""
    match condition:
        case And(operands=operands):
            return frozenset(pair for operand in operands for pair in equalities(operand))
        case Operator(name=("=",), left=Column(name=a), right=Column(name=b)):
            return frozenset({(a, b), (b, a)})
    return frozenset()


def not_null_ids(attributes: tuple[Attribute, ...]) -> frozenset[str]:
    """Ids of the attributes that are never NULL."""
    return frozenset(attribute.id for attribute in attributes if attribute.not_null)
