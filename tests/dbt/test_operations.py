"""Operations: what `dbt run-operation` does to stream tables, and what it says."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from tests.dbt.project import Project

TOTALS = (
    "select customer_id, count(*) as orders, sum(amount) as total"
    " from {{ source('shop', 'orders') }} group by customer_id"
)
ABOVE = "select customer_id, total * 2 as twice from {{ ref('totals') }}"


@pytest.fixture(params=["package"])
def setup(request: pytest.FixtureRequest) -> str:
    """The operations know nothing of how they were installed: test_setups.py sees to that."""
    name: str = request.param
    return name


@pytest.fixture
def shop_tables(project: Project) -> Project:
    """Two stream tables, the second on the first, of odd name and other schema."""
    project.model("totals", TOTALS, alias="Mixed Case.Name's", schema="marts")
    project.model("above", ABOVE, refresh_on_run=False)
    project.dbt("run")
    return project


def _run(project: Project, operation: str, *, fails: bool = False, **arguments: object) -> str:
    """Everything an operation prints."""
    project.dbt("run-operation", operation, "--args", json.dumps(arguments), fails=fails)
    return "\n".join(project.messages)


def test_a_refresh_names_the_table_and_says_what_it_did(shop_tables: Project) -> None:
    project = shop_tables
    name = 'analytics_marts."Mixed Case.Name\'s"'
    for number, by in enumerate(
        (
            {"model_name": "totals"},
            {"model_name": "Mixed Case.Name's", "schema": "analytics_marts"},
        )
    ):
        project.sql(f"insert into $schema.orders values ({100 + number}, 1, 1)")
        said = _run(project, "pgtrickle_refresh", **by)
        assert "Mixed Case.Name's\": refreshed 2 rows in " in said
        assert project.value(f"select orders from {name} where customer_id = 1") == 11 + number
    assert "already current" in _run(project, "pgtrickle_refresh", model_name="totals")


def test_an_unknown_model_is_an_error_that_lists_the_known(shop_tables: Project) -> None:
    for operation in (
        "pgtrickle_refresh",
        "pgtrickle_pause",
        "pgtrickle_resume",
        "pgtrickle_reset_fuse",
        "pgtrickle_explain",
        "pgtrickle_verify",
        "pgtrickle_check_freshness",
    ):
        said = _run(shop_tables, operation, fails=True, model_name="nobody")
        assert "There is no stream table" in said
        assert "nobody" in said
        assert "Stream tables of this project: above, totals." in said


def test_all_are_refreshed_in_dependency_order_and_one_failure_stops_none(
    shop_tables: Project,
) -> None:
    project = shop_tables
    project.model("inverse", "select 100 / amount as i from {{ source('shop', 'orders') }}")
    project.dbt("run", "--select", "inverse")
    project.sql("update $schema.orders set amount = 0 where order_id = 3")
    # Somebody else's stream table is none of this project's business.
    project.sql(
        "select pgtrickle.create_stream_table('analytics.foreign_one',"
        " 'select order_id from analytics.orders')"
    )
    project.sql("delete from $schema.orders where order_id = 30")
    said = _run(project, "refresh_all_stream_tables", fails=True)
    assert said.index("Mixed Case.Name's\": refreshed") < said.index('"above": refreshed')
    assert "division by zero" in said
    assert 'The refresh failed of: "' in said
    assert "foreign_one" not in said
    assert project.value("select sum(twice) from $schema.above") == project.value(
        "select sum(amount) * 2 from $schema.orders"
    )
    assert project.value("select count(*) from $schema.foreign_one") == 30


def test_the_tables_of_one_schema_can_be_refreshed_alone(shop_tables: Project) -> None:
    said = _run(shop_tables, "refresh_all_stream_tables", schema="analytics_marts")
    assert "Mixed Case.Name's\"" in said
    assert '"above"' not in said


def test_drop_all_drops_those_of_this_project_and_force_every_one(shop_tables: Project) -> None:
    project = shop_tables
    project.sql(
        "select pgtrickle.create_stream_table('analytics.\"Foreign One\"',"
        " 'select order_id from analytics.orders')"
    )
    said = _run(project, "drop_all_stream_tables")
    assert "Mixed Case.Name's\": dropped" in said
    names = "select pgt_name from pgtrickle.pgt_stream_tables"
    assert project.sql(names) == [("Foreign One",)]
    assert '"Foreign One": dropped' in _run(project, "drop_all_stream_tables_force")
    assert project.sql(names) == []
    assert project.dbt("run")["totals"].startswith("created")


def test_pause_and_resume(shop_tables: Project) -> None:
    status = "select status from pgtrickle.pgt_stream_tables where pgt_schema = 'analytics_marts'"
    assert "Name's\": paused" in _run(shop_tables, "pgtrickle_pause", model_name="totals")
    assert shop_tables.value(status) == "SUSPENDED"
    assert "Name's\": resumed" in _run(shop_tables, "pgtrickle_resume", model_name="totals")
    assert shop_tables.value(status) == "ACTIVE"


def test_verify_says_equal_or_prints_what_differs(shop_tables: Project) -> None:
    project = shop_tables
    assert "equals its query" in _run(project, "pgtrickle_verify", model_name="totals")
    project.sql("delete from $schema.orders where order_id = 30")
    said = _run(project, "pgtrickle_verify", fails=True, model_name="totals")
    assert "(1,10,247.50): 0 in the query, 1 in the table" in said
    assert "differs from its query. It was last refreshed at 20" in said
    assert "dbt run-operation pgtrickle_refresh --args '{model_name: totals}'" in said


def test_explain_tells_mode_reason_and_schedule(shop_tables: Project) -> None:
    said = _run(shop_tables, "pgtrickle_explain", model_name="totals")
    assert "asked for DIFFERENTIAL, refreshed FULL because not compiled yet" in said
    assert "schedule 1m" in said
    assert '"analytics"."orders"' in said


def test_status_is_a_table_of_all(shop_tables: Project) -> None:
    shop_tables.sql("select pgtrickle.alter_stream_table('analytics.above', status => 'PAUSED')")
    lines = _run(shop_tables, "pgtrickle_status").splitlines()
    [totals] = [line for line in lines if "Name's\"" in line]
    [above] = [line for line in lines if '"above"' in line]
    assert "healthy" in totals
    assert "paused" in above
    for line in (totals, above):
        assert "FULL" in line
        assert "1m" in line
        assert "s ago" in line


def test_freshness_is_checked_of_one_or_all(shop_tables: Project) -> None:
    project = shop_tables
    said = _run(project, "pgtrickle_check_freshness")
    assert said.count("ok: ") == 2
    project.sql(
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '700 s'"
        " where pgt_name = 'above'"
    )
    said = _run(project, "pgtrickle_check_freshness")
    assert re.search(r'"above": warning: 7\d\d s old, more than 600', said)
    said = _run(project, "pgtrickle_check_freshness", fails=True, error_seconds=650)
    assert re.search(r'"above": error: 7\d\d s old, more than 650', said)
    assert "Not fresh: above" in said
    _run(project, "pgtrickle_check_freshness", model_name="totals", error_seconds=650)


def test_each_version_of_a_model_is_a_table_of_its_own(project: Project) -> None:
    project.model("totals_v1", TOTALS)
    project.model("totals_v2", TOTALS.replace("count(*) as orders, ", ""))
    versions = {"name": "totals", "latest_version": 2, "versions": [{"v": 1}, {"v": 2}]}
    project.write("models/totals.yml", yaml.safe_dump({"models": [versions]}))
    project.dbt("run")
    for operation, told in (
        ("pgtrickle_status", "healthy"),
        ("pgtrickle_check_freshness", "ok: "),
        ("refresh_all_stream_tables", "already current"),
    ):
        lines = _run(project, operation).splitlines()
        for name in ("totals_v1", "totals_v2"):
            assert [told in line for line in lines if f'"{name}"' in line] == [True]
    for named, table in (
        ("totals", "totals_v2"),
        ("totals.v1", "totals_v1"),
        ("totals_v1", "totals_v1"),
    ):
        assert f'"{table}": paused' in _run(project, "pgtrickle_pause", model_name=named)
    said = _run(project, "pgtrickle_pause", fails=True, model_name="totals.v3")
    assert "Stream tables of this project: totals.v1, totals.v2." in said


def test_a_blown_fuse_is_reset(project: Project) -> None:
    project.model("totals", TOTALS, fuse="on", fuse_ceiling=5)
    project.dbt("run")
    project.sql("update pgtrickle.pgt_stream_tables set fuse_state = 'blown', status = 'SUSPENDED'")
    assert '"totals": fuse reset' in _run(
        project, "pgtrickle_reset_fuse", model_name="totals", action="reinitialize"
    )
    assert project.sql("select fuse_state, status from pgtrickle.pgt_stream_tables") == [
        ("armed", "ACTIVE")
    ]


@pytest.mark.parametrize("setup", ["adapter"], indirect=True)
def test_a_blown_fuse_is_an_error_that_names_the_way_out(project: Project) -> None:
    project.model("totals", TOTALS, fuse="on", fuse_ceiling=5)
    project.dbt("run")
    project.sql("insert into $schema.orders select 1000 + i, 1, 1 from generate_series(1, 6) i")
    told = (
        "its fuse is blown: 6 pending changes exceed the ceiling of 5",
        "`dbt run-operation pgtrickle_reset_fuse --args '{model_name: totals}'`",
        """`select pgtrickle.reset_fuse('"analytics"."totals"')`""",
    )
    for _ in ("it blows", "it is blown"):
        (said,) = project.dbt("run", fails=True).values()
        assert all(part in said for part in told), said
    assert project.value("select fuse_state from pgtrickle.pgt_stream_tables") == "blown"
    for refused in (
        _run(project, "pgtrickle_refresh", fails=True, model_name="totals"),
        _run(project, "refresh_all_stream_tables", fails=True),
    ):
        assert all(part in refused for part in told), refused
    _run(project, "pgtrickle_reset_fuse", model_name="totals")
    assert project.value("select sum(orders) from $schema.totals") == project.value(
        "select count(*) from $schema.orders"
    )
    project.dbt("run")


def test_the_way_out_is_named_of_a_table_that_failed_too_often(project: Project) -> None:
    project.model("totals", "select 1 / amount as share from {{ source('shop', 'orders') }}")
    project.dbt("run")
    project.sql("insert into $schema.orders values (1000, 1, 0)")
    project.dbt("run", fails=True)
    # As a worker does after max_consecutive_errors.
    project.sql("update pgtrickle.pgt_stream_tables set status = 'SUSPENDED'")
    (said,) = project.dbt("run", fails=True).values()
    assert "suspended after 1 failed refreshes: division by zero" in said
    assert "`dbt run-operation pgtrickle_resume --args '{model_name: totals}'`" in said
    project.sql("delete from $schema.orders where amount = 0")
    _run(project, "pgtrickle_resume", model_name="totals")
    project.dbt("run")


def test_a_paused_table_is_passed_over_where_all_are_refreshed(shop_tables: Project) -> None:
    project = shop_tables
    _run(project, "pgtrickle_pause", model_name="totals")
    project.sql("insert into $schema.orders values (100, 1, 1)")
    said = _run(project, "refresh_all_stream_tables")
    assert "Mixed Case.Name's\": suspended: not refreshed" in said
    assert '"above": ' in said
    refused = _run(project, "pgtrickle_refresh", fails=True, model_name="totals")
    assert "is suspended" in refused
    assert "`dbt run-operation pgtrickle_resume --args '{model_name: totals}'`" in refused
