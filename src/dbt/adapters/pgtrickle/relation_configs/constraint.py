"""Constraints that a model with an enforced contract declares."""

from __future__ import annotations

from dataclasses import dataclass, field

from dbt.adapters.relation_configs import RelationConfigBase, RelationConfigChange


@dataclass(frozen=True)
class PgTrickleConstraintConfig(RelationConfigBase):
    """A primary key, unique, check or foreign key constraint.

    `mark` stands for its name and definition and alone is compared; `definition` is known of one
    that is to be made.
    """

    mark: str
    name: str = field(compare=False)
    definition: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class PgTrickleConstraintConfigChange(RelationConfigChange):
    """`create` or `drop` of a constraint; PostgreSQL checks the rows there are."""

    context: PgTrickleConstraintConfig

    @property
    def requires_full_refresh(self) -> bool:
        return False


@dataclass(frozen=True)
class PgTrickleNotNullConfig(RelationConfigBase):
    """That a column holds no null."""

    column: str


@dataclass(frozen=True)
class PgTrickleNotNullConfigChange(RelationConfigChange):
    """`create` or `drop` of NOT NULL at a column."""

    context: PgTrickleNotNullConfig

    @property
    def requires_full_refresh(self) -> bool:
        return False
