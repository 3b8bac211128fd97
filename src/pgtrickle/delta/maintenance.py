"""The context in which delta rules are applied: one variant of one plan.

A variant is a set of sources that may have changed. Rules ask it for the states of their
inputs, and leave with it the common table expressions that their own result needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pgtrickle.delta.relation import Relation
from pgtrickle.delta.state import States
from pgtrickle.query.algebra import Node, scans
from pgtrickle.query.lowering import NotIncremental


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one operator. Each takes the node and the maintenance it is part of."""

    initial: Callable[[Any, Maintenance], Relation]
    new: Callable[[Any, Maintenance], Relation]
    old: Callable[[Any, Maintenance], Relation]
    delta: Callable[[Any, Maintenance], Relation]


@dataclass(slots=True)
class Maintenance:
    """States of nodes, given which sources changed.

    `sources` numbers the captured relations by OID; `changed` holds the numbers that may have
    changes in this variant. `ctes` and `changes` collect what the rules need and what they do to
    state tables; `checks` are selects that must be empty, or the state is not what it should be;
    `finished` remembers the CTE a node has already added.
    """

    rules: Mapping[type[Node], Rules]
    sources: Mapping[int, int]
    changed: frozenset[int]
    states: States
    ctes: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    finished: dict[int, str] = field(default_factory=dict)

    def is_changed(self, node: Node) -> bool:
        """Whether anything under `node` may have changed in this variant."""
        return any(self.sources[scan.relid] in self.changed for scan in scans(node))

    def initial(self, node: Node) -> Relation:
        return self._rules(node).initial(node, self)

    def new(self, node: Node) -> Relation:
        return self._rules(node).new(node, self)

    def old(self, node: Node) -> Relation:
        rules = self._rules(node)
        return rules.old(node, self) if self.is_changed(node) else rules.new(node, self)

    def delta(self, node: Node) -> Relation | None:
        return self._rules(node).delta(node, self) if self.is_changed(node) else None

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
