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


@pytest.mark.slow
def test_the_engine_is_asked_about_settings_only_where_they_are_new_to_it(
    project: Project,
) -> None:
    log = project.directory / "logs" / "dbt.log"
    questions = ("pgtrickle.validate_options(", "__dbt_sbq", "pg_catalog.pg_am")

    def asked(*arguments: str) -> bool:
        """Whether a run asked the engine about settings, and PostgreSQL about what they name."""
        log.unlink(missing_ok=True)
        project.dbt("run", *arguments)
        return any(question in log.read_text() for question in questions)

    settings = {**GIVEN, "indexes": [{"columns": ["total"]}]}
    project.model("totals", TOTALS, **settings)
    assert asked()
    assert not asked()
    assert not asked("--empty")
    for changed in ({"schedule": "2m"}, {"indexes": [{"columns": ["orders"]}]}):
        settings.update(changed)
        project.model("totals", TOTALS, **settings)
        assert asked()
        assert not asked()
    project.model("totals", TOTALS.replace("sum(amount)", "2 * sum(amount)"), **settings)
    assert asked()  # whether the columns that settings name are still there
    assert not asked()
    assert asked("--full-refresh")


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


def test_what_somebody_else_set_is_put_right_at_the_next_run_and_left_alone_after(
    project: Project,
) -> None:
    fuse = {"fuse": "on", "fuse_ceiling": 1000, "fuse_sensitivity": 2, "tier": "cold"}
    project.model("totals", TOTALS, **fuse)
    project.dbt("run")
    project.sql(
        "select pgtrickle.alter_stream_table('analytics.totals',"
        " fuse => 'off', fuse_ceiling => 5, fuse_sensitivity => 9, tier => 'hot')"
    )
    said = project.dbt("run")["totals"]
    for change in ("tier hot to COLD", "fuse off to ON", "fuse_ceiling 5 to 1000"):
        assert change in said
    assert "fuse_sensitivity 9 to 2" in said
    before = project.value("select to_jsonb(s)->'updated_at' from pgtrickle.pgt_stream_tables s")
    assert project.dbt("run")["totals"].startswith("unchanged")
    after = project.value("select to_jsonb(s)->'updated_at' from pgtrickle.pgt_stream_tables s")
    assert before == after


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


# Options as a model sets them, the first of which this engine refuses, and some of what it says.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"output_distribution_column": "customer_id"}, "does not have: the extension"),
    ({"partition_by": "LIST:customer_id"}, "RANGE partitions by one column"),
    ({"partition_by": "customer_id, orders"}, "RANGE partitions by one column"),
    ({"partition_by": "day"}, "the query has customer_id, orders, total"),
    ({"append_only": True, "refresh_mode": "IMMEDIATE"}, "use refresh_mode AUTO or DIFF"),
    ({"cdc_mode": "WAL", "refresh_mode": "IMMEDIATE"}, "Leave cdc_mode out"),
    (
        {"diamond_schedule_policy": "SLOWEST", "diamond_consistency": "NONE"},
        'needs diamond_consistency "atomic"',
    ),
    ({"max_differential_joins": 0}, "must be at least 1"),
    ({"max_differential_joins": 3000000000}, "out of range for type integer"),
    ({"max_delta_fraction": 1.5}, "must be above 0 and at most 1"),
    ({"fuse_ceiling": 0}, "must be at least 1"),
    ({"fuse_ceiling": -1}, "must be at least 1"),
    ({"fuse_sensitivity": 0}, "must be at least 1"),
    ({"fuse_sensitivity": -1}, "must be at least 1"),
    ({"schedule": "0s"}, "shorter than the least allowed, 1 s"),
    ({"schedule": "99999w"}, "longer than 300 years"),
    ({"schedule": "99 * * * *"}, "not within 0 to 59, the range of minute"),
    ({"schedule": "* * 31-1 * *"}, "not within 1 to 31, the range of day of month"),
    ({"schedule": "0 0 0 1 foo *"}, "is not understood as month. Examples: '*/5"),
    ({"schedule": "@fortnightly"}, "is not one of @yearly"),
    ({"indexes": [{"columns": ["nothing"]}]}, "It has customer_id, orders, total"),
    ({"indexes": [{"columns": ["total", '"Total"']}]}, 'the query has no column "Total"'),
    ({"indexes": [{"columns": ["total"], "type": "tree"}]}, "brin, btree, gin, gist, hash"),
    ({"stream_table_name": "é" * 40}, "has a part longer than 63 bytes"),
]
# Keys, values that they have on no engine, and what must be there instead.
IMPOSSIBLE: list[tuple[str, Any, str]] = [
    ("schedule", "often", "a duration ('30s', '5m', '1h30m'), a cron expression"),
    ("schedule", 5, "a duration ('30s', '5m', '1h30m'), a cron expression"),
    ("refresh_mode", "NOW", "one of FULL, DIFFERENTIAL, AUTO, IMMEDIATE"),
    ("refresh_mode", True, "one of FULL, DIFFERENTIAL, AUTO, IMMEDIATE"),
    ("refresh_mode", None, "one of FULL, DIFFERENTIAL, AUTO, IMMEDIATE"),
    ("initialize", "yes", "boolean"),
    ("refresh_on_run", 1, "boolean"),
    ("status", "SUSPENDED", "one of ACTIVE, PAUSED"),
    ("stream_table_name", "n" * 64, "a name of 1 to 63 characters"),
    ("stream_table_name", "", "a name of 1 to 63 characters"),
    ("stream_table_name", 7, "string or null"),
    ("stream_table_schema", "s" * 64, "a name of 1 to 63 characters"),
    ("cdc_mode", "log", "one of AUTO, TRIGGER, WAL"),
    ("partition_by", ["customer_id"], "string or null"),
    ("append_only", "no", "boolean or null"),
    ("diamond_consistency", "SOME", "one of NONE, ATOMIC"),
    ("diamond_schedule_policy", "ANY", "one of FASTEST, SLOWEST"),
    ("pooler_compatibility_mode", "on", "boolean or null"),
    ("max_differential_joins", 2.5, "integer or null"),
    ("max_delta_fraction", "half", "number or null"),
    ("max_delta_fraction", float("nan"), "number or null"),
    ("output_distribution_column", 1, "string or null"),
    ("tier", "TEPID", "one of HOT, WARM, COLD, FROZEN"),
    ("fuse", "MAYBE", "one of OFF, ON, AUTO"),
    ("fuse_ceiling", "1000", "integer or null"),
    ("fuse_sensitivity", 0.5, "integer or null"),
    ("indexes", "total", "a list of indexes like {columns: [a, b]"),
    ("grants", ["reader"], "lists of roles by privilege"),
    ("full_refresh", "always", "boolean or null"),
    ("on_configuration_change", "ask", "one of APPLY, CONTINUE, FAIL"),
]


