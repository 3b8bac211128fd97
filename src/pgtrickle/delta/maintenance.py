"""The context in which delta rules are applied: one variant of one plan.

A variant is a set of sources that may have changed. Rules ask it for the states of their
inputs, and leave with it the common table expressions that their own result needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pgtrickle.delta.relation import WEIGHT, Relation, select, taken_for_several, union_all
from pgtrickle.delta.state import States
from pgtrickle.query.algebra import Node, Scan, moves_itself
from pgtrickle.query.lowering import NotIncremental


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one operator. Each takes the node and the maintenance it is part of.

    `old` is None where the operator cannot be computed at the frontier any better than by taking
    its delta back; one that can where its inputs can does so elsewhere (`taken_back`). `new_terms`
    are relations that add up to `new`, where there are several; `old_terms` those that add up to
    `old`, where there are better ones than `new` and the delta taken back, or None.
    """

    initial: Callable[[Any, Maintenance], Relation]
    new: Callable[[Any, Maintenance], Relation]
    old: Callable[[Any, Maintenance], Relation] | None
    delta: Callable[[Any, Maintenance], Relation]
    new_terms: Callable[[Any, Maintenance], list[Relation]] | None = None
    old_terms: Callable[[Any, Maintenance], list[Relation] | None] | None = None


@dataclass(slots=True)
class Maintenance:
    """States of nodes, given which sources changed.

    `sources` numbers the captured relations by OID; `changed` holds the numbers that may have
    changes in this variant. `ctes` and `changes` collect what the rules need and what they do to
    state tables; `checks` are selects that must be empty, or the state is not what it should be;
    `finished` remembers the CTE a node has already added, `shared` the deltas that have one.
    `working` is what the steps of recursions read of them, by name. `known` are answers of
    `is_changed`, which is asked of the same nodes again and again.
    """

    rules: Mapping[type[Node], Rules]
    sources: Mapping[int, int]
    changed: frozenset[int]
    states: States
    ctes: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    finished: dict[int, str] = field(default_factory=dict)
    shared: dict[int, Relation | None] = field(default_factory=dict)
    working: dict[str, Relation] = field(default_factory=dict)
    known: dict[int, tuple[Node, bool]] = field(default_factory=dict)

    def is_changed(self, node: Node) -> bool:
        """Whether anything under `node` may have changed in this variant, be it with time."""
        if id(node) not in self.known:  # the node is kept with the answer, so that its id stays its
            here = self.sources[node.relid] in self.changed if isinstance(node, Scan) else False
            changed = here or moves_itself(node) or any(map(self.is_changed, node.children))
            self.known[id(node)] = node, changed
        return self.known[id(node)][1]

    def initial(self, node: Node) -> Relation:
        return self._rules(node).initial(node, self)

    def new(self, node: Node) -> Relation:
        return self._rules(node).new(node, self)

    def new_terms(self, node: Node) -> list[Relation]:
        """Relations that add up to `new`; each can be joined through indexes on its own.

        As one UNION ALL, groups that were touched and all others cannot.
        """
        rule = self._rules(node).new_terms
        return [self.new(node)] if rule is None or not self.is_changed(node) else rule(node, self)

    def old(self, node: Node) -> Relation:
        if not self.is_changed(node):
            return self.new(node)
        rule = self._rules(node).old
        return self.taken_back(node) if rule is None else rule(node, self)

    def taken_back(self, node: Node) -> Relation:
        """`old` as what is there now less the changes, weighted."""
        terms = [
            select([*term.ids, f"{term.weights('o')} AS {WEIGHT}"], f"FROM {term.source('o')}")
            for term in self.old_terms(node)
        ]
        return Relation(union_all(terms), node.ids, weighted=True)

    def old_terms(self, node: Node) -> list[Relation]:
        """Relations that add up to `old`; each can be joined through indexes on its own."""
        if not self.is_changed(node) or self.has_old(node):
            return [self.old(node)]
        known = self.known_terms(node)
        if known is not None:
            return known
        change = self.shared_delta(node)
        if change is None:
            raise ValueError("a changed relation has a delta")
        back = select([*change.ids, f"- {WEIGHT} AS {WEIGHT}"], f"FROM {change.source('o')}")
        return [self.new(node), Relation(back, change.ids, weighted=True)]

    def known_terms(self, node: Node) -> list[Relation] | None:
        """Terms of `old` that are made of what is known as it was; None where there are no such."""
        rule = self._rules(node).old_terms
        return None if rule is None or not self.is_changed(node) else rule(node, self)

    def has_old(self, node: Node) -> bool:
        """Whether `old` is made of tables and changes all the way down."""
        if self._rules(node).old is None:
            return not self.is_changed(node)
        return id(node) in self.states.tables or all(self.has_old(child) for child in node.children)

    def delta(self, node: Node) -> Relation | None:
        return self._rules(node).delta(node, self) if self.is_changed(node) else None

    def shared_delta(self, node: Node) -> Relation | None:
        """The delta as a CTE of its own, computed once however often it is read."""
        if id(node) not in self.shared:
            delta = self.delta(node)
            self.shared[id(node)] = None if delta is None else self.share(delta)
        return self.shared[id(node)]

    @contextmanager
    def reading(self, recursion: str, relation: Relation) -> Iterator[None]:
        """Within the block the step of `recursion` reads `relation`."""
        before = self.working.get(recursion)
        self.working[recursion] = relation
        try:
            yield
        finally:
            if before is None:
                del self.working[recursion]
            else:
                self.working[recursion] = before

    def share(self, relation: Relation) -> Relation:
        """A relation as a CTE of its own."""
        if relation.is_shared:
            return relation
        name = self.add_cte(self.fresh_name("x"), taken_for_several(relation))
        return Relation(f"SELECT * FROM {name}", relation.ids, relation.weighted, is_shared=True)

    def fresh_name(self, letter: str) -> str:
        """A CTE name not used in this variant."""
        return f"{letter}__{len(self.ctes) + 1}"

    def add_cte(self, name: str, sql: str) -> str:
        """Add ``name AS MATERIALIZED (sql)``; the name is returned."""
        self.ctes.append(f"{name} AS MATERIALIZED (\n{sql}\n)")
        return name

    def add_change(self, name: str, sql: str) -> None:
        """Add a data-modifying CTE."""
        self.changes.append(f"{name} AS (\n{sql}\n)")

    def _rules(self, node: Node) -> Rules:
        found = self.rules.get(type(node))
        if found is None:
            raise NotIncremental(type(node).__name__, "there is no delta rule for it")
        return found
