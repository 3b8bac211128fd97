"""Reruns where nothing has changed: what they ask, and what models that share a session see."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.dbt.project import Project

ALL = "select order_id, amount from {{ source('shop', 'orders') }}"


def _statements(project: Project) -> dict[str, int]:
    """How many statements dbt sends for each model in a run, the commit included."""
    log = project.directory / "logs" / "dbt.log"
    log.unlink(missing_ok=True)
    project.dbt("run", "--threads", "1")
    sent = re.findall(r'Using \w+ connection "model\.shop\.(\w+)"', log.read_text())
    return {name: sent.count(name) for name in sent}


def test_an_unchanged_model_is_looked_at_once_and_refreshed_in_one_call(
    project: Project, setup: str
) -> None:
    for name in ("first", "second", "third"):
        project.model(name, ALL)
    project.dbt("run")
    # One of them tells that nothing refreshes by schedule; the adapter's first asks for the engine.
    [few, *_] = sorted(_statements(project).values())
    assert few == {"package": 4}.get(setup, 3)


def test_a_rerun_takes_over_what_a_star_means_now(project: Project) -> None:
    project.model("totals", "select * from {{ source('shop', 'orders') }}")
    project.dbt("run")
    project.sql("alter table $schema.orders add column note text default 'none'")
    assert project.dbt("run")["totals"].startswith("altered query")
    assert project.value("select count(note) from $schema.totals") == 30
    assert project.dbt("run")["totals"].startswith("unchanged, already current")


def test_a_model_sees_nothing_of_the_session_of_another(project: Project, setup: str) -> None:
    name = project.value("select current_database()")
    project.sql(f'alter database "{name}" set datestyle to German')
    project.sql("create table $schema.seen (name text, value text)")
    watch = (
        "insert into analytics.seen values"
        " ('{{ this.name }} pid', pg_backend_pid()),"
        " ('{{ this.name }} memory', current_setting('work_mem')),"
        " ('{{ this.name }} dates', current_setting('datestyle')),"
        " ('{{ this.name }} role', current_user),"
        " ('{{ this.name }} table', to_regclass('pg_temp.left_here')),"
        " ('{{ this.name }} locks', (select count(*) from pg_locks"
        " where pid = pg_backend_pid() and locktype = 'advisory' and objid = 7))"
    )
    leave = [
        {"sql": sql, "transaction": False}
        for sql in (
            "set work_mem to '3MB'",
            "create temp table left_here ()",
            "select pg_advisory_lock(7)",
            "set role pg_monitor",
        )
    ]
    project.model("one", ALL, pre_hook=watch, post_hook=leave)
    project.model("two", "select order_id from {{ ref('one') }}", pre_hook=watch)
    project.dbt("run")
    seen = dict(project.sql("select * from $schema.seen"))
    assert (seen.pop("one pid") == seen.pop("two pid")) is (setup != "package")
    assert [seen[f"two {what}"] for what in ("memory", "dates", "role", "table", "locks")] == [
        seen[f"one {what}"] for what in ("memory", "dates", "role", "table", "locks")
    ]


def test_a_session_that_ended_between_two_models_is_replaced(project: Project) -> None:
    name = project.value("select current_database()")
    project.sql(f'alter database "{name}" set idle_session_timeout to 300')
    project.model("one", ALL)
    project.model("slow", ALL, pre_hook="select pg_sleep(1)")
    both = "select o.order_id from {{ ref('one') }} o join {{ ref('slow') }} s using (order_id)"
    for name in ("three", "four"):
        project.model(name, both, pre_hook="select pg_sleep(0.2)")
    assert set(project.dbt("run", "--threads", "2")) == {"one", "slow", "three", "four"}


def test_what_a_model_began_and_did_not_end_is_undone(make_project: Callable[..., Project]) -> None:
    project = make_project("adapter", autocommit=True)
    project.sql("create schema analytics; create table analytics.orders (order_id int primary key)")
    fails = "{{ exceptions.raise_compiler_error('no') if execute and not flags.EMPTY }}"
    query = "select order_id from analytics.orders"
    project.model("one", query, post_hook=fails)
    project.model("two", query)
    messages = project.dbt("run", "--threads", "1", fails=True)
    assert messages["two"].startswith("created")
    assert project.sql("select pgt_name from pgtrickle.pgt_stream_tables") == [("two",)]
