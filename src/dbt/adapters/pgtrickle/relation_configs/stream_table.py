"""The configuration of a stream table, as the model has it and as the database has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dbt.adapters.relation_configs import (
    RelationConfigBase,
    RelationConfigChange,
    RelationConfigChangeAction,
)
from typing_extensions import Self

from dbt.adapters.pgtrickle.relation_configs.constraint import (
    PgTrickleConstraintConfig,
    PgTrickleConstraintConfigChange,
    PgTrickleNotNullConfig,
    PgTrickleNotNullConfigChange,
)
from dbt.adapters.pgtrickle.relation_configs.index import (
    PgTrickleIndexConfig,
    PgTrickleIndexConfigChange,
)

Value = str | int | float | bool | None

# Settings that are about how the table is stored.
_OF_STORAGE = {"partition_by"}


@dataclass(frozen=True)
class PgTrickleOptionConfigChange(RelationConfigChange):
    """Another schedule, refresh mode or other setting: the engine alters it in place.

    `context` is (setting, value in the database, value in the model).
    """

    context: tuple[str, Value, Value]

    @property
    def requires_full_refresh(self) -> bool:
        return False


@dataclass(frozen=True)
class PgTricklePartitionConfigChange(PgTrickleOptionConfigChange):
    """Other partitions: another table."""

    @property
    def requires_full_refresh(self) -> bool:
        return True


@dataclass(frozen=True)
class PgTrickleStreamTableConfig(RelationConfigBase):
    """One side of the comparison.

    `settings` are (name, value) of what is to be compared: a model leaves to the engine, and so
    out, what it does not set; a database, what its version of the engine does not remember.
    """

    settings: frozenset[tuple[str, Value]] = frozenset()
    indexes: frozenset[PgTrickleIndexConfig] = frozenset()
    constraints: frozenset[PgTrickleConstraintConfig] = frozenset()
    not_null: frozenset[PgTrickleNotNullConfig] = frozenset()

    @classmethod
    def from_dict(cls, kwargs_dict: dict[str, Any]) -> Self:
        """From what the macros know: settings {name: value}, indexes, constraints, not_null."""
        return cls(
            settings=frozenset(kwargs_dict["settings"].items()),
            indexes=frozenset(PgTrickleIndexConfig(**index) for index in kwargs_dict["indexes"]),
            constraints=frozenset(
                PgTrickleConstraintConfig(**constraint) for constraint in kwargs_dict["constraints"]
            ),
            not_null=frozenset(PgTrickleNotNullConfig(name) for name in kwargs_dict["not_null"]),
        )


@dataclass(frozen=True)
class PgTrickleStreamTableConfigChangeset:
    """What has to change for the database to be as the model says."""

    options: tuple[PgTrickleOptionConfigChange, ...] = ()
    indexes: tuple[PgTrickleIndexConfigChange, ...] = ()
    constraints: tuple[PgTrickleConstraintConfigChange, ...] = ()
    not_null: tuple[PgTrickleNotNullConfigChange, ...] = ()

    @classmethod
    def between(
        cls, present: PgTrickleStreamTableConfig, wanted: PgTrickleStreamTableConfig
    ) -> Self:
        there = dict(present.settings)
        return cls(
            options=tuple(
                _option_change(name, there[name], value)
                for name, value in sorted(wanted.settings)
                if name in there and not _same(there[name], value)
            ),
            indexes=tuple(
                PgTrickleIndexConfigChange(*change)
                for change in _differences(present.indexes, wanted.indexes)
            ),
            constraints=tuple(
                PgTrickleConstraintConfigChange(*change)
                for change in _differences(present.constraints, wanted.constraints)
            ),
            not_null=tuple(
                PgTrickleNotNullConfigChange(*change)
                for change in _differences(present.not_null, wanted.not_null)
            ),
        )

    @property
    def changes(self) -> tuple[RelationConfigChange, ...]:
        return (*self.options, *self.indexes, *self.constraints, *self.not_null)

    @property
    def requires_full_refresh(self) -> bool:
        return any(change.requires_full_refresh for change in self.changes)


def _option_change(name: str, before: Value, after: Value) -> PgTrickleOptionConfigChange:
    kind = PgTricklePartitionConfigChange if name in _OF_STORAGE else PgTrickleOptionConfigChange
    return kind(RelationConfigChangeAction.alter, (name, before, after))


def _same(before: Value, after: Value) -> bool:
    """Whether two values mean the same: the catalog writes words in lower case."""
    if isinstance(before, str) or isinstance(after, str):
        return str(before).lower() == str(after).lower()
    return before == after


def _differences(present: frozenset[Any], wanted: frozenset[Any]) -> Iterable[tuple[Any, Any]]:
    for config in sorted(present - wanted, key=str):
        yield RelationConfigChangeAction.drop, config
    for config in sorted(wanted - present, key=str):
        yield RelationConfigChangeAction.create, config
