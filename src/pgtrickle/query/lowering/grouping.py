"""GROUP BY: splits a block's expressions into what is below the aggregation and above it.

Grouping sets are the union of one aggregation for each set, the keys outside the set NULL, over one
shared input.

A block that is evaluated for each row d of a domain D (see `domain`) has d among the keys of each
aggregation. One without other keys gives a row also where the block has none for d,

    γ_∅ for each d of D   is   D ⟕ γ_d on the same d, aggregates of no rows where it has no match
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Protocol

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import (
    Aggregate,
    Attribute,
    Node,
    OuterJoin,
    Project,
    Shared,
    UnionAll,
)
from pgtrickle.query.expression import (
    Call,
    Cast,
    Column,
    Expression,
    Literal,
    SqlFunction,
    Sublink,
    TypeName,
    WholeRow,
)
from pgtrickle.query.lowering import subqueries
from pgtrickle.query.lowering.conditions import conjunction
from pgtrickle.query.lowering.domain import same
from pgtrickle.query.lowering.environment import Environment
from pgtrickle.query.lowering.levels import with_free_replaced
from pgtrickle.query.lowering.no_rows import ROWS, has_value, over_no_rows
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.pruning import columns_of

KeySet = tuple[Expression, ...]
MOST_SETS = 64
GROUPED = "\0grouped"
"""A relation no query names: what a subquery reads of the aggregation it stands above."""


class Ungrouped(Protocol):
    """The block below the aggregation."""

    node: Node
    scope: Scope
    environment: Environment

    def resolve(self, expression: Expression) -> Expression: ...

    def is_aggregate(self, expression: Any) -> bool: ...

    def is_levelled(self, node: Any) -> bool: ...

    def is_own(self, expression: Expression) -> bool: ...


@dataclass(frozen=True, slots=True)
class Grouped:
    """The aggregated block: expressions and HAVING over the attributes of `node`.

    `aggregate` is the only Aggregate, where there are no grouping sets.
    """

    node: Node
    aggregate: Aggregate
    targets: list[Expression]
    having: Expression | None


@dataclass(frozen=True, slots=True)
class _Deferred(Expression):
    """A subquery above the aggregation, to be attached once that exists."""

    number: int


def group(
    query: s.Select,
    block: Ungrouped,
    expressions: Sequence[Expression],
    extra_keys: Sequence[Expression],
    domain: Node | None = None,
) -> Grouped:
    """Aggregate a block. Raises NotIncremental.

    `extra_keys` come before its own; where they are the attributes of a `domain` joined with the
    block, an aggregation without keys of its own has a row for each of its rows.

    A column that is neither grouped nor aggregated depends on a grouped primary key (PostgreSQL
    accepts no other), so grouping by it too changes nothing.
    """
    grouping = _Grouping(query, block, extra_keys, domain)
    targets = [grouping.above(expression) for expression in expressions]
    having = None if query.having is None else grouping.above(query.having)
    return grouping.finish(targets, having)


class _Grouping:
    def __init__(
        self,
        query: s.Select,
        block: Ungrouped,
        extra_keys: Sequence[Expression],
        domain: Node | None,
    ) -> None:
        self._block = block
        self._domain = domain
        self._extra = tuple(extra_keys)
        self._attributes = block.environment.attributes
        self._nested: dict[Expression, Expression] = {}
        self._sets = self._key_sets(query)
        self._keys: dict[Expression, Attribute] = {}
        self._aggregates: dict[Call, Attribute] = {}
        self._levels: dict[KeySet, Attribute] = {}
        self._deferred: list[Sublink] = []
        for key in (*extra_keys, *(key for keys in self._sets for key in keys)):
            self._add_key(key)
        self._dependent = bool(query.group_by)

    def _key_sets(self, query: s.Select) -> list[KeySet]:
        """The grouping sets, each a tuple of resolved keys; one for a plain GROUP BY."""
        choices = [self._expand(item) for item in query.group_by]
        sets = [tuple(dict.fromkeys(sum(chosen, ()))) for chosen in product(*choices)]
        if query.group_distinct:
            sets = list({frozenset(keys): keys for keys in sets}.values())
        if len(sets) > MOST_SETS:
            raise NotIncremental("GROUPING SETS", f"{len(sets)} of them are recomputed")
        return sets

    def _expand(self, item: s.GroupItem) -> list[KeySet]:
        if not isinstance(item, s.GroupingSets):
            return [(self._key(item),)]
        parts = [self._expand(each) for each in item.items]
        match item.kind:
            case "GROUPING SETS":
                return [keys for part in parts for keys in part]
            case "":
                return [sum((part[0] for part in parts), ())]
        units = [part[0] for part in parts]
        if item.kind == "ROLLUP":
            return [sum(units[:n], ()) for n in range(len(units), -1, -1)]
        return [
            sum((unit for unit, taken in zip(units, mask, strict=True) if taken), ())
            for mask in product((True, False), repeat=len(units))
        ]

    def _key(self, item: Expression) -> Expression:
        """A key over the block; one with subqueries, whose values it gains, is resolved once."""
        if not subqueries.has_sublink(item):
            return self._block.resolve(item)
        if item not in self._nested:
            self._nested[item] = self._block.resolve(item)
        return self._nested[item]

    def _add_key(self, expression: Expression) -> Attribute:
        if expression not in self._keys:
            not_null = any(
                expression == attribute.reference and attribute.not_null
                for attribute in self._block.node.attributes
            )
            self._keys[expression] = self._attributes.new(not_null)
        return self._keys[expression]

    def above(self, expression: Expression) -> Expression:
        """`expression` over the aggregate's attributes, its subqueries deferred."""
        return self._block.scope.resolve(expression, self._defer, self._replace)

    def _defer(self, sublink: Sublink) -> Expression:
        self._deferred.append(self._over_groups(sublink))
        return _Deferred(len(self._deferred) - 1)

    def _over_groups(self, sublink: Sublink) -> Sublink:
        """A subquery that reads of this block what the aggregation has, as GROUPED."""

        def named(expression: Expression) -> Expression | None:
            if isinstance(expression, Sublink):
                return self._over_groups(expression)
            found = self._replace(expression)
            own = isinstance(found, Column) and found in self._grouped()
            return Column(GROUPED, found.name) if own else None  # type: ignore[union-attr]

        def own(expression: Expression) -> Expression | None:
            return named(expression) if self._block.is_own(expression) else None

        query = with_free_replaced(sublink, self._block.is_levelled, own)
        return replace(sublink, query=query, test=rewrite(sublink.test, named))

    def _grouped(self) -> dict[Expression, Attribute]:
        """What the aggregation has, by reference."""
        attributes = *self._keys.values(), *self._aggregates.values(), *self._levels.values()
        return {attribute.reference: attribute for attribute in attributes}

    def _replace(self, expression: Expression) -> Expression | None:
        if self._nested and expression in self._nested:
            return self._keys[self._nested[expression]].reference
        if isinstance(expression, Sublink):
            return None
        if self._block.is_aggregate(expression):
            call = self._block.resolve(expression)
            assert isinstance(call, Call)
            return self._aggregate(call).reference
        if isinstance(expression, SqlFunction) and expression.keyword == "GROUPING":
            return self._level(tuple(self._key(e) for e in expression.arguments)).reference
        if subqueries.has_sublink(expression) or isinstance(expression, Literal):
            return None
        resolved = self._plain(expression)
        if resolved in self._keys:
            return self._keys[resolved].reference
        if isinstance(expression, Column | WholeRow):
            if not columns_of(resolved) <= frozenset(self._block.node.ids):
                return resolved
            if not self._dependent:
                raise NotIncremental("aggregate", "beside it stands a column that is not grouped")
            # It depends on keys that are in all sets.
            self._sets = [(*keys, resolved) for keys in self._sets]
            return self._add_key(resolved).reference
        return None

    def _plain(self, expression: Expression) -> Expression:
        return self._block.scope.resolve(expression)

    def _aggregate(self, call: Call) -> Attribute:
        if call.within_group and any(columns_of(a.value) for a in call.arguments):
            # PostgreSQL takes only what is grouped there, under no other name.
            raise NotIncremental("WITHIN GROUP", "an argument beside the ordered one reads a key")
        if self._extra and has_value(call, self._block.environment.facts):
            self._aggregates.setdefault(ROWS, self._attributes.new(not_null=True))
        if call not in self._aggregates:
            self._aggregates[call] = self._attributes.new(call.name == ("count",))
        return self._aggregates[call]

    def _level(self, arguments: KeySet) -> Attribute:
        if arguments not in self._levels:
            self._levels[arguments] = self._attributes.new(not_null=True)
        return self._levels[arguments]

    def finish(self, targets: list[Expression], having: Expression | None) -> Grouped:
        node, aggregate = self._node()
        scope = self._grouped_scope()

        def attached(expression: Expression) -> Expression | None:
            nonlocal node
            if not isinstance(expression, _Deferred):
                return None
            sublink = self._deferred[expression.number]
            node, value = subqueries.attach(node, scope, sublink, self._block.environment)
            return value

        above = [rewrite(target, attached) for target in targets]
        having = None if having is None else rewrite(having, attached)
        return Grouped(node, aggregate, above, having)

    def _grouped_scope(self) -> Scope:
        """What a subquery above the aggregation may read."""
        outer = self._block.scope.outer
        keys = {e.name: a for e, a in self._keys.items() if isinstance(e, Column)}
        grouped = {attribute.id: attribute for attribute in self._grouped().values()}
        return Scope({GROUPED: grouped}, outer=None if outer is None else outer.renamed(keys))

    def _node(self) -> tuple[Node, Aggregate]:
        plain = Aggregate(
            self._block.node,
            tuple((attribute, key) for key, attribute in self._keys.items()),
            tuple((attribute, call) for call, attribute in self._aggregates.items()),
        )
        if len(self._sets) <= 1:
            node = self._for_each(plain, self._sets[0] if self._sets else ())
            if not self._levels:
                return node, plain
            zeros = tuple((a, Literal("0")) for a in self._levels.values())
            return Project(node, tuple((a, a.reference) for a in node.attributes) + zeros), plain
        types = self._block.environment.facts.types(self._block.node, list(self._keys))
        nulls = {
            key: Cast(Literal("NULL"), TypeName(type))
            for key, type in zip(self._keys, types, strict=True)
        }
        outputs = (
            *(Attribute(attribute.id) for attribute in self._keys.values()),
            *self._aggregates.values(),
            *self._levels.values(),
        )
        below = Shared(self._block.node)
        branches = tuple(self._branch(below, keys, nulls) for keys in self._sets)
        return UnionAll(branches, outputs), plain

    def _branch(self, below: Shared, keys: KeySet, nulls: dict[Expression, Cast]) -> Node:
        """The aggregation by one grouping set, with all columns of the union."""
        new = self._attributes.new
        grouped = {key: new(self._keys[key].not_null) for key in (*self._extra, *keys)}
        computed = {call: new(old.not_null) for call, old in self._aggregates.items()}
        aggregate = Aggregate(
            below,
            tuple((attribute, key) for key, attribute in grouped.items()),
            tuple((attribute, call) for call, attribute in computed.items()),
            construct="GROUPING SETS",
        )
        items: list[tuple[Attribute, Expression]] = [
            (new(), grouped[key].reference if key in grouped else nulls[key]) for key in self._keys
        ]
        items += [(new(a.not_null), a.reference) for a in computed.values()]
        items += [
            (new(not_null=True), Literal(str(_level(arguments, keys))))
            for arguments in self._levels
        ]
        return Project(self._for_each(aggregate, keys), tuple(items))

    def _for_each(self, aggregate: Aggregate, keys: KeySet) -> Node:
        """The aggregation by `keys`, with a row for each of the domain if there are none."""
        if self._domain is None or keys:
            return aggregate
        new, width = self._attributes.new, len(self._extra)
        wanted = tuple((new(a.not_null), a.reference) for a in self._domain.attributes)
        found = tuple((new(a.not_null), a.reference) for a in aggregate.attributes[:width])
        calls = aggregate.attributes[width:]
        right = Project(aggregate, (*found, *((a, a.reference) for a in calls)))
        match = conjunction(same(a, b) for (a, _), (b, _) in zip(wanted, found, strict=True))
        joined = OuterJoin(Project(self._domain, wanted), right, match)
        facts = self._block.environment.facts
        values = over_no_rows(tuple(a.reference for a in calls), aggregate, facts)
        keys_again = tuple(
            (key, attribute.reference)
            for (key, _), (attribute, _) in zip(aggregate.keys, wanted, strict=True)
        )
        return Project(joined, (*keys_again, *zip(calls, values, strict=True)))


def _level(arguments: KeySet, keys: KeySet) -> int:
    """GROUPING(): a bit for each argument, the last one lowest, set where it is not grouped."""
    level = 0
    for argument in arguments:
        level = level * 2 + (argument not in keys)
    return level
