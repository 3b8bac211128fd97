"""Which attribute a column name means: the FROM clause of one query block."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgtrickle.query.algebra import Attribute
from pgtrickle.query.expression import Column, Expression, Field, Sublink, WholeRow
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite

SYSTEM_COLUMNS = frozenset({"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})


@dataclass(frozen=True, slots=True)
class Scope:
    """Names visible in a block: by FROM alias, and merged columns of JOIN USING by bare name."""

    relations: dict[str, dict[str, Attribute]] = field(default_factory=dict)
    merged: dict[str, Expression] = field(default_factory=dict)

    def __add__(self, other: Scope) -> Scope:
        return Scope(self.relations | other.relations, self.merged | other.merged)

    def resolve(self, expression: Expression) -> Expression:
        """Replace every column reference by the attribute it means."""
        return rewrite(expression, self._reference)

    def _reference(self, expression: Expression) -> Expression | None:
        match expression:
            case Sublink(kind=kind):
                raise NotIncremental(
                    f"subquery ({kind})", "subqueries in expressions are recomputed"
                )
            case WholeRow(relation=name):
                raise NotIncremental(f"{name}.*", "a whole row used as a value is recomputed")
            case Field(operand=WholeRow(relation=name)):
                raise NotIncremental(f"{name}.*", "a whole row used as a value is recomputed")
            case Column(relation=relation, name=name):
                return self._column(relation, name)
        return None

    def _column(self, relation: str | None, name: str) -> Expression:
        if relation is None:
            if name in self.merged:
                return self.merged[name]
            owners = [columns for columns in self.relations.values() if name in columns]
            if len(owners) == 1:
                return owners[0][name].reference
        elif name in self.relations.get(relation, {}):
            return self.relations[relation][name].reference
        shown = name if relation is None else f"{relation}.{name}"
        if name in SYSTEM_COLUMNS:
            raise NotIncremental(f"system column {shown}", "its value is not part of the data")
        raise NotIncremental(
            f"column reference {shown}", "it does not name a column of this query block"
        )
