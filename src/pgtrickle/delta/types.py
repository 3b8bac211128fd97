"""The types that stateful operators must know, asked in one question before any state exists.

Each operator names expressions over its child, computed from base tables alone. What stands below
another operator, or in several places, is a common table expression, so that the question grows
with the tree and not with its depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgtrickle.delta import aggregate, partitioned
from pgtrickle.delta.maintenance import Maintenance, Rules
from pgtrickle.delta.relation import Relation
from pgtrickle.delta.state import Selection, States
from pgtrickle.query.algebra import (
    Aggregate,
    Node,
    Recursion,
    Shared,
    TopN,
    Window,
    Working,
    walk_nodes,
)

ASKED_ONCE = (Aggregate, Window, TopN, Recursion, Shared)
"""What becomes a common table expression of the question."""


def learn_types(root: Node, rules: Mapping[type[Node], Rules], states: States) -> None:
    """Fill ``states.types`` for every stateful operator under `root`."""
    asking = _Asking(rules, {}, frozenset(), states)
    asked = {
        id(node): Selection(items, asking.initial(about).source("c"))
        for node, about, items in _questions(root)
    }
    answers = states.describer(asking.ctes, list(asked.values()))
    states.types.update(zip(asked, answers, strict=True))


def _questions(root: Node) -> Iterator[tuple[Node, Node, tuple[str, ...]]]:
    """What each operator asks: itself, the node it asks about, and the expressions over that."""
    for node in walk_nodes(root):
        match node:
            case Recursion():
                yield node, node, node.ids
            case _ if _is_inside_recursion(node):
                pass  # it is a part of something that is computed as a whole
            case Aggregate():
                yield node, node.child, aggregate.asked(node)
            case Window() | TopN():
                yield node, node.child, partitioned.asked(node)


def _is_inside_recursion(node: Node) -> bool:
    """Whether `node` reads what a recursion around it has found so far."""
    below = list(walk_nodes(node))
    around = {each.recursion for each in below if isinstance(each, Working)}
    return not around <= {each.name for each in below if isinstance(each, Recursion)}


class _Asking(Maintenance):
    """Gives `initial` of what may be read several times as the name of a CTE."""

    def initial(self, node: Node) -> Relation:
        if not isinstance(node, ASKED_ONCE) or _is_inside_recursion(node):
            return super().initial(node)
        place = id(node.child) if isinstance(node, Shared) else id(node)
        if place not in self.finished:
            sql = super().initial(node).sql
            self.finished[place] = self.add_cte(self.fresh_name("t"), sql)
        return Relation(f"SELECT * FROM {self.finished[place]}", node.ids, weighted=False)
