"""The macros on the extension pg_trickle: on stand-ins of its versions, and on it where it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import FreshDatabase
from tests.dbt.conftest import SHOP, output
from tests.dbt.native.installed import INSTALLED, native_database
from tests.dbt.native.standin import standin
from tests.dbt.project import Project

TOTALS = (
    "select customer_id, count(*) as orders, sum(amount) as total"
    " from {{ source('shop', 'orders') }} group by customer_id"
)
VERSIONS = ["0.15.0", "0.30.0", "0.67.0", "0.108.3"]


@pytest.fixture(params=["0.67.0", *INSTALLED])
def version(request: pytest.FixtureRequest) -> str:
    """The version a stand-in takes the place of, or `installed` for the extension itself."""
    name: str = request.param
    return name


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
    """The package on dbt-postgres, in a database with the extension or a stand-in of it."""
    is_installed = version in INSTALLED
    database = native_database if is_installed else fresh_database
    with database(name=database_name) as dsn:
        made = Project(tmp_path / "shop", output("package", dsn), dsn, package=True)
        made.sql(SHOP)
        if not is_installed:
            made.sql(standin(version, upgraded=upgraded))
        made.write(
            "models/sources.yml",
            "sources:\n  - name: shop\n    schema: analytics\n    tables:\n      - name: orders\n",
        )
        yield made.begin_with(parsed(made))


def _calls(project: Project) -> list[str]:
    return [name for (name,) in project.sql("select function from pgtrickle.calls order by number")]


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("version", "upgraded"),
    [*((version, False) for version in [*VERSIONS, *INSTALLED]), ("0.67.0", True)],
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


@pytest.mark.parametrize("version", ["0.67.0"])
def test_one_call_makes_each_change(project: Project) -> None:
    project.model("totals", TOTALS, cdc_mode="trigger", append_only=False)
    project.dbt("run")
    project.model("totals", TOTALS.replace("sum(", "max("), schedule="5m")
    project.dbt("run")
    assert _calls(project) == ["create_stream_table", "create_or_replace_stream_table"]


@pytest.mark.parametrize("version", ["0.67.0"])
def test_the_fuse_is_set_where_it_differs_and_only_there(project: Project) -> None:
    project.model("totals", TOTALS, fuse="on", fuse_ceiling=1000, fuse_sensitivity=2)
    project.dbt("run")
    alter = "alter_stream_table"
    assert _calls(project) == ["create_stream_table", alter]
    project.dbt("run")
    assert _calls(project).count(alter) == 1
    project.sql("update pgtrickle.pgt_stream_tables set fuse_ceiling = 5")
    assert "fuse_ceiling 5 to 1000" in project.dbt("run")["totals"]
    assert project.sql(
        "select arguments from pgtrickle.calls where function = 'alter_stream_table'"
        " order by number desc limit 1"
    ) == [({"name": "analytics.totals", "fuse_ceiling": 1000},)]


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


def test_an_auto_table_the_engine_made_full_runs_again(project: Project) -> None:
    project.model("totals", TOTALS, refresh_mode="AUTO")
    project.dbt("run")
    project.sql("update pgtrickle.pgt_stream_tables set refresh_mode = 'FULL'")
    project.dbt("run")
    assert project.value("select refresh_mode from pgtrickle.pgt_stream_tables") == "FULL"


@pytest.mark.slow
def test_a_table_in_error_is_resumed_and_refreshed(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    project.sql("update pgtrickle.pgt_stream_tables set status = 'ERROR'")
    project.sql("delete from $schema.orders where order_id > 20")
    project.dbt("run")
    assert project.value("select sum(orders) from $schema.totals") == 20


def test_an_immediate_table_is_left_to_those_who_write_its_source(project: Project) -> None:
    project.model("totals", TOTALS, refresh_mode="IMMEDIATE")
    project.dbt("run")
    project.sql("delete from $schema.orders where order_id > 20")
    assert project.value("select sum(orders) from $schema.totals") == 20
    assert project.dbt("run")["totals"] == "unchanged"


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


def test_models_of_one_source_are_made_by_eight_threads(project: Project) -> None:
    models = {f"part_{number}" for number in range(8)}
    for name in models:
        project.model(name, f"{TOTALS} having count(*) > {name[-1]}")
    # A contract has dbt read the source before the table is made.
    columns = [("customer_id", "int"), ("orders", "bigint"), ("total", "numeric")]
    contract = {
        "config": {"contract": {"enforced": True}},
        "columns": [{"name": name, "data_type": kind} for name, kind in columns],
    }
    project.write(
        "models/contracts.yml",
        yaml.safe_dump({"models": [{"name": name, **contract} for name in models]}),
    )
    for said, options in (("created", []), ("rebuilt", ["--full-refresh"])):
        messages = project.dbt("run", "--threads", "8", *options)
        assert sorted(messages) == sorted(models)
        assert [m for m in messages.values() if not m.startswith(said)] == []


@pytest.mark.parametrize("to_type", ["numeric", "text"])
def test_a_column_of_another_type_rebuilds_the_table_which_keeps_rights_and_comments(
    project: Project, to_type: str
) -> None:
    # Of the extension itself the one stays integer where the cast goes without saying, the other
    # loses all that hangs on the table.
    project.model("typed", "select order_id, customer_id as c from {{ source('shop', 'orders') }}")
    project.dbt("run")
    project.sql(
        "grant select on $schema.typed to pg_monitor; comment on table $schema.typed is 'mine'"
    )
    project.model(
        "typed",
        f"select order_id, (customer_id * 10000000000)::{to_type} as c"
        " from {{ source('shop', 'orders') }}",
    )
    message = project.dbt("run")["typed"]
    assert message.startswith(f"rebuilt: the type of c changes from integer to {to_type}")
    assert project.value("select max(c)::numeric from $schema.typed") == 30000000000
    assert project.value("select has_table_privilege('pg_monitor', '$schema.typed', 'select')")
    assert project.value("select obj_description('$schema.typed'::regclass)") == "mine"
    oid = project.oid("typed")
    project.model("typed", "select order_id from {{ source('shop', 'orders') }}")
    assert project.dbt("run")["typed"].startswith("altered query")
    assert project.oid("typed") == oid


def test_what_the_extension_cannot_compare_is_an_error_that_names_what_can(
    project: Project,
) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    project.dbt("run-operation", "pgtrickle_verify", "--args", "{model_name: totals}", fails=True)
    assert any("dbt_pgtrickle.stream_table_exact" in line for line in project.messages)


def test_a_limit_that_alone_differs_is_altered(project: Project) -> None:
    project.model("totals", TOTALS, max_differential_joins=3, max_delta_fraction=0.5)
    project.dbt("run")
    project.model("totals", TOTALS, max_differential_joins=5, max_delta_fraction=0.25)
    message = project.dbt("run")["totals"]
    assert "max_differential_joins 3 to 5, max_delta_fraction 0.5 to 0.25" in message
    assert project.dbt("run")["totals"].startswith("unchanged")


def test_every_setting_that_changed_is_told(project: Project) -> None:
    project.model("totals", TOTALS, cdc_mode="trigger")
    project.dbt("run")
    project.model(
        "totals",
        TOTALS,
        cdc_mode="auto",
        diamond_consistency="none",
        pooler_compatibility_mode=True,
    )
    message = project.dbt("run")["totals"]
    for part in (
        "cdc_mode trigger to auto",
        "diamond_consistency atomic to none",
        "pooler_compatibility_mode False to True",
    ):
        assert part in message


# Arguments as the extension is to get them, of the two functions that take them.
OF_CREATE: dict[str, Any] = {
    "schedule": "1h30m",
    "refresh_mode": "DIFFERENTIAL",
    "initialize": False,
    "cdc_mode": "trigger",
    "append_only": True,
    "diamond_consistency": "atomic",
    "diamond_schedule_policy": "slowest",
    "pooler_compatibility_mode": True,
    "max_differential_joins": 3,
    "max_delta_fraction": 0.5,
    "partition_by": "customer_id",
}
OF_ALTER: dict[str, Any] = {"tier": "cold", "fuse": "on", "fuse_ceiling": 9, "fuse_sensitivity": 2}


@pytest.mark.parametrize("version", ["0.15.0", "0.67.0", "0.108.3"])
def test_every_setting_reaches_the_extension_by_name(project: Project, version: str) -> None:
    given = {**OF_CREATE, **OF_ALTER}
    if version != "0.15.0":
        given["output_distribution_column"] = "customer_id"
        project.sql(
            "set allow_system_table_mods = on;"
            " insert into pg_extension"
            " (oid, extname, extowner, extnamespace, extrelocatable, extversion)"
            " values (987655, 'citus', 10, 'public'::regnamespace, false, '13.0')"
        )
    project.model("totals", TOTALS, **given)
    project.dbt("run")
    [create, alter] = project.sql("select function, arguments from pgtrickle.calls order by number")
    assert (create[0], alter[0]) == ("create_stream_table", "alter_stream_table")
    told = {key: value for key, value in create[1].items() if key in given}
    assert told == {key: value for key, value in given.items() if key not in OF_ALTER}
    assert alter[1] == {"name": "analytics.totals", **OF_ALTER}


@pytest.mark.parametrize(("given", "stored"), [("1H 30m", "1h30m"), ("@hourly", "@hourly")])
def test_a_schedule_reaches_the_extension_in_a_form_it_takes(
    project: Project, given: str, stored: str
) -> None:
    project.model("totals", TOTALS, schedule=given)
    project.dbt("run")
    assert project.value("select schedule from pgtrickle.pgt_stream_tables") == stored
    assert project.dbt("run")["totals"].startswith("unchanged")


@pytest.mark.parametrize("refresh_mode", ["DIFFERENTIAL", "IMMEDIATE"])
def test_a_table_that_lost_its_source_is_no_longer_refreshed_but_rebuilt_or_dropped(
    project: Project, refresh_mode: str
) -> None:
    project.model("totals", TOTALS, refresh_mode=refresh_mode)
    project.dbt("run")
    replace = (
        "create table $schema.new as select * from $schema.orders where order_id <= 20;"
        " alter table $schema.new add primary key (order_id);"
        " drop table $schema.orders cascade;"
        " alter table $schema.new rename to orders"
    )
    project.sql(replace)
    project.dbt("run-operation", "refresh_all_stream_tables", fails=True)
    assert any("was dropped or replaced" in line for line in project.messages)
    project.dbt("run-operation", "pgtrickle_check_cdc_health", fails=True)
    assert any("dbt run builds analytics.totals anew" in line for line in project.messages)
    assert project.dbt("run")["totals"].startswith("rebuilt: something it reads was replaced")
    assert project.value("select sum(orders) from $schema.totals") == 20
    project.sql(replace)
    project.dbt("run-operation", "drop_all_stream_tables")
    assert project.value("select to_regclass('$schema.totals') is null")


def test_what_the_extension_does_about_append_only_is_no_change_of_configuration(
    project: Project,
) -> None:
    project.model("plain", "select order_id, amount from {{ source('shop', 'orders') }}")
    project.dbt("run")
    project.sql("update pgtrickle.pgt_stream_tables set is_append_only = true")
    project.model(
        "plain",
        "select order_id, amount from {{ source('shop', 'orders') }}",
        append_only=False,
        on_configuration_change="fail",
    )
    assert project.dbt("run")["plain"].startswith(("unchanged", "altered append_only"))


def test_an_old_failure_is_not_taken_for_one_of_this_run(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    project.sql(
        "insert into pgtrickle.pgt_refresh_history"
        " (pgt_id, data_timestamp, start_time, action, status, error_message)"
        " select pgt_id, now(), now(), 'DIFFERENTIAL', 'FAILED', 'division by zero'"
        " from pgtrickle.pgt_stream_tables"
    )
    project.model("totals", TOTALS.replace("sum(", "max("))
    assert project.dbt("run")["totals"] == "altered query"


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("version", "options", "said"),
    [
        ("0.15.0", {"fuse_ceiling": 0}, "at least 1"),
        (
            "0.30.0",
            {"output_distribution_column": "customer_id"},
            "(native 0.30.0) does not have: it came with 0.33",
        ),
        ("0.67.0", {"output_distribution_column": "customer_id"}, "needs Citus"),
        ("0.67.0", {"append_only": True, "refresh_mode": "FULL"}, "DIFFERENTIAL or AUTO"),
        ("0.67.0", {"cdc_mode": "wal", "refresh_mode": "IMMEDIATE"}, "TRIGGER, AUTO or null"),
        ("0.67.0", {"partition_by": "orders", "refresh_mode": "IMMEDIATE"}, "needs refresh_mode"),
        (
            "0.67.0",
            {"diamond_schedule_policy": "slowest", "diamond_consistency": "none"},
            "needs diamond_consistency ATOMIC",
        ),
        ("0.67.0", {"max_differential_joins": -1}, "at least 0"),
        ("0.67.0", {"max_delta_fraction": -0.5}, "at least 0"),
        ("0.67.0", {"fuse_sensitivity": 0}, "at least 1"),
        ("0.100.0", {"cdc_mode": "wal"}, "withdrawn in 0.98 and is back in 0.103"),
        ("0.67.0", {"max_differential_joins": 3000000000}, "at most 2147483647"),
        ("0.67.0", {"fuse_ceiling": -1}, "at least 1"),
        ("0.67.0", {"schedule": "0s"}, "at least 1 s, the setting pg_trickle.min_schedule_seconds"),
        ("0.67.0", {"schedule": "99 * * * *"}, "whose minute must be within 0 to 59, not 99"),
        (
            "0.67.0",
            {"schedule": "0 0 1 foo *"},
            "whose month must be numbers, ranges, steps or *, not foo (cron expressions are like",
        ),
    ],
)
def test_an_option_that_this_version_cannot_have_is_an_error_of_the_compiler(
    project: Project, version: str, options: dict[str, Any], said: str
) -> None:
    project.model("totals", TOTALS, **options)
    message = project.dbt("run", fails=True)["totals"]
    [key, value] = next(iter(options.items()))
    shown = value.upper() if key in ("cdc_mode", "diamond_schedule_policy") else value
    assert "Compilation Error" in message
    assert f"The stream table totals sets {key} to {json.dumps(shown)}" in message
    assert said in message
    assert f"native {version}" in message
    assert project.value("select count(*) from pgtrickle.calls") == 0


# What croner, the extension's library for them, says of cron expressions.
CRON = [
    "* * * * *",
    "*/5 * * * *",
    "0 6 * * mon-fri",
    "0 6 * * MON,WED",
    "0 0 0 1 1 *",
    "* * ? * ?",
    "0 0 L * *",
    "0 0 15W * *",
    "0 0 1,L * *",
    "0 0 * jan-mar/2 *",
    "0 0 * * 5#2",
    "0 0 * * MON-FRI#2",
    "0 0 * * 5#L",
    "0 0 * * friL",
    "0 0 * * L",
    "0 0 * * 5-7",
    "0 0 1 * */2#2",
    "5/15 * * * *",
    "*/90 * * * *",
    "1-5/007 * * * *",
    "  01   * * * *  ",
    "@HOURLY",
    "@annually",
]
NO_CRON = {
    "99 * * * *": "whose minute must be within 0 to 59, not 99",
    "0 0 */90 1-32 * *": "whose day of month must be within 1 to 31, not 32",
    "0 0 32W * *": "whose day of month must be within 1 to 31, not 32",
    "0 0 * 13 *": "whose month must be within 1 to 12, not 13",
    "0 0 * * 8": "whose day of week must be within 0 to 7, not 8",
    "50-10 * * * *": "whose minute must go from low to high, not 50-10",
    "0 0 * * sat-mon": "whose day of week must go from low to high, not sat-mon",
    "*/0 * * * *": "whose minute must step by 1 or more, not */0",
    "0 0 0 1 foo *": "whose month must be numbers, ranges, steps or *, not foo",
    "0 0 * JANUARY *": "whose month must be numbers, ranges, steps or *, not JANUARY",
    "? * * * *": "whose minute must be numbers",
    "0 0 LW * *": "whose day of month must be numbers",
    "0 0 L-3 * *": "whose day of month must be numbers",
    "0 0 * L *": "whose month must be numbers",
    "0 0 * * 5#6": "whose day of week must be numbers",
    "0 0 * * *#2": "whose day of week must be numbers",
    "1-2-3 * * * *": "whose minute must be numbers",
    "1- * * * *": "whose minute must be numbers",
    "/5 * * * *": "whose minute must be numbers",
    "*/a * * * *": "whose minute must be numbers",
    "@midnight": "which must be one of @yearly, @annually, @monthly, @weekly, @daily, @hourly",
    "@hourly x": "which must be one of @yearly",
    "* * * *": "which must have five fields",
}


def test_a_cron_expression_is_judged_as_the_extension_judges_it(project: Project) -> None:
    project.write(
        "macros/judge.sql",
        "{% macro judge(expressions) %}{% for one in expressions %}\n"
        "  {% do log(one ~ ': ' ~ dbt_pgtrickle._wrong_cron(one), info=true) %}\n"
        "{% endfor %}{% endmacro %}\n",
    )
    expressions = json.dumps({"expressions": [*CRON, *NO_CRON]})
    project.dbt("run-operation", "judge", "--args", expressions)
    assert set(project.messages) >= {f"{right}: None" for right in CRON}
    for wrong, said in NO_CRON.items():
        [message] = [line for line in project.messages if line.startswith(f"{wrong}: ")]
        assert message.startswith(f"{wrong}: {said}")
        assert message.endswith(
            "(cron expressions are like '*/5 * * * *', '0 6 * * mon-fri', '@hourly')"
        )


def test_a_column_that_the_query_lacks_is_an_error_of_the_compiler(project: Project) -> None:
    wrong = {
        "one": ("partition_by", "day", "the query has no column day"),
        "listed": ("partition_by", "LIST:day", "the query has no column day"),
        "hashed": ("partition_by", "hash:day:8", "the query has no column day"),
        "second": ("partition_by", "ORDERS, day", "the query has no column day"),
        "indexed": ("indexes", [{"columns": ["orders", "day"]}], "the query has no column day"),
        "grown": ("indexes", [{"columns": ["orders"], "type": "tree"}], "tree is no type of index"),
    }
    for name, (key, value, _) in wrong.items():
        project.model(name, TOTALS, **{key: value})
    messages = project.dbt("run", fails=True)
    for name, (key, value, said) in wrong.items():
        assert "Compilation Error" in messages[name]
        assert f"The stream table {name} sets {key} to {json.dumps(value)}" in messages[name]
        assert said in messages[name]
    assert project.value("select count(*) from pgtrickle.pgt_stream_tables") == 0


@pytest.mark.one_in(3)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_stream_table_that_others_read_is_rebuilt_and_dropped(project: Project) -> None:
    """The extension's default for dependents changed twice, so it is always told."""
    project.model("totals", TOTALS)
    project.model("above", "select customer_id, orders from {{ ref('totals') }}")
    project.dbt("run")
    rebuilt = project.dbt("run", "--full-refresh")
    assert all(message.startswith("rebuilt") for message in rebuilt.values()), rebuilt
    assert project.value("select sum(orders) from $schema.above") == 30
    project.dbt("run-operation", "drop_all_stream_tables")
    assert project.sql("select pgt_name from pgtrickle.pgt_stream_tables") == []
    assert project.value("select to_regclass('$schema.totals') is null")
    assert project.value("select to_regclass('$schema.above') is null")


@pytest.mark.parametrize("version", ["0.67.0"])
def test_a_warning_where_the_scheduler_of_the_extension_does_not_run(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    [warning] = [line for line in project.messages if "nothing refreshes by schedule" in line]
    assert "1 stream table has a schedule" in warning
    assert "Look at shared_preload_libraries and pg_trickle.enabled" in warning


@pytest.mark.parametrize("version", ["0.67.0"])
def test_a_blown_fuse_is_an_error_that_names_the_way_out(project: Project) -> None:
    project.model("totals", TOTALS, fuse="on", fuse_ceiling=5)
    project.dbt("run")
    project.sql(
        "update pgtrickle.pgt_stream_tables set fuse_state = 'blown', status = 'SUSPENDED',"
        " blow_reason = '6 pending changes'"
    )
    message = project.dbt("run", fails=True)["totals"]
    assert "its fuse is blown: 6 pending changes" in message
    assert "`dbt run-operation pgtrickle_reset_fuse --args '{model_name: totals}'`" in message
    assert "`select pgtrickle.reset_fuse('analytics.totals')`" in message
