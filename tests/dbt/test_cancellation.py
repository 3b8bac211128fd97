"""Ctrl-C during `dbt run`: the statement ends on the server, and nothing is left half made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from tests.dbt.project import Project
from tests.dbt.test_stream_table import TOTALS

# A query that waits for whoever holds the lock, as one that takes hours would.
WAITING = TOTALS.replace("group by", "cross join pg_advisory_xact_lock_shared(42) group by")
BLOCKED = "select pid from pg_locks where locktype = 'advisory' and objid = 42 and not granted"


def _interrupt_a_run(project: Project, *arguments: str) -> str:
    """What `dbt run` prints when its user presses Ctrl-C while the query runs."""
    with psycopg.connect(project.dsn, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(42)")
        run = subprocess.Popen(
            [Path(sys.executable).with_name("dbt"), "run", *arguments],
            cwd=project.directory,
            env={**os.environ, "DBT_PROFILES_DIR": str(project.directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A run in the background ignores the signal, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        while not (blocked := holder.execute(BLOCKED).fetchall()):
            assert run.poll() is None, run.communicate()[0]
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all it started
        printed, _ = run.communicate(timeout=120)
        # The lock is still held: what waited for it was cancelled, not served.
        assert holder.execute(BLOCKED).fetchall() == []
        [(pid,)] = blocked
        assert not holder.execute("select from pg_stat_activity where pid = %s", [pid]).fetchall()
    assert run.returncode != 0
    assert "CANCEL" in printed.upper() or "KeyboardInterrupt" in printed
    return printed


def _left_behind(project: Project) -> list[tuple[object, ...]]:
    """Tables, captures and state, besides the two sources."""
    return project.sql(
        "select relname::text from pg_class c where relkind in ('r', 'v', 'm')"
        " and (relnamespace = '$schema'::regnamespace or relnamespace::regnamespace::text in"
        " ('pgtrickle_state', 'pgtrickle_changes')) and relname not in ('orders', 'customers')"
        " union all select tgname from pg_trigger where tgrelid = '$schema.orders'::regclass"
        " and tgname ~ 'pgtrickle'"
    )


# Before the hook the adapter has begun to capture, and committed that.
HOOK = {"pre_hook": "select pg_advisory_xact_lock_shared(42)"}


@pytest.mark.parametrize(
    ("query", "config"),
    [(TOTALS, HOOK), pytest.param(WAITING, {"refresh_mode": "AUTO"}, marks=pytest.mark.slow)],
    ids=["in a hook", "in the query"],
)
def test_a_cancelled_creation_leaves_nothing(
    project: Project, query: str, config: dict[str, str]
) -> None:
    before = _left_behind(project)
    project.model("totals", query, **config)
    _interrupt_a_run(project)
    assert _left_behind(project) == before
    assert project.value("select count(*) from pgtrickle.pgt_stream_tables") == 0
    assert project.dbt("run")["totals"].startswith("created")


@pytest.mark.slow
def test_a_cancelled_change_leaves_the_table_as_it_was(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    rows = "select * from $schema.totals order by 1"
    before, made, oid = project.sql(rows), _left_behind(project), project.oid("totals")
    project.model("totals", WAITING, refresh_mode="AUTO", indexes=[{"columns": ["total"]}])
    _interrupt_a_run(project)
    assert (project.sql(rows), project.oid("totals")) == (before, oid)
    assert _left_behind(project) == made
    project.model("totals", TOTALS)
    assert project.dbt("run")["totals"].startswith("unchanged")


@pytest.mark.slow
def test_a_cancelled_full_refresh_leaves_the_table_as_it_was(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    rows = "select * from $schema.totals order by 1"
    before, made, oid = project.sql(rows), _left_behind(project), project.oid("totals")
    project.model("totals", WAITING, refresh_mode="AUTO")
    _interrupt_a_run(project, "--full-refresh")
    assert (project.sql(rows), project.oid("totals")) == (before, oid)
    assert _left_behind(project) == made
