"""The dbt package `dbt_pgtrickle`, for users of the adapter who did not install it.

dbt gives an adapter's own macros no namespace. A plugin whose `project_name` differs from the
name in its dbt_project.yml is loaded as an ordinary package, though: so this plugin, which the
adapter depends on, makes `dbt_pgtrickle.…` mean the same with and without `dbt deps`. It is no
adapter: `type: pgtrickle_package` connects to nothing. Where the project has installed the
package itself, the adapter takes this plugin out again (`PgTrickleAdapter.__init__`).
"""

from __future__ import annotations

from dbt.adapters.base import AdapterPlugin
from dbt.adapters.postgres import PostgresAdapter, PostgresConnectionManager, PostgresCredentials

from dbt.include.pgtrickle import PACKAGE_PATH

NAME = "pgtrickle_package"


class _NoConnections(PostgresConnectionManager):
    TYPE = NAME


class _NoAdapter(PostgresAdapter):
    ConnectionManager = _NoConnections


Plugin = AdapterPlugin(
    adapter=_NoAdapter,  # type: ignore[type-abstract]
    credentials=PostgresCredentials,
    include_path=PACKAGE_PATH,
    project_name="dbt_pgtrickle_package",  # must not be the project's name; see above
)
