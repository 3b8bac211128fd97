"""Relations, with stream tables as a type of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from dbt.adapters.contracts.relation import RelationType
from dbt.adapters.postgres import PostgresRelation
from dbt.adapters.utils import classproperty
from dbt_common.dataclass_schema import StrEnum

# dbt's own enumeration cannot be extended, so this one repeats it.
PgTrickleRelationType = StrEnum(  # type: ignore[misc]
    "PgTrickleRelationType",
    {**{member.name: member.value for member in RelationType}, "StreamTable": "stream_table"},
)


def _renameable() -> frozenset[PgTrickleRelationType]:
    return frozenset(PgTrickleRelationType(name) for name in ("view", "table", "stream_table"))


def quoted(identifier: str) -> str:
    """An identifier in SQL."""
    return '"' + identifier.replace('"', '""') + '"'


@dataclass(frozen=True, eq=False, repr=False)
class PgTrickleRelation(PostgresRelation):
    type: Optional[PgTrickleRelationType] = None  # type: ignore[assignment]  # noqa: UP045
    renameable_relations: frozenset[PgTrickleRelationType] = field(default_factory=_renameable)  # type: ignore[assignment]
    replaceable_relations: frozenset[PgTrickleRelationType] = field(default_factory=_renameable)  # type: ignore[assignment]

    @property
    def is_stream_table(self) -> bool:
        return self.type == PgTrickleRelationType.StreamTable

    def quoted(self, identifier: str) -> str:
        """As in dbt, and with the quotes in a name doubled."""
        return quoted(identifier)

    @classproperty
    def StreamTable(cls) -> str:  # noqa: N802, N805 (as dbt names them)
        return str(PgTrickleRelationType.StreamTable)

    @classproperty
    def get_relation_type(cls):  # type: ignore[no-untyped-def]  # noqa: N805
        return PgTrickleRelationType
