"""What a stream table is configured to be, and what changes when that does."""

from __future__ import annotations

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
from dbt.adapters.pgtrickle.relation_configs.stream_table import (
    PgTrickleOptionConfigChange,
    PgTricklePartitionConfigChange,
    PgTrickleStreamTableConfig,
    PgTrickleStreamTableConfigChangeset,
)

__all__ = [
    "PgTrickleConstraintConfig",
    "PgTrickleConstraintConfigChange",
    "PgTrickleIndexConfig",
    "PgTrickleIndexConfigChange",
    "PgTrickleNotNullConfig",
    "PgTrickleNotNullConfigChange",
    "PgTrickleOptionConfigChange",
    "PgTricklePartitionConfigChange",
    "PgTrickleStreamTableConfig",
    "PgTrickleStreamTableConfigChangeset",
]
