"""Indexes that a model declares with `indexes`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dbt.adapters.relation_configs import RelationConfigBase, RelationConfigChange


@dataclass(frozen=True)
class PgTrickleIndexConfig(RelationConfigBase):
    """An index: `mark` stands for columns, uniqueness and method, and alone is compared.

    `name` is known of one that exists, since dbt makes its names up; `raw` of one to be made.
    """

    mark: str
    label: str = field(compare=False)
    name: str | None = field(default=None, compare=False)
    raw: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class PgTrickleIndexConfigChange(RelationConfigChange):
    """`create` or `drop` of an index: never a reason to build the table anew."""

    context: PgTrickleIndexConfig

    @property
    def requires_full_refresh(self) -> bool:
        return False
