"""Configuration: every key reaches the engine, from wherever it is given, and when it changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from tests.dbt.project import Project

MakeProject = Callable[..., Project]

TOTALS = (
    "select customer_id, count(*) as orders, sum(amount) as total"
    " from {{ source('shop', 'orders') }} group by customer_id"
)
# As a model says it, and as the catalog has it.
GIVEN: dict[str, Any] = {
    "schedule": "1h30m",
    "refresh_mode": "AUTO",
    "cdc_mode": "trigger",
    "append_only": True,
    "diamond_consistency": "atomic",
    "diamond_schedule_policy": "SLOWEST",
    "pooler_compatibility_mode": True,
    "max_differential_joins": 3,
    "max_delta_fraction": 0.5,
    "tier": "COLD",
    "fuse": "on",
    "fuse_ceiling": 1000,
    "fuse_sensitivity": 2,
    "partition_by": "customer_id",
}
STORED = {
    "schedule": "1h30m",
    "requested_refresh_mode": "AUTO",
    "requested_cdc_mode": "trigger",
    "is_append_only": True,
    "diamond_consistency": "atomic",
    "diamond_schedule_policy": "slowest",
    "pooler_compatibility_mode": True,
    "max_differential_joins": 3,
    "max_delta_fraction": 0.5,
    "refresh_tier": "cold",
    "fuse_mode": "on",
    "fuse_ceiling": 1000,
    "fuse_sensitivity": 2,
    "st_partition_key": "customer_id",
}
OTHER: dict[str, Any] = {
    "schedule": "5m",
    "refresh_mode": "FULL",
    "append_only": False,
    "diamond_schedule_policy": "fastest",
    "max_differential_joins": 4,
    "tier": "hot",
    "fuse": "off",
    "fuse_ceiling": 2000,
}


def _stored(project: Project, name: str) -> dict[str, Any]:
    [row] = project.sql(
        f"select to_jsonb(s) from pgtrickle.pgt_stream_tables s where pgt_name = '{name}'"
    )
    return {key: row[0][key] for key in STORED}


def test_every_setting_reaches_the_engine_from_wherever_it_is_given(project: Project) -> None:
    project.model("in_the_model", TOTALS, **GIVEN)
    project.model("in_meta", TOTALS, meta=GIVEN)
    project.model("in_the_properties", TOTALS)
    project.model("marts/in_the_project", TOTALS)
    project.model("marts/overridden", TOTALS, schedule="2m")
    project.write(
        "models/properties.yml",
        yaml.safe_dump({"models": [{"name": "in_the_properties", "config": GIVEN}]}),
    )
    settings = yaml.safe_load((project.directory / "dbt_project.yml").read_text())
    settings["models"] = {"shop": {"marts": {f"+{key}": value for key, value in GIVEN.items()}}}
    project.write("dbt_project.yml", yaml.safe_dump(settings))
    project.dbt("run")
    for name in ("in_the_model", "in_meta", "in_the_properties", "in_the_project"):
        assert _stored(project, name) == STORED, name
    assert _stored(project, "overridden") == {**STORED, "schedule": "2m"}
    messages = project.dbt("run")
    assert all(message.startswith("unchanged") for message in messages.values()), messages


def test_on_configuration_change_is_about_every_setting(project: Project) -> None:
    project.model("totals", TOTALS, **GIVEN)
    project.dbt("run")
    changed = {**GIVEN, **OTHER}
    for policy, fails in (("continue", False), ("fail", True)):
        project.model("totals", TOTALS, on_configuration_change=policy, **changed)
        project.dbt("run", fails=fails)
        assert _stored(project, "totals") == STORED
        told = "\n".join(project.messages)
        assert [key for key in OTHER if f"{key} (" not in told] == []
    project.model("totals", TOTALS, **changed)
    message = project.dbt("run")["totals"]
    assert message.startswith("altered schedule 1h30m to 5m, refresh_mode AUTO to FULL")
    assert _stored(project, "totals") == {
        **STORED,
        "schedule": "5m",
        "requested_refresh_mode": "FULL",
        "is_append_only": False,
        "diamond_schedule_policy": "fastest",
        "max_differential_joins": 4,
        "refresh_tier": "hot",
        "fuse_mode": "off",
        "fuse_ceiling": 2000,
    }


def test_a_partitioned_stream_table_keeps_its_partitions_until_it_is_built_anew(
    project: Project,
) -> None:
    project.model("totals", TOTALS, partition_by="customer_id")
    project.dbt("run")
    project.sql(
        "create table $schema.high partition of $schema.totals for values from (10) to (20)"
    )
    project.sql("select pgtrickle.add_partition('analytics.totals', '1', '3')")
    project.sql("insert into $schema.orders values (100, 12, 1), (101, 2, 1)")
    project.model(
        "totals", TOTALS.replace("sum(amount)", "2 * sum(amount)"), partition_by="Customer_ID"
    )
    assert project.dbt("run")["totals"].startswith("altered query")
    of = "select tableoid::regclass::text, customer_id from $schema.totals order by 2"
    assert [(table.split(".")[-1], number) for table, number in project.sql(of)] == [
        ("totals_1", 1),
        ("totals_1", 2),
        ("totals_default", 3),
        ("high", 12),
    ]
    for wanted in ("orders", None):
        project.model("totals", TOTALS, partition_by=wanted)
        message = project.dbt("run", fails=True)["totals"]
        assert f"partition_by (customer_id in the database, {wanted} in the model)" in message
        assert "--full-refresh" in message
    project.model("totals", TOTALS, partition_by="orders")
    for _ in range(2):
        assert project.dbt("run", "--full-refresh")["totals"].startswith("rebuilt")
        assert {table.split(".")[-1] for table, _ in project.sql(of)} == {"totals_default"}


def test_on_configuration_change_decides_about_what_needs_another_table_too(
    project: Project,
) -> None:
    project.model("totals", TOTALS, partition_by="customer_id")
    project.dbt("run")
    oid = project.oid("totals")
    changed = {"partition_by": "orders", "schedule": "5m"}
    difference = "partition_by (customer_id in the database, orders in the model)"
    for policy, fails in (("continue", False), ("fail", True)):
        project.model("totals", TOTALS, on_configuration_change=policy, **changed)
        project.dbt("run", fails=fails)
        assert any(f"was set to `{policy}`" in m and difference in m for m in project.messages)
    project.model("totals", TOTALS, **changed)
    assert difference in project.dbt("run", fails=True)["totals"]
    assert project.oid("totals") == oid
    assert _stored(project, "totals")["st_partition_key"] == "customer_id"
    assert _stored(project, "totals")["schedule"] == "1m"
    for policy in ("continue", "fail", "apply"):
        project.model("totals", TOTALS, on_configuration_change=policy, **changed)
        assert project.dbt("run", "--full-refresh")["totals"].startswith("rebuilt")
        assert _stored(project, "totals")["st_partition_key"] == "orders"
        assert _stored(project, "totals")["schedule"] == "5m"


def test_what_dbt_knows_by_itself_may_stand_under_meta_too(project: Project) -> None:
    meta: dict[str, Any] = {
        "indexes": [{"columns": ["total"]}],
        "grants": {"select": "public"},
        "full_refresh": False,
        "on_configuration_change": "continue",
        "refresh_on_run": False,
    }
    project.model("totals", TOTALS, meta=meta)
    project.dbt("run")
    assert project.value("select has_table_privilege('public', '$schema.totals', 'select')")
    index = (
        "select count(*) from pg_indexes where tablename = 'totals' and indexdef ~ 'btree .total.'"
    )
    assert project.value(index) == 1
    project.model("totals", TOTALS, meta={**meta, "indexes": []}, schedule="5m")
    assert project.dbt("run", "--full-refresh")["totals"] == "unchanged"
    assert _stored(project, "totals")["schedule"] == "1m"
    assert project.value(index) == 1
    project.model("totals", TOTALS, meta={**meta, "on_configuration_change": "perhaps"})
    assert "one of APPLY, CONTINUE, FAIL" in project.dbt("run", fails=True)["totals"]


def test_a_model_may_forbid_its_full_refresh(project: Project) -> None:
    project.model("totals", TOTALS, full_refresh=False)
    project.dbt("run")
    oid = project.oid("totals")
    assert project.dbt("run", "--full-refresh")["totals"].startswith("unchanged")
    assert project.oid("totals") == oid


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"output_distribution_column": "customer_id"}, "does not have: the extension"),
        ({"partition_by": "LIST:customer_id"}, "must be one column"),
        ({"partition_by": "customer_id, orders"}, "must be one column"),
        ({"append_only": True, "refresh_mode": "IMMEDIATE"}, "needs refresh_mode"),
        ({"cdc_mode": "WAL", "refresh_mode": "IMMEDIATE"}, "must be TRIGGER, AUTO or null"),
        (
            {"diamond_schedule_policy": "SLOWEST", "diamond_consistency": "NONE"},
            "needs diamond_con",
        ),
        ({"max_differential_joins": 0}, "must be at least 1"),
        ({"max_delta_fraction": 1.5}, "must be above 0 and at most 1"),
        ({"fuse_ceiling": 0}, "must be at least 1"),
        ({"fuse_sensitivity": -1}, "must be at least 1"),
    ],
)
def test_an_option_the_engine_lacks_is_an_error_that_names_model_option_and_value(
    project: Project, options: dict[str, Any], said: str
) -> None:
    project.model("spread", TOTALS, **options)
    message = project.dbt("run", fails=True)["spread"]
    [key, value] = next(iter(options.items()))
    assert "Compilation Error" in message
    assert f"The stream table spread sets {key} to {json.dumps(value)}" in message
    assert said in message
    assert "portable" in message


def test_an_argument_that_an_older_runtime_lacks_is_an_error_that_says_so(
    project: Project,
) -> None:
    project.sql(
        "alter function pgtrickle.alter_stream_table rename to older;"
        " create function pgtrickle.alter_stream_table(name text) returns void"
        " language sql as 'select'"
    )
    project.model("spread", TOTALS, tier="cold")
    message = project.dbt("run", fails=True)["spread"]
    assert 'sets tier to "COLD"' in message
    assert "Upgrade it by `pgtrickle install`" in message
