"""The materialization `stream_table`, in each of the three set-ups."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import psycopg
import pytest
import yaml
from tests.dbt.project import Project

TOTALS = (
    "select customer_id, count(*) as orders, sum(amount) as total"
    " from {{ source('shop', 'orders') }} group by customer_id"
)
NAMED = (
    "select c.name, o.amount from {{ source('shop', 'orders') }} o"
    " join {{ source('shop', 'customers') }} c using (customer_id)"
)


def _totals(project: Project) -> list[tuple[object, ...]]:
    return project.sql("select customer_id, orders, total from $schema.totals order by 1")


def _expected(project: Project) -> list[tuple[object, ...]]:
    return project.sql(
        "select customer_id, count(*), sum(amount) from $schema.orders group by 1 order by 1"
    )


def _settings(project: Project, name: str = "totals") -> tuple[object, ...]:
    return project.sql(
        "select schedule, requested_refresh_mode, status, is_populated"
        f" from pgtrickle.pgt_stream_tables where pgt_relid = '$schema.{name}'::regclass"
    )[0]


def test_a_new_model_becomes_a_stream_table_with_the_query_s_columns(project: Project) -> None:
    project.model("totals", TOTALS)
    assert project.dbt("run")["totals"].startswith("created")
    assert _totals(project) == _expected(project)
    assert project.sql("select * from $schema.totals limit 0") == []
    assert _settings(project) == ("1m", "DIFFERENTIAL", "ACTIVE", True)


def test_settings_are_read_from_config_and_from_meta(project: Project) -> None:
    project.model("totals", TOTALS, schedule="5m", refresh_mode="full")
    project.model(
        "named",
        NAMED,
        schedule="7m",
        meta={"schedule": None, "refresh_mode": "AUTO", "initialize": False},
    )
    project.dbt("run")
    assert _settings(project) == ("5m", "FULL", "ACTIVE", True)
    assert _settings(project, "named") == (None, "AUTO", "INITIALIZING", False)


def test_a_rerun_of_an_unchanged_model_rebuilds_nothing_and_leaves_it_current(
    project: Project,
) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    oid = project.oid("totals")
    project.sql("update $schema.orders set amount = amount + 1 where order_id <= 5")
    project.sql("delete from $schema.orders where order_id = 30")
    message = project.dbt("run")["totals"]
    assert message.startswith("unchanged, refreshed ")
    assert project.oid("totals") == oid
    assert _totals(project) == _expected(project)
    assert project.dbt("run")["totals"].startswith("unchanged, already current")


def test_refresh_on_run_false_leaves_the_refresh_to_the_schedule(project: Project) -> None:
    project.model("totals", TOTALS, refresh_on_run=False)
    project.dbt("run")
    before = _totals(project)
    project.sql("delete from $schema.orders where order_id > 10")
    assert project.dbt("run")["totals"] == "unchanged"
    assert _totals(project) == before


def test_a_changed_query_is_applied_in_place(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    oid = project.oid("totals")
    project.sql("create view $schema.on_totals as select customer_id, total from $schema.totals")
    project.sql("grant select on $schema.totals to public")
    project.model("totals", TOTALS.replace("group by", "where amount > 10 group by"))
    assert project.dbt("run")["totals"].startswith("altered query")
    assert project.oid("totals") == oid
    assert project.value("select sum(total) from $schema.on_totals") == project.value(
        "select sum(amount) from $schema.orders where amount > 10"
    )
    assert project.value("select has_table_privilege('public', '$schema.totals', 'select')")


def test_a_column_added_to_the_query_appears_without_full_refresh(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    project.model(
        "totals",
        TOTALS.replace("sum(amount) as total", "sum(amount) as total, max(amount) as largest"),
    )
    project.dbt("run")
    assert project.value("select max(largest) from $schema.totals") == project.value(
        "select max(amount) from $schema.orders"
    )


def test_a_reformatted_query_is_no_change(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    project.model(
        "totals", TOTALS.replace(", ", ",\n    ").replace("select", "SELECT") + " -- same"
    )
    assert project.dbt("run")["totals"].startswith("unchanged")


def test_changed_settings_are_applied_in_place_and_named(project: Project) -> None:
    project.model("totals", TOTALS, schedule="1m")
    project.dbt("run")
    oid = project.oid("totals")
    project.model("totals", TOTALS, schedule="5m", refresh_mode="FULL")
    message = project.dbt("run")["totals"]
    assert message.startswith("altered schedule 1m to 5m, refresh_mode DIFFERENTIAL to FULL")
    assert project.oid("totals") == oid
    assert _settings(project)[:2] == ("5m", "FULL")


def test_status_pauses_and_resumes_an_existing_table(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    project.model("totals", TOTALS, status="PAUSED")
    message = project.dbt("run")["totals"]
    assert message == "altered status ACTIVE to SUSPENDED, suspended: not refreshed"
    project.model("totals", TOTALS, status="ACTIVE")
    assert project.dbt("run")["totals"].startswith("altered status SUSPENDED to ACTIVE")
    assert _settings(project)[2] == "ACTIVE"


def test_on_configuration_change_decides_about_changed_settings(project: Project) -> None:
    project.model("totals", TOTALS, schedule="1m")
    project.dbt("run")
    project.model("totals", TOTALS, schedule="5m", on_configuration_change="continue")
    assert project.dbt("run")["totals"].startswith("unchanged")
    assert _settings(project)[0] == "1m"
    project.model("totals", TOTALS, schedule="5m", on_configuration_change="fail")
    project.dbt("run", fails=True)
    assert _settings(project)[0] == "1m"


def test_full_refresh_builds_anew_for_those_who_stand_on_it(project: Project) -> None:
    project.model("totals", TOTALS)
    project.model("above", "select * from {{ ref('totals') }} where total > 0")
    project.model("seen", "select * from {{ ref('totals') }}", materialized="view")
    project.dbt("run")
    oid = project.oid("totals")
    project.sql("delete from $schema.orders where order_id = 1")
    messages = project.dbt("run", "--full-refresh")
    assert messages["totals"].startswith("rebuilt: --full-refresh")
    assert project.oid("totals") != oid
    assert _totals(project) == _expected(project)
    project.sql("insert into $schema.orders values (100, 1, 7)")
    project.dbt("run")
    assert _totals(project) == _expected(project)
    assert project.sql("select * from $schema.above except select * from $schema.totals") == []
    assert project.value("select count(*) from pgtrickle.pgt_stream_tables") == 2
    assert (
        project.value("select count(*) from pgtrickle.pgt_stream_tables where pgt_name ~ 'dbt_tmp'")
        == 0
    )


def test_the_old_table_serves_while_a_full_refresh_runs(project: Project) -> None:
    waiting = TOTALS.replace("group by", "cross join pg_advisory_xact_lock_shared(42) group by")
    project.model("totals", waiting, refresh_mode="FULL")
    project.dbt("run")
    seen = []

    def read_while_it_is_built(holder: psycopg.Connection[Any]) -> None:
        blocked = "select from pg_locks where locktype = 'advisory' and objid = 42 and not granted"
        for _ in range(1000):
            if holder.execute(blocked).fetchall():  # type: ignore[arg-type]
                break
            time.sleep(0.05)
        holder.execute("set lock_timeout = '1s'")
        seen.append(holder.execute("select count(*) from analytics.totals").fetchone())
        holder.execute("select pg_advisory_unlock(42)")

    with psycopg.connect(project.dsn, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(42)")
        reader = threading.Thread(target=read_while_it_is_built, args=[holder])
        reader.start()
        message = project.dbt("run", "--full-refresh")["totals"]
        reader.join()
    assert message.startswith("rebuilt")
    assert seen == [(3,)]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kind", ["table", "view", "materialized_view", "incremental"])
def test_another_relation_of_that_name_gives_way_and_comes_back(
    project: Project, kind: str, setup: str
) -> None:
    project.model("totals", TOTALS, materialized=kind)
    project.dbt("run")
    project.model("totals", TOTALS)
    message = project.dbt("run")["totals"]
    was = {"incremental": "table"}.get(kind, kind.replace("_", " "))
    assert message.startswith(f"created in place of a {was}")
    assert _totals(project) == _expected(project)
    project.model("totals", TOTALS, materialized=kind)
    if (kind, setup) == ("incremental", "package"):
        # dbt-postgres takes the stream table for a table it may add rows to.
        assert "stream table" in project.dbt("run", fails=True)["totals"]
        project.dbt("run", "--full-refresh")
    else:
        project.dbt("run")
    assert _totals(project) == _expected(project)
    project.model("other", NAMED)
    project.dbt("run")  # the engine cleans up after what dbt dropped
    assert project.sql("select pgt_name from pgtrickle.pgt_stream_tables") == [("other",)]
    assert (
        project.value(
            "select count(*) from pg_class c where relnamespace = '$schema'::regnamespace"
            " and relname ~ '__dbt_(tmp|backup)'"
        )
        == 0
    )


def test_hooks_run_in_and_out_of_the_transaction(project: Project) -> None:
    project.sql("create table $schema.log (line text, at_xid xid8 default pg_current_xact_id())")
    log = "insert into analytics.log (line) values ('{}')"
    project.write(
        "models/totals.sql",
        "{{ config(materialized='stream_table',"
        f' pre_hook=[before_begin("{log.format("before")}"), "{log.format("pre")}"],'
        f' post_hook=["{log.format("post")}", after_commit("{log.format("after")}")]) }}}}\n'
        + TOTALS,
    )
    for _ in range(2):
        project.sql("truncate $schema.log")
        project.dbt("run")
        lines = project.sql(
            "select line, at_xid::text from $schema.log order by at_xid::text::bigint"
        )
        assert [line for line, _ in lines] == ["before", "pre", "post", "after"]
        xids = [xid for _, xid in lines]
        assert xids[1] == xids[2]
        assert len(set(xids)) == 3


def test_a_failure_in_the_middle_leaves_the_old_table_serving(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    before, oid = _totals(project), project.oid("totals")
    # The query changes, and something after it fails.
    project.model(
        "totals", TOTALS.replace("sum(amount)", "sum(amount * 2)"), post_hook="select 1 / 0"
    )
    for arguments in (["run"], ["run", "--full-refresh"]):
        project.dbt(*arguments, fails=True)
        assert _totals(project) == before
        assert project.oid("totals") == oid
    project.model("totals", TOTALS)
    project.sql("delete from $schema.orders where order_id = 3")
    project.dbt("run")
    assert _totals(project) == _expected(project)


def test_a_table_in_the_way_survives_a_failing_switch(project: Project) -> None:
    project.model("totals", TOTALS, materialized="table")
    project.dbt("run")
    project.model("totals", TOTALS, post_hook="select 1 / 0")
    project.dbt("run", fails=True)
    assert _totals(project) == _expected(project)
    assert project.value("select count(*) from pgtrickle.pgt_stream_tables") == 0


def test_a_failing_refresh_fails_the_model_and_is_recorded(project: Project) -> None:
    orders = "from {{ source('shop', 'orders') }}"
    project.model("doubles", f"select order_id, amount * 2 as double {orders}")
    project.model("inverse", f"select order_id, 100 / amount as inverse {orders}")
    project.dbt("run")
    project.sql("update $schema.orders set amount = 0 where order_id = 4")
    messages = project.dbt("run", fails=True)
    assert "division by zero" in messages["inverse"]
    assert messages["doubles"].startswith("unchanged, refreshed")
    assert project.sql(
        "select h.status from pgtrickle.pgt_refresh_history h join pgtrickle.pgt_stream_tables s"
        " using (pgt_id) where s.pgt_name = 'inverse' order by refresh_id desc limit 1"
    ) == [("FAILED",)]


def test_a_failed_refresh_heals_when_it_is_retried(project: Project) -> None:
    project.model("inverse", "select 100 / amount as inverse from {{ source('shop', 'orders') }}")
    project.dbt("run")
    project.sql("update $schema.orders set amount = 0 where order_id = 4")
    project.dbt("run", fails=True, artifacts=True)
    project.sql("update $schema.orders set amount = 1 where order_id = 4")
    project.dbt("retry", artifacts=True)
    assert project.value("select max(inverse) from $schema.inverse") == 100


def test_empty_never_defines_a_table_by_what_it_held_back(project: Project) -> None:
    project.model(
        "recent", "select * from {{ source('shop', 'orders') }}", materialized="ephemeral"
    )
    project.model("totals", TOTALS.replace("source('shop', 'orders')", "ref('recent')"))
    assert project.dbt("run", "--empty")["totals"].startswith("created")
    assert _totals(project) == []
    assert "subq" not in project.value("select defining_query from pgtrickle.pgt_stream_tables")
    project.dbt("run")
    assert _totals(project) == _expected(project)
    assert project.dbt("run", "--empty")["totals"].startswith("kept")
    assert _totals(project) == _expected(project)


def test_sample_never_defines_a_table_by_what_it_held_back(project: Project) -> None:
    project.write(
        "models/recent.sql",
        "{{ config(materialized='view', event_time='at') }}\n"
        "select *, now() - order_id * interval '1 hour' as at from {{ source('shop', 'orders') }}",
    )
    project.model(
        "totals", TOTALS.replace("source('shop', 'orders')", "ref('recent')"), refresh_mode="AUTO"
    )
    project.dbt("run", "--sample", "3 hours")
    assert _totals(project) == _expected(project)
    assert "interval" not in project.value("select original_query from pgtrickle.pgt_stream_tables")


def test_durations_cron_expressions_and_null_are_schedules(project: Project) -> None:
    schedules = ["30s", "1h30m", "*/5 * * * *", "@hourly", None]
    for number, schedule in enumerate(schedules):
        project.model(f"s{number}", TOTALS, schedule=schedule)
    project.dbt("run")
    assert project.sql("select schedule from pgtrickle.pgt_stream_tables order by pgt_name") == [
        (schedule,) for schedule in schedules
    ]


def test_a_warning_where_nothing_runs_the_schedules(project: Project) -> None:
    project.model("totals", TOTALS)
    project.model("named", NAMED)
    project.model("at_once", NAMED, meta={"refresh_mode": "immediate"})
    project.dbt("run")
    warnings = [line for line in project.messages if "nothing refreshes by schedule" in line]
    assert len(warnings) == 1
    assert "2 stream tables have schedules" in warnings[0]
    with psycopg.connect(project.dsn, application_name="pgtrickle worker") as worker:
        worker.execute("select pg_advisory_lock(1885829237, 1)")  # as a worker that serves does
        project.dbt("run")
    assert not any("nothing refreshes by schedule" in line for line in project.messages)


def test_a_stream_table_may_have_name_and_schema_of_its_own(project: Project, setup: str) -> None:
    if setup == "package":
        project.model("totals", TOTALS, stream_table_name="sums")
        assert (
            "search_order: [shop, dbt_pgtrickle, dbt]" in project.dbt("run", fails=True)["totals"]
        )
        settings = yaml.safe_load((project.directory / "dbt_project.yml").read_text())
        order = ["shop", "dbt_pgtrickle", "dbt"]
        settings["dispatch"] = [{"macro_namespace": "dbt", "search_order": order}]
        project.write("dbt_project.yml", yaml.safe_dump(settings))
    project.model("totals", TOTALS, stream_table_name="Sums", meta={"stream_table_schema": "marts"})
    project.model("above", "select * from {{ ref('totals') }}", schema="elsewhere")
    project.dbt("run")
    assert project.value('select count(*) from marts."Sums"') == 3
    assert project.value("select count(*) from analytics_elsewhere.above") == 3
    project.dbt("run-operation", "pgtrickle_refresh", "--args", "{model_name: totals}")
    assert project.dbt("run")["totals"].startswith("unchanged")


def test_a_macro_of_one_s_own_for_names_decides_and_is_named_where_it_differs(
    project: Project, setup: str
) -> None:
    project.write(
        "macros/names.sql",
        "{% macro generate_alias_name(custom_alias_name, node) %}x_{{ node.name }}{% endmacro %}",
    )
    project.model("totals", TOTALS, stream_table_name="sums")
    said = project.dbt("run", fails=True)["totals"]
    assert 'sets stream_table_name to "sums", and dbt has named it x_totals.' in said
    assert "Where the project has a macro generate_alias_name of its own, that one decides" in said
    assert ("dispatch" in said) is (setup == "package")
    project.model("totals", TOTALS)
    project.dbt("run")
    assert project.oid("x_totals")


def test_contract_grants_comments_and_indexes_are_honoured(project: Project) -> None:
    role = "reader_" + project.value("select substr(md5(random()::text), 1, 8)")
    project.sql(f"create role {role}")
    may_read = f"select has_table_privilege('{role}', '$schema.totals', 'select')"
    try:
        project.model(
            "totals",
            TOTALS,
            grants={"select": [role]},
            persist_docs={"relation": True, "columns": True},
            indexes=[{"columns": ["total"]}, {"columns": ["customer_id"], "unique": True}],
        )
        properties = (
            "models:\n  - name: totals\n    description: What each bought\n"
            "    config: {contract: {enforced: true}}\n    columns:\n"
            "      - {name: customer_id, data_type: integer, description: Who}\n"
            "      - {name: orders, data_type: bigint}\n      - {name: total, data_type: numeric}\n"
        )
        project.write("models/totals.yml", properties)
        for _ in range(2):
            project.dbt("run")
            assert project.value(may_read)
            assert (
                project.value("select obj_description('$schema.totals'::regclass)")
                == "What each bought"
            )
            assert project.value("select col_description('$schema.totals'::regclass, 1)") == "Who"
            assert _dbt_indexes(project) == 2
        project.dbt("run", "--full-refresh")
        assert project.value(may_read)
        assert _dbt_indexes(project) == 2
        project.write("models/totals.yml", properties.replace("bigint", "text"))
        assert "contract" in project.dbt("run", fails=True)["totals"]
    finally:
        project.sql("drop owned by " + role + "; drop role " + role)


def _dbt_indexes(project: Project) -> object:
    return project.value(
        "select count(*) from pg_indexes where schemaname = '$schema' and tablename = 'totals'"
        " and indexname ~ '^[0-9a-f]{32}$'"
    )


def test_stream_tables_stand_on_stream_tables_and_others_stand_on_them(project: Project) -> None:
    project.model("named", NAMED)
    project.model(
        "by_name", "select name, sum(amount) as total from {{ ref('named') }} group by name"
    )
    project.model("top", "select * from {{ ref('by_name') }} where total > 10", materialized="view")
    project.write(
        "models/tests.yml",
        "models:\n  - name: by_name\n    columns:\n"
        "      - {name: name, data_tests: [unique, not_null]}\n",
    )
    project.dbt("build")
    project.sql("insert into $schema.orders values (50, 2, 99)")
    project.dbt("build")
    assert project.value("select total from $schema.top where name = 'Grace'") == project.value(
        "select sum(amount) from $schema.orders where customer_id = 2"
    )


def test_names_with_capitals_spaces_dots_and_quotes_work(project: Project) -> None:
    project.model("odd", TOTALS, alias="Mixed Case.Name's")
    for arguments in (["run"], ["run"], ["run", "--full-refresh"]):
        project.dbt(*arguments)
    assert project.value('select count(*) from $schema."Mixed Case.Name\'s"') == 3


def test_an_upstream_table_rebuilt_in_the_same_run_is_followed(project: Project) -> None:
    project.model("base", "select * from {{ source('shop', 'orders') }}", materialized="table")
    project.model("totals", TOTALS.replace("source('shop', 'orders')", "ref('base')"))
    project.dbt("run")
    for _ in range(2):
        project.sql("delete from $schema.orders where order_id in (1 + random() * 5, 9, 12)")
        project.dbt("run")
        assert _totals(project) == _expected(project)


def test_an_immediate_table_follows_an_upstream_table_rebuilt_in_the_same_run(
    project: Project,
) -> None:
    project.model("base", "select * from {{ source('shop', 'orders') }}", materialized="table")
    query = TOTALS.replace("source('shop', 'orders')", "ref('base')")
    project.model("totals", query, refresh_mode="IMMEDIATE")
    project.dbt("run")
    project.sql("delete from $schema.orders where order_id < 7")
    project.dbt("run")
    assert _totals(project) == _expected(project)
    for table in ("orders", "base"):
        project.sql(f"insert into $schema.{table} values (100, 1, 7)")
    assert _totals(project) == _expected(project)


@pytest.mark.parametrize("before", [None, "view", "table"])
def test_dbt_s_cache_knows_what_was_made(project: Project, setup: str, before: str | None) -> None:
    project.model(
        "told",
        "select '{{ load_cached_relation(ref(\"totals\")).type if execute }}' as kind"
        " -- depends_on: {{ ref('totals') }}",
        materialized="view",
    )
    if before:
        project.model("totals", TOTALS, materialized=before)
        project.dbt("run")
    project.model("totals", TOTALS)
    project.dbt("run")
    kind = "table" if setup == "package" else "stream_table"
    assert project.value("select kind from $schema.told") == kind


def test_docs_generate_knows_the_stream_table(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    project.dbt("docs", "generate", artifacts=True)
    catalog = json.loads((project.directory / "target" / "catalog.json").read_text())
    node = catalog["nodes"]["model.shop.totals"]
    assert list(node["columns"]) == ["customer_id", "orders", "total"]
    assert node["metadata"]["type"] in ("STREAM TABLE", "BASE TABLE")


def test_a_query_that_reads_no_table_is_a_stream_table_too(project: Project) -> None:
    project.model("one", "select 1 as one")
    for started in ("created", "unchanged"):
        assert project.dbt("run")["one"].startswith(started)
    assert project.sql("select * from $schema.one") == [(1,)]


def test_direct_writes_are_refused(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    with pytest.raises(psycopg.Error, match="stream table"):
        project.sql("delete from $schema.totals")
