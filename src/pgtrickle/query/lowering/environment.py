"""What a query block may refer to beyond its own FROM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pgtrickle.query.algebra import Attribute, Node
from pgtrickle.query.expression import Name
from pgtrickle.query.lowering.attributes import Attributes
from pgtrickle.query.lowering.correlated import Correlated
from pgtrickle.query.lowering.equality import EQUAL
from pgtrickle.query.lowering.facts import Facts
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.statement import Query


@dataclass(frozen=True, slots=True)
class Lowered:
    """A relation and the names of its columns, in order."""

    node: Node
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """The database, the WITH names, and scope and FROM of the block around (None at the top).

    `lower_query` lowers a query that does not read the block around it, `lower_correlated` one that
    may, `lower_dependent` such a one over a domain; `lower_block` what a block selects, for each
    combination of some columns of its FROM, which it appends. `with_tables` takes the WITH queries
    off a subquery: they become WITH names, or stand in their places where they read the block
    around. (They are handed around to keep the modules below them free of cycles.) `whole_rows`
    names the FROM items whose rows the block uses as values; `equality` is the operator of JOIN
    USING (see `equality`).
    """

    facts: Facts
    attributes: Attributes
    common_tables: dict[str, Callable[[], Lowered]]
    lower_query: Callable[[Query, Environment], Lowered]
    lower_correlated: Callable[[Query, Environment], Correlated]
    lower_dependent: Callable[[Query, Environment], Correlated]
    lower_block: Callable[[Any, tuple[Attribute, ...]], Lowered]
    with_tables: Callable[[Query, Environment], tuple[Query, Environment]]
    outer: Scope | None = None
    around: Node | None = None
    whole_rows: frozenset[str] = frozenset()
    equality: Name = EQUAL
