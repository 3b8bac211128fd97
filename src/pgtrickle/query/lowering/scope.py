"""Which attribute a column name means: the FROM clause of one query block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pgtrickle.query.algebra import Attribute, Node
from pgtrickle.query.expression import (
    Column,
    Expression,
    Sublink,
    WholeRow,
)
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite

SYSTEM_COLUMNS = frozenset({"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})

Attach = Callable[[Sublink], Expression]


@dataclass(frozen=True, slots=True)
class Scope:
    """Names visible in a block: by FROM alias, and merged columns of JOIN USING by bare name.

    `whole` holds the rows of FROM items that the block uses as values. What is not found here is
    looked for in `outer`, the block around a subquery.
    """

    relations: dict[str, dict[str, Attribute]] = field(default_factory=dict)
    merged: dict[str, Expression] = field(default_factory=dict)
    outer: Scope | None = None
    whole: dict[str, Attribute] = field(default_factory=dict)

    def __add__(self, other: Scope) -> Scope:
        return Scope(
            self.relations | other.relations,
            self.merged | other.merged,
            self.outer or other.outer,
            self.whole | other.whole,
        )

    def within(self, node: Node) -> Scope:
        """The same names for the attributes of `node`: an outer join makes them nullable."""
        present = {attribute.id: attribute for attribute in node.attributes}

        def of(columns: dict[str, Attribute]) -> dict[str, Attribute]:
            return {name: present.get(each.id, each) for name, each in columns.items()}

        relations = {name: of(columns) for name, columns in self.relations.items()}
        return replace(self, relations=relations, whole=of(self.whole))

    def names(self, reference: Column | WholeRow) -> bool:
        """Whether a reference means something of this scope, or of one around it."""
        if isinstance(reference, Column):
            return self._find(reference.relation, reference.name) is not None
        return reference.relation in self.relations or (
            self.outer is not None and self.outer.names(reference)
        )

    def renamed(self, attributes: Mapping[str, Attribute]) -> Scope:
        """The same names for other attributes, given by id; those not given stay."""

        def of(columns: dict[str, Attribute]) -> dict[str, Attribute]:
            return {name: attributes.get(each.id, each) for name, each in columns.items()}

        def replaced(each: Expression) -> Expression | None:
            known = isinstance(each, Column) and each.relation is None and each.name in attributes
            return attributes[each.name].reference if known else None  # type: ignore[attr-defined]

        return Scope(
            {name: of(columns) for name, columns in self.relations.items()},
            {name: rewrite(each, replaced) for name, each in self.merged.items()},
            None if self.outer is None else self.outer.renamed(attributes),
            of(self.whole),
        )

    def resolve(
        self,
        expression: Expression,
        attach: Attach | None = None,
        before: Callable[[Expression], Expression | None] | None = None,
    ) -> Expression:
        """Replace every column reference by the attribute it means.

        A subquery is handed to `attach`, which answers with the expression that has its value.
        What `before` answers for is taken as it is.
        """

        def replace(found: Expression) -> Expression | None:
            known = None if before is None else before(found)
            if known is not None:
                return known
            match found:
                case Sublink(kind=kind):
                    if attach is None:
                        raise NotIncremental(
                            f"subquery ({kind})", "a subquery in this place is recomputed"
                        )
                    return attach(found)
                case WholeRow(relation=name):
                    return self._whole(name)
                case Column(relation=relation, name=name):
                    return self._column(relation, name)
            return None

        return rewrite(expression, replace)

    def _column(self, relation: str | None, name: str) -> Expression:
        found = self._find(relation, name)
        if found is not None:
            return found
        shown = name if relation is None else f"{relation}.{name}"
        if name in SYSTEM_COLUMNS:
            raise NotIncremental(f"system column {shown}", "its value is not part of the data")
        raise NotIncremental(
            f"column reference {shown}",
            "it is of a query further out than the one around its subquery",
        )

    def _whole(self, name: str) -> Expression:
        if name in self.whole:
            return self.whole[name].reference
        if name in self.relations or self.outer is None:
            raise NotIncremental(f"{name}.*", "the whole row of such a relation is recomputed")
        return self.outer._whole(name)

    def _find(self, relation: str | None, name: str) -> Expression | None:
        if relation is None:
            if name in self.merged:
                return self.merged[name]
            owners = [columns for columns in self.relations.values() if name in columns]
            if len(owners) == 1:
                return owners[0][name].reference
        elif name in self.relations.get(relation, {}):
            return self.relations[relation][name].reference
        return None if self.outer is None else self.outer._find(relation, name)
