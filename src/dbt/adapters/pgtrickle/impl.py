"""The adapter: dbt-postgres, and what macros alone cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from dbt.adapters.capability import Capability, CapabilityDict, CapabilitySupport, Support
from dbt.adapters.postgres import PostgresAdapter

from dbt.adapters.pgtrickle.connections import PgTrickleConnectionManager
from dbt.adapters.pgtrickle.relation import PgTrickleRelation


class PgTrickleAdapter(PostgresAdapter):
    Relation = PgTrickleRelation
    ConnectionManager = PgTrickleConnectionManager

    _capabilities = CapabilityDict(
        {
            Capability.SchemaMetadataByRelations: CapabilitySupport(support=Support.Full),
            Capability.TableLastModifiedMetadata: CapabilitySupport(support=Support.Full),
        }
    )

    def __init__(self, config: Any, mp_context: Any) -> None:
        super().__init__(config, mp_context)
        _bundle_package(unless_installed_in=config)


def _bundle_package(unless_installed_in: Any) -> None:
    """Give the project the package `dbt_pgtrickle`, unless it has its own: dbt allows one."""
    from dbt.adapters import pgtrickle, pgtrickle_package

    others = [name for name in pgtrickle.Plugin.dependencies if name != pgtrickle_package.NAME]
    installed = _has_package(unless_installed_in)
    pgtrickle.Plugin.dependencies = others if installed else [*others, pgtrickle_package.NAME]


def _has_package(config: Any) -> bool:
    if config.project_name == "dbt_pgtrickle":
        return True
    packages = Path(config.project_root, config.packages_install_path)
    for project in packages.glob("*/dbt_project.yml"):
        if yaml.safe_load(project.read_text()).get("name") == "dbt_pgtrickle":
            return True
    return False