def test_a_value_the_engine_refuses_is_an_error_that_names_model_key_value_and_way_out(
    project: Project, setup: str
) -> None:
    if setup == "package":
        _let_the_package_name_tables(project)
    for number, (options, _) in enumerate(REFUSED):
        project.model(f"spread_{number}", TOTALS, **options)
    messages = project.dbt("run", fails=True)
    for number, (options, said) in enumerate(REFUSED):
        message = messages[f"spread_{number}"]
        [key, value] = next(iter(options.items()))
        assert "Compilation Error" in message
        assert f"The stream table spread_{number} sets {key} to {json.dumps(value)}, " in message
        assert said in message
        assert "portable" in message or key == "indexes"
    assert project.value("select count(*) from pgtrickle.pgt_stream_tables") == 0
    assert project.value("select count(*) from pgtrickle.pgt_captures") == 0


def test_a_value_that_no_engine_has_is_an_error_that_names_those_there_are(
    project: Project, setup: str
) -> None:
    if setup == "package":
        _let_the_package_name_tables(project)
    properties = []
    for number, (key, value, _) in enumerate(IMPOSSIBLE):
        project.model(f"spread_{number}", TOTALS)
        properties.append({"name": f"spread_{number}", "config": {"meta": {key: value}}})
    project.write("models/properties.yml", yaml.safe_dump({"models": properties}))
    messages = project.dbt("run", fails=True)
    for number, (key, value, allowed) in enumerate(IMPOSSIBLE):
        message = messages[f"spread_{number}"]
        assert "Compilation Error" in message
        told = f"The stream table spread_{number} sets {key} to {json.dumps(value)}, which must be"
        assert f"{told} {allowed}" in message
    assert project.value("select count(*) from pgtrickle.pgt_stream_tables") == 0


def test_an_unknown_key_is_an_error_that_lists_the_known(project: Project) -> None:
    project.model("spread", TOTALS, shedule="5m")
    message = project.dbt("run", fails=True)["spread"]
    assert "Compilation Error" in message
    assert 'The stream table spread sets the unknown key shedule to "5m"' in message
    assert "schedule, status, stream_table_name" in message
    project.model("spread", TOTALS, meta={"shedule": "5m"})
    project.dbt("run")  # what is there is one's own


def _let_the_package_name_tables(project: Project) -> None:
    settings = yaml.safe_load((project.directory / "dbt_project.yml").read_text())
    order = ["shop", "dbt_pgtrickle", "dbt"]
    settings["dispatch"] = [{"macro_namespace": "dbt", "search_order": order}]
    project.write("dbt_project.yml", yaml.safe_dump(settings))


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
