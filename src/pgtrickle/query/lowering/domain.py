"""Subqueries evaluated for each combination of values of the block around them.

Where a subquery aggregates, groups or takes first rows, and is linked to the block around by other
conditions than equality, it is evaluated over the *domain*: the different combinations of the
values it reads from around,

    (select sum(x) from r where r.t < l.t)   is   γ_d(sum(x))(D ⋈ r on r.t < d) joined on d = l.t
    D = δ_t(l)

(Neumann and Kemper, Unnesting Arbitrary Queries, 2015). Inside, what is read from around are the
columns of D, one more item of FROM; each aggregation, window and LIMIT works for each row of D.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import (
    Aggregate,
    Attribute,
    Domain,
    Node,
    Project,
    Shared,
    walk_nodes,
)
from pgtrickle.query.expression import DistinctFrom, Expression, Operator
from pgtrickle.query.lowering.attributes import Attributes
from pgtrickle.query.lowering.free_names import Reference, free_names
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.pruning import columns_of

Pair = tuple[Attribute, Attribute]


@dataclass(frozen=True, slots=True)
class Around:
    """Attributes of the block around, each with the one that stands for it inside."""

    pairs: tuple[Pair, ...]
    block: Node

    @classmethod
    def of(cls, query: s.Query, outer: Scope, block: Node, attributes: Attributes) -> Around:
        """What a subquery reads of the scope around it, going by names."""
        references = sorted(free_names(query), key=str)
        found: dict[str, Pair] = {}
        scope: Scope | None = outer
        while scope is not None:
            for each in _named(references, scope):
                found.setdefault(each.id, (each, attributes.new(each.not_null)))
            scope = scope.outer
        return cls(tuple(found.values()), block)

    def again(self, attributes: Attributes) -> tuple[Node, Around]:
        """The domain once more, under names of its own, for another part of the subquery."""
        pairs = tuple((outer, attributes.new(outer.not_null)) for outer, _ in self.pairs)
        items = tuple((b, a.reference) for (_, a), (_, b) in zip(self.pairs, pairs, strict=True))
        return Project(self.domain(), items), Around(pairs, self.block)

    @property
    def inside(self) -> tuple[Attribute, ...]:
        return tuple(inner for _, inner in self.pairs)

    def domain(self) -> Domain:
        return Domain(self.inside, tuple(outer for outer, _ in self.pairs), self.block)

    def scope(self, outer: Scope) -> Scope:
        """The scope around as the subquery sees it."""
        return outer.renamed({a.id: b for a, b in self.pairs})


def _named(references: Iterable[Reference], outer: Scope) -> Iterator[Attribute]:
    """The attributes of a scope that a subquery reads."""
    for relation, name in references:
        if relation is None:
            yield from (c[name] for c in outer.relations.values() if name in c)
            merged = columns_of(outer.merged.get(name))
            for columns in outer.relations.values():
                yield from (a for a in columns.values() if a.id in merged)
        elif name == "":
            yield from (outer.whole[relation],) if relation in outer.whole else ()
        elif name in outer.relations.get(relation, {}):
            yield outer.relations[relation][name]


def same(a: Attribute, b: Attribute) -> Expression:
    """Condition that two attributes have the same value, be it NULL."""
    if a.not_null and b.not_null:
        return Operator(("=",), a.reference, b.reference)
    return DistinctFrom(a.reference, b.reference, negated=True)


def domain_in(node: Node) -> Domain | None:
    """The domain that waits in `node` to be put in its place."""
    if isinstance(node, Domain):
        return node
    return next(filter(None, map(domain_in, node.children)), None)


def placed(left: Node, node: Node, domain: Domain, attributes: Attributes) -> tuple[Node, Node]:
    """The block around as a shared relation, and `node` over the combinations in it."""
    shared = Shared(left)
    columns = tuple((attributes.new(each.not_null), each.reference) for each in domain.around)
    keys = tuple(
        (inner, column.reference)
        for inner, (column, _) in zip(domain.outputs, columns, strict=True)
    )
    values: Node = Aggregate(Project(shared, columns), keys, (), construct="correlated subquery")
    if sum(each == domain for each in walk_nodes(node)) > 1:
        values = Shared(values)
    return shared, _exchanged(node, domain, values)


def _exchanged(value: Any, former: Node, present: Node) -> Any:
    """`value` with one node in it exchanged for another; what is shared stays shared."""
    known: dict[int, Any] = {}

    def exchange(each: Any) -> Any:
        if each == former:
            return present
        if isinstance(each, tuple):
            return tuple(exchange(item) for item in each)
        if not isinstance(each, Node) or not is_dataclass(each):
            return each
        if id(each) not in known:
            values = {f.name: getattr(each, f.name) for f in fields(each)}
            changed = {name: exchange(item) for name, item in values.items()}
            differs = any(changed[name] is not values[name] for name in values)
            known[id(each)] = replace(each, **changed) if differs else each
        return known[id(each)]

    return exchange(value)
