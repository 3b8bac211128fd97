"""What is decided about an Aggregate once, for all variants: keys, accumulators, state tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtrickle.delta.accumulators import (
    GROUP_SIZE,
    Accumulator,
    Change,
    Part,
    Values,
    accumulator,
    whole,
)
from pgtrickle.delta.images import prints_one_way
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import WEIGHT, Relation, image, select
from pgtrickle.delta.restriction import Matching, textual
from pgtrickle.delta.state import ColumnType, States, StateTable, VisibleState, fit_an_index
from pgtrickle.query.algebra import Aggregate
from pgtrickle.query.keys import not_null_ids
from pgtrickle.query.lowering import NotIncremental
from pgtrickle.query.render import render_expression

REMOVED = "__removed"
VALUE = "x"
"""The argument, in relations of single values."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is decided about an Aggregate once, for all variants.

    `forcing` are the aggregates for whose sake every touched group is aggregated afresh. `matched`
    counts the rows of a group that an outer join below has matched, where it asks for that.
    """

    keys: tuple[str, ...]
    matching: Matching
    by_value: dict[str, Matching]
    accumulators: tuple[tuple[str, Accumulator], ...]
    keys_are_images: bool
    keys_can_be_picked: bool
    forcing: frozenset[str]
    matched: Part | None = None

    @property
    def is_open(self) -> bool:
        """Whether PostgreSQL may choose what the result is: keys, or what depends on order."""
        return not self.keys_are_images or any(each.is_open for _, each in self.accumulators)

    @property
    def parts(self) -> tuple[Part, ...]:
        found = tuple(part for _, each in self.accumulators for part in each.parts)
        return found if self.matched is None else (*found, self.matched)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What changed rows contribute to the parts."""
        return tuple(change for part in self.parts for change in part.changes)

    @property
    def stored(self) -> tuple[str, ...]:
        """State columns beside the keys."""
        return (GROUP_SIZE, *(part.name for part in self.parts))

    @property
    def stored_values(self) -> tuple[Values, ...]:
        """The value counts that have a state table of their own."""
        found = (each.values for _, each in self.accumulators if each.values is not None)
        return tuple(values for values in found if values.stored)

    @property
    def afresh(self) -> str:
        """Condition over ``s`` and ``g`` under which a group is aggregated afresh ('' never)."""
        conditions = [each.afresh for _, each in self.accumulators if each.afresh]
        if not self.keys_are_images:
            conditions.append(self._key_is_gone)
        return "true" if "true" in conditions else " OR ".join(conditions)

    @property
    def is_rarely_afresh(self) -> bool:
        """Whether no group need go afresh but for values that hardly anybody stores."""
        return self.keys_are_images and all(
            each.rarely for _, each in self.accumulators if each.afresh
        )

    @property
    def _key_is_gone(self) -> str:
        """Whether the row may be gone that the group's key was taken from."""
        stored = image(f"s.{key}" for key in self.keys)
        some = f"g.{REMOVED} IS NOT NULL" if self.keys_can_be_picked else "true"
        return f"(s.{GROUP_SIZE} IS NULL AND {some}) OR {stored} = ANY (g.{REMOVED})"

    def picked_keys(self, alias: str) -> list[str]:
        """The keys of a group of changes as select items: an added row's, if there is one."""
        if self.keys_are_images or not self.keys_can_be_picked:
            return [f"{alias}.{key}" for key in self.keys]
        order = f"{WEIGHT} < 0, {image(f'{alias}.{key}' for key in self.keys)}"
        return [f"(array_agg({alias}.{key} ORDER BY {order}))[1] AS {key}" for key in self.keys]

    def removed_keys(self, alias: str) -> list[str]:
        """The images of removed rows' keys as a select item, where they matter."""
        if self.keys_are_images:
            return []
        shown = image(f"{alias}.{key}" for key in self.keys)
        return [f"array_agg(DISTINCT {shown}) FILTER (WHERE {WEIGHT} < 0) AS {REMOVED}"]


def asked(node: Aggregate) -> tuple[str, ...]:
    """Keys and single arguments: what must be known of their types."""
    keys = [render_expression(expression) for _, expression in node.keys]
    arguments = [
        render_expression(call.arguments[0].value) if len(call.arguments) == 1 else "NULL::text"
        for _, call in node.aggregates
    ]
    return (*keys, *arguments)


