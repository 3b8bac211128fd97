"""An item of FROM while it is lowered."""

from __future__ import annotations

from dataclasses import dataclass

from pgtrickle.query.algebra import Node
from pgtrickle.query.expression import Expression
from pgtrickle.query.lowering.scope import Scope


@dataclass(frozen=True, slots=True)
class Source:
    """A relation, the names it makes visible, and the columns that ``*`` stands for, in order."""

    node: Node
    scope: Scope
    columns: tuple[tuple[str, Expression], ...] = ()
