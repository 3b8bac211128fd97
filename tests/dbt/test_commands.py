"""dbt's commands and features around stream tables, in each of the three set-ups."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import yaml
from tests.dbt.project import Project
from tests.dbt.test_stream_table import NAMED, TOTALS

ABOVE = "select customer_id, total from {{ ref('totals') }} where total > 10"


def _kinds(project: Project, schema: str) -> dict[str, str]:
    """Relations of a schema, and what each is."""
    return dict(
        project.sql(
            "select relname::text, case when s.pgt_id is not null then 'stream table'"
            " when relkind = 'v' then 'view' else 'table' end"
            " from pg_class c left join pgtrickle.pgt_stream_tables s on s.pgt_relid = c.oid"
            f" where relnamespace = to_regnamespace('{schema}') and relkind in ('r', 'v')"
        )
    )


def _with_second_target(project: Project) -> None:
    """A target `ci`, in a schema of its own."""
    ci = {**project.output, "schema": "ci"}
    outputs = {"test": project.output, "ci": ci}
    project.write("profiles.yml", yaml.safe_dump({"shop": {"target": "test", "outputs": outputs}}))


def _save_state(project: Project) -> None:
    project.dbt("compile", artifacts=True)
    (project.directory / "state").mkdir()
    shutil.copy(project.directory / "target" / "manifest.json", project.directory / "state")


def test_a_clone_is_a_view_until_it_is_run(project: Project) -> None:
    project.model("totals", TOTALS)
    project.model("above", ABOVE)
    project.dbt("run")
    _with_second_target(project)
    _save_state(project)
    project.dbt("clone", "--state", "state", "--target", "ci")
    assert _kinds(project, "ci") == {"totals": "view", "above": "view"}
    project.dbt("run", "--target", "ci")
    assert _kinds(project, "ci") == {"totals": "stream table", "above": "stream table"}
    assert project.sql("select * from ci.totals except select * from analytics.totals") == []
    project.sql("insert into analytics.orders values (100, 1, 7)")
    project.dbt("run", "--target", "ci")
    assert project.value("select sum(orders) from ci.totals") == 31


@pytest.mark.slow
def test_deferred_to_another_environment_it_reads_that_one_s_tables(project: Project) -> None:
    project.model("totals", TOTALS)
    project.model("above", ABOVE)
    project.dbt("run")
    _with_second_target(project)
    _save_state(project)
    deferred = ("--defer", "--state", "state", "--target", "ci")
    project.dbt("run", "--select", "above", *deferred)
    assert _kinds(project, "ci") == {"above": "stream table"}
    project.sql("insert into analytics.orders values (100, 1, 7)")
    project.dbt("run", "--select", "totals")
    project.dbt("run", "--select", "above", *deferred)
    assert project.sql("select total from ci.above where customer_id = 1") == project.sql(
        "select total from analytics.totals where customer_id = 1"
    )


def test_microbatch_models_stand_beside_and_above(project: Project) -> None:
    project.write(
        "models/hourly.yml",
        "models:\n  - name: hourly\n    config: {event_time: at}\n",
    )
    project.model(
        "hourly",
        "select order_id, amount, timestamptz '2026-01-01' + order_id * interval '1 hour' as at"
        " from {{ source('shop', 'orders') }}",
    )
    project.model(
        "batches",
        "select order_id, at from {{ ref('hourly') }}",
        materialized="incremental",
        incremental_strategy="microbatch",
        unique_key="order_id",
        event_time="at",
        batch_size="day",
        begin="2026-01-01",
    )
    span = ("--event-time-start", "2026-01-01", "--event-time-end", "2026-01-03")
    project.dbt("run", *span)
    assert project.value("select count(*) from $schema.batches") == 30
    project.sql("delete from $schema.orders where order_id > 25")
    project.dbt("run", *span)
    assert project.value("select count(*) from $schema.hourly") == 25
    assert _kinds(project, "analytics")["hourly"] == "stream table"


def test_versions_groups_and_exposures_know_stream_tables(project: Project) -> None:
    project.model("totals_v1", TOTALS)
    project.model("totals_v2", TOTALS.replace("count(*) as orders, ", ""))
    project.model("old", "select sum(orders) as orders from {{ ref('totals', v=1) }}")
    project.model("new", "select sum(total) as total from {{ ref('totals') }}", group="sales")
    properties: dict[str, Any] = {
        "groups": [{"name": "sales", "owner": {"name": "Ada"}}],
        "models": [
            {
                "name": "totals",
                "latest_version": 2,
                "config": {"group": "sales", "access": "protected"},
                "versions": [{"v": 1}, {"v": 2}],
            }
        ],
        "exposures": [
            {
                "name": "board",
                "type": "dashboard",
                "owner": {"name": "Grace", "email": "grace@example.org"},
                "depends_on": ["ref('new')"],
            }
        ],
    }
    project.write("models/models.yml", yaml.safe_dump(properties))
    project.dbt("run", "--select", "+exposure:board")
    tables = {"totals_v2", "new"}
    sources = {"orders": "table", "customers": "table"}
    assert _kinds(project, "analytics") == sources | dict.fromkeys(tables, "stream table")
    project.dbt("run")
    tables |= {"totals_v1", "old"}
    assert _kinds(project, "analytics") == sources | dict.fromkeys(tables, "stream table")
    assert project.value("select total from $schema.new") == project.value(
        "select sum(amount) from $schema.orders"
    )
    properties["models"][0]["config"]["access"] = "private"
    project.write("models/models.yml", yaml.safe_dump(properties))
    project.dbt("parse", fails=True)  # `old` is not of the group


@pytest.mark.slow
def test_sixteen_threads_build_change_and_rebuild_without_getting_in_each_other_s_way(
    project: Project,
) -> None:
    names = [f"m{number:02}" for number in range(16)]
    for name in names:
        project.model(name, TOTALS.replace("count(*)", f"count(*) + {int(name[1:])}"))
        project.model(f"{name}_above", ABOVE.replace("totals", name), schedule="5m")
    project.model("named", NAMED)
    threads = ("--threads", "16")
    assert len(project.dbt("run", *threads)) == 33
    project.sql("update $schema.orders set amount = amount + 100 where order_id % 3 = 0")
    assert {m.split(",")[0] for m in project.dbt("run", *threads).values()} == {"unchanged"}
    for name in names:
        project.model(name, TOTALS.replace("count(*)", f"count(*) * {2 + int(name[1:])}"))
    changed = project.dbt("run", *threads)
    assert all(changed[name].startswith("altered query") for name in names)
    rebuilt = project.dbt("run", *threads, "--full-refresh")
    assert {message.split(":")[0] for message in rebuilt.values()} == {"rebuilt"}
    for name in [*names, *(f"{name}_above" for name in names)]:
        assert project.sql(f"select * from pgtrickle.verify_stream_table('$schema.{name}')") == []


def test_a_contract_is_enforced_on_every_run(project: Project) -> None:
    project.model("totals", TOTALS)
    columns = [
        {"name": "customer_id", "data_type": "integer"},
        {"name": "orders", "data_type": "bigint"},
        {"name": "total", "data_type": "numeric"},
    ]
    model = {"name": "totals", "config": {"contract": {"enforced": True}}, "columns": columns}
    project.write("models/totals.yml", yaml.safe_dump({"models": [model]}))
    project.dbt("run")
    before = project.sql("select * from $schema.totals order by 1")
    project.model("totals", TOTALS.replace("count(*)", "count(*)::int"))
    message = project.dbt("run", fails=True)["totals"]
    assert "contract" in message
    assert "orders" in message
    assert project.sql("select * from $schema.totals order by 1") == before