def types_of_calls(node: Aggregate, states: States) -> Sequence[ColumnType]:
    """The types of the aggregates' single arguments, once `asked`."""
    return states.types[id(node)][len(node.keys) :]


def analyse(node: Aggregate, states: States) -> Analysis:
    """Decide how keys are matched and aggregates carried forward, by their types."""
    types = states.types[id(node)]
    key_types = types[: len(node.keys)]
    call_types = types_of_calls(node, states)
    for (_, expression), type in zip(node.keys, key_types, strict=True):
        obstacle = type.obstacle()
        if obstacle is not None:
            raise NotIncremental(node.construct, f"{obstacle} ({render_expression(expression)})")
    not_null = not_null_ids(node.child.attributes)
    accumulators = []
    for (attribute, call), type in zip(node.aggregates, call_types, strict=True):
        single = len(call.arguments) == 1
        value = call.arguments[0].value if single else None
        proved = getattr(value, "relation", "") is None and getattr(value, "name", "") in not_null
        one_scale = value is not None and ("(" in type.name or prints_one_way(value, node.child))
        kept = accumulator(
            attribute.id,
            call,
            type if single else None,
            not_null=proved,
            one_scale=one_scale,
        )
        accumulators.append((attribute.id, kept))
    keys_are_images = all(
        type.bitwise or prints_one_way(expression, node.child)
        for (_, expression), type in zip(node.keys, key_types, strict=True)
    )
    forcing = frozenset(id for id, each in accumulators if each.afresh == "true")
    if forcing:
        # Nothing is carried forward, so there is no use in counting values.
        accumulators = [
            (attribute.id, whole(attribute.id, call)) for attribute, call in node.aggregates
        ]
    keys = tuple(attribute.id for attribute, _ in node.keys)
    nullable = tuple(attribute.id for attribute, _ in node.keys if not attribute.not_null)
    widths = [type.width for type in key_types]
    arguments_types = dict(zip((a.id for a, _ in node.aggregates), call_types, strict=True))
    return Analysis(
        keys=keys,
        matching=Matching(keys, nullable, fit_an_index(widths), textual(keys, key_types)),
        by_value={
            id: Matching(
                (*keys, VALUE),
                nullable,
                fit_an_index([*widths, type.width]),
                textual((*keys, VALUE), (*key_types, type)),
            )
            for id, type in arguments_types.items()
        },
        accumulators=tuple(accumulators),
        keys_are_images=keys_are_images,
        # (array_agg of arrays makes one array of more dimensions.)
        keys_can_be_picked=not any(type.name.endswith("[]") for type in key_types),
        forcing=forcing,
    )


def with_keys(node: Aggregate, child: Relation) -> Relation:
    """The child with the group keys as columns of its own, where it does not have them yet."""
    missing = [(attribute.id, key) for attribute, key in node.keys if attribute.id not in child.ids]
    if not missing:
        return child
    keys = [f"{render_expression(key)} AS {id}" for id, key in missing]
    ids = child.ids + tuple(id for id, _ in missing)
    return Relation(select(["c.*", *keys], f"FROM {child.source('c')}"), ids, child.weighted)


def parts(analysis: Analysis, keyed: Relation) -> str:
    """All state columns, aggregated afresh from child rows."""
    return select(
        [
            *analysis.matching.hash_column("k"),
            *(f"k.{key}" for key in analysis.keys),
            f"count(*) AS {GROUP_SIZE}",
            *(f"{part.fill} AS {part.name}" for part in analysis.parts),
        ],
        f"FROM {keyed.source('k')}",
        group_by(analysis, "k"),
    )


def group_by(analysis: Analysis, alias: str) -> str:
    return f"GROUP BY {', '.join(f'{alias}.{key}' for key in analysis.keys)}" * bool(analysis.keys)


def state_of(
    node: Aggregate, maintenance: Maintenance
) -> tuple[Analysis, StateTable | VisibleState]:
    states = maintenance.states
    analysis: Analysis = states.analyses[id(node)]
    visible = states.visible.get(id(node))
    return analysis, states.tables[id(node)] if visible is None else visible


def finished(analysis: Analysis, prefix: str) -> list[str]:
    """The node's output columns from key and part columns that carry `prefix`."""
    return [
        *(f"{prefix}{key}" for key in analysis.keys),
        *(each.finish(lambda name: prefix + name) for _, each in analysis.accumulators),
    ]
