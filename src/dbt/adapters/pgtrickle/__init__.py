"""The adapter `type: pgtrickle`: dbt-postgres, and what stream tables need of Python."""

from __future__ import annotations

from dbt.adapters.base import AdapterPlugin

from dbt.adapters.pgtrickle.connections import PgTrickleConnectionManager, PgTrickleCredentials
from dbt.adapters.pgtrickle.impl import PgTrickleAdapter
from dbt.adapters.pgtrickle.relation import PgTrickleRelation
from dbt.include.pgtrickle import ADAPTER_PATH

__all__ = [
    "PgTrickleAdapter",
    "PgTrickleConnectionManager",
    "PgTrickleCredentials",
    "PgTrickleRelation",
    "Plugin",
]

Plugin = AdapterPlugin(
    adapter=PgTrickleAdapter,  # type: ignore[type-abstract]
    credentials=PgTrickleCredentials,
    include_path=ADAPTER_PATH,
    project_name="dbt_pgtrickle_adapter",
    dependencies=["postgres", "pgtrickle_package"],
)
