"""Every earlier runtime that has a fixture is upgraded with its stream tables whole."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.conftest import FreshDatabase
from tests.install.earlier.world import CHANGES, SOURCES, STREAM_TABLES
from tests.install.shape import shape
from tests.reliability.soundness import assert_heals

import pgtrickle
from pgtrickle.engine import Engine
from pgtrickle.worker import work

pytestmark = pytest.mark.every_server

FIXTURES = sorted((Path(__file__).parent / "earlier").glob("*.json.gz"))
Connection = psycopg.Connection[Any]


@pytest.fixture(params=FIXTURES, ids=lambda path: path.name.split(".")[0])
def earlier(request: pytest.FixtureRequest, connection: Connection) -> Connection:
    """A database as that runtime left it: stream tables of every kind, changes not consumed yet."""
    fixture = json.loads(gzip.decompress(request.param.read_bytes()))
    with connection.transaction():
        connection.execute("set local search_path = pg_catalog, pg_temp")
        for script in fixture["sql"]:
            connection.execute(script)
        connection.execute(
            "insert into pgtrickle.pgt_schema_version (version, migration, fingerprint)"
            " values (%s, %s, 'earlier')",
            [fixture["version"], fixture["migration"]],
        )
    connection.execute(SOURCES)  # type: ignore[arg-type]
    for name, (query, mode) in STREAM_TABLES.items():
        with connection.transaction():
            if query in fixture["plans"]:
                connection.execute(
                    "select pgtrickle.offer_plan(%s, %s)",
                    [query, json.dumps(_here(connection, fixture["plans"][query]))],
                )
            connection.execute(
                "select pgtrickle.create_stream_table(%s, %s, refresh_mode => %s)",
                [name, query, mode],
            )
    connection.execute(CHANGES)  # type: ignore[arg-type]
    connection.execute("select pgtrickle.refresh_stream_table('totals')")
    connection.execute(CHANGES.replace("2000, 2100", "3000, 3100").replace("41, 55", "61, 65"))
    return connection


def _here(connection: Connection, plan: dict[str, Any]) -> dict[str, Any]:
    """The plan, its sources named by their OIDs in this database."""
    for each in (*plan["sources"], *plan.get("advice", [])):
        ((each["relid"],),) = connection.execute(
            "select %s::regclass::oid::bigint", [each["relid"]]
        ).fetchall()
    plan["sources"].sort(key=lambda source: source["relid"])
    return plan


@pytest.fixture
def compiled(earlier: Connection) -> set[str]:
    """Tables that were maintained differentially before the upgrade.

    The plans are of one server's spelling of the queries; others spell some of them otherwise.
    """
    rows = earlier.execute(
        "select s.pgt_name from pgtrickle.pgt_stream_tables s"
        " join pgtrickle.pgt_plans p using (pgt_id)"
        " where p.plan_status = 'COMPILED' and s.refresh_mode = 'DIFFERENTIAL'"
    )
    return {name for (name,) in rows}


@pytest.fixture
def upgraded(earlier: Connection) -> Iterator[Engine]:
    with pgtrickle.connect(earlier.info.dsn) as engine:
        assert engine.install().action == "upgraded"
        yield engine


def test_stream_tables_go_on_where_they_stood(compiled: set[str], upgraded: Engine) -> None:
    done = {refresh.name.split(".")[-1]: refresh.action for refresh in upgraded.refresh_all()}
    assert "totals" in compiled
    assert {name: done[name] for name in compiled} == dict.fromkeys(compiled, "DIFFERENTIAL")
    assert_heals(upgraded)
    upgraded.connection.execute("delete from entry where id % 5 = 0")
    assert upgraded.verify("live").equal
    assert_heals(upgraded)


def test_sources_have_the_trigger_functions_of_today(upgraded: Engine) -> None:
    found = upgraded.connection.execute(
        "select p.proname, position(quote_literal(p.prosrc) in m.made) > 0"
        " from pgtrickle.pgt_captures c"
        " cross join lateral (values"
        " ('capture_', pgtrickle._capture_function(c.source_relid, c.columns)),"
        " ('maintain_', pgtrickle._maintenance_function(c.source_relid))) m (kind, made)"
        " join pg_proc p on p.proname = m.kind || c.source_relid"
    ).fetchall()
    assert {name.split("_")[0] for name, _ in found} == {"capture", "maintain"}
    assert all(is_of_today for _, is_of_today in found)


def test_they_can_be_altered_repaired_and_dropped(upgraded: Engine) -> None:
    upgraded.alter_stream_table(
        "kinds", query="select kind, count(*) as n from entry group by kind", schedule="5m"
    )
    upgraded.alter_stream_table("live", refresh_mode="AUTO")
    upgraded.session.rows("select pgtrickle.repair_stream_table('ranked')")
    upgraded.drop_stream_table("totals", cascade=True)
    assert_heals(upgraded)


def test_the_runtime_is_as_a_fresh_one(
    earlier: Connection, upgraded: Engine, fresh_database: FreshDatabase, server_version: str
) -> None:
    for name in STREAM_TABLES:
        upgraded.session.rows(
            "select pgtrickle.drop_stream_table(%s, true)"
            " where to_regclass(%s) is not null".replace("%s", f"'{name}'")
        )
    work.tidy(upgraded)
    with (
        fresh_database(server_version) as dsn,
        pgtrickle.connect(dsn) as engine,
    ):
        engine.install()
        assert shape(earlier) == shape(engine.connection)
