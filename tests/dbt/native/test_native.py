"""The macros against the signatures of the extension pg_trickle, in several of its versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import FreshDatabase
from tests.dbt.conftest import SHOP, output
from tests.dbt.native.standin import standin
from tests.dbt.project import Project

TOTALS = (
    "select customer_id, count(*) as orders, sum(amount) as total"
    " from {{ source('shop', 'orders') }} group by customer_id"
)
VERSIONS = ["0.15.0", "0.30.0", "0.67.0", "0.108.3"]


@pytest.fixture
def version() -> str:
    return "0.67.0"


@pytest.fixture
def upgraded() -> bool:
    return False


@pytest.fixture
def project(
    tmp_path: Path,
    fresh_database: FreshDatabase,
    database_name: str,
    version: str,
    upgraded: bool,
    parsed: Callable[[Project], Path],
) -> Iterator[Project]:
    """The package on dbt-postgres, in a database with a stand-in of the extension."""
    with fresh_database(name=database_name) as dsn:
        made = Project(tmp_path / "shop", output("package", dsn), dsn, package=True)
        made.sql(SHOP)
        made.sql(standin(version, upgraded=upgraded))
        made.write(
            "models/sources.yml",
            "sources:\n  - name: shop\n    schema: analytics\n    tables:\n      - name: orders\n",
        )
        yield made.begin_with(parsed(made))


def _calls(project: Project) -> list[str]:
    return [name for (name,) in project.sql("select function from pgtrickle.calls order by number")]


@pytest.mark.parametrize(
    ("version", "upgraded"), [*((version, False) for version in VERSIONS), ("0.67.0", True)]
)
def test_a_stream_table_lives_on_every_version(project: Project) -> None:
    project.model("totals", TOTALS)
    assert project.dbt("run")["totals"].startswith("created")
    project.sql("delete from $schema.orders where order_id > 20")
    assert project.dbt("run")["totals"].startswith("unchanged, refreshed")
    assert project.value("select sum(orders) from $schema.totals") == 20
    project.model("totals", TOTALS.replace("sum(", "max("), schedule=None, status="PAUSED")
    message = project.dbt("run")["totals"]
    assert message.startswith(
        "altered query, schedule 1m to calculated, status ACTIVE to SUSPENDED"
    )
    project.dbt("run-operation", "pgtrickle_resume", "--args", "{model_name: totals}")
    project.model("totals", TOTALS, tier="cold", fuse="on", fuse_ceiling=1000, status="ACTIVE")
    assert "tier hot to COLD, fuse off to ON, fuse_ceiling" in project.dbt("run")["totals"]
    assert "fuse" not in project.dbt("run")["totals"]
    assert project.dbt("run", "--full-refresh")["totals"].startswith("rebuilt")
    project.dbt("run-operation", "pgtrickle_check_cdc_health")
    project.dbt("run-operation", "drop_all_stream_tables")
    assert project.value("select count(*) from pgtrickle.pgt_stream_tables") == 0


def test_one_call_makes_each_change(project: Project) -> None:
    project.model("totals", TOTALS, cdc_mode="trigger", append_only=False)
    project.dbt("run")
    project.model("totals", TOTALS.replace("sum(", "max("), schedule="5m")
    project.dbt("run")
    assert _calls(project) == ["create_stream_table", "create_or_replace_stream_table"]


def test_the_extension_partitions_a_table_that_is_there(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    project.model("totals", TOTALS, partition_by="customer_id", on_configuration_change="continue")
    assert project.dbt("run")["totals"].startswith("unchanged")
    key = "select st_partition_key from pgtrickle.pgt_stream_tables"
    project.model("totals", TOTALS, partition_by="customer_id")
    message = project.dbt("run")["totals"]
    assert message.startswith("altered partition_by None to customer_id")
    assert project.value(key) == "customer_id"
    assert project.dbt("run")["totals"].startswith("unchanged")
    project.model("totals", TOTALS)
    assert project.dbt("run")["totals"].startswith("altered partition_by customer_id to none")
    assert project.value(key) is None


@pytest.mark.parametrize("version", ["0.30.0"])
def test_an_argument_of_a_later_version_is_an_error_that_names_that(
    project: Project, version: str
) -> None:
    project.model("totals", TOTALS, output_distribution_column="customer_id")
    message = project.dbt("run", fails=True)["totals"]
    for part in (f"native {version}", "output_distribution_column", "it came with 0.33"):
        assert part in message


def test_an_auto_table_the_engine_made_full_runs_again(project: Project) -> None:
    project.model("totals", TOTALS, refresh_mode="AUTO")
    project.dbt("run")
    project.sql("update pgtrickle.pgt_stream_tables set refresh_mode = 'FULL'")
    project.dbt("run")
    assert project.value("select refresh_mode from pgtrickle.pgt_stream_tables") == "FULL"


def test_a_table_in_error_is_resumed_and_refreshed(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    project.sql("update pgtrickle.pgt_stream_tables set status = 'ERROR'")
    project.sql("delete from $schema.orders where order_id > 20")
    project.dbt("run")
    assert project.value("select sum(orders) from $schema.totals") == 20


def test_a_table_whose_source_dbt_replaced_is_rebuilt(project: Project) -> None:
    base = "select * from {{ source('shop', 'orders') }} where order_id > {{ var('above', 0) }}"
    project.model("base", base, materialized="table")
    project.model("totals", TOTALS.replace("source('shop', 'orders')", "ref('base')"))
    project.dbt("run")
    message = project.dbt("run", "--vars", "{above: 10}")["totals"]
    assert message.startswith("rebuilt: something it reads was replaced")
    assert project.value("select sum(orders) from $schema.totals") == 20


def test_a_name_the_extension_cannot_take_is_an_error_that_says_so(project: Project) -> None:
    project.model("odd", TOTALS, alias="Mixed Case")
    message = project.dbt("run", fails=True)["odd"]
    assert "Mixed Case" in message
    assert "lower-case" in message
