"""Rows that enter and leave with time, though no data changes.

Rows are written around now(), and refreshes follow each other in real time; each is compared with
the query in its own transaction, and so at its own moment.
"""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest

from pgtrickle.engine import Engine, Refresh

pytestmark = pytest.mark.every_server

SCHEMA = """
    set timezone = 'Europe/Berlin';
    create table e (
        id integer primary key, ts timestamptz, d date, t timestamp, k integer, ttl interval
    );
    insert into e
        select i, now() + (i - 20) * interval '60 ms', current_date + i % 3 - 1,
            localtimestamp + (i - 20) * interval '60 ms', nullif(i % 5, 4), i * interval '60 ms'
        from generate_series(1, 60) i;
    insert into e values (61, null, null, null, 1, null);
    insert into e values (62, 'infinity', 'infinity', '-infinity', 2, '1 hour');
    create table c (k integer primary key, name text);
    insert into c select i, 'n' || i from generate_series(0, 3) i;
"""

QUERIES = dict(
    section.rstrip().removesuffix(";").split("\n", 1)
    for section in (Path(__file__).parent / "time.sql").read_text("utf-8").split("-- query ")[1:]
)


CHANGES = (
    "",
    "update e set ts = ts - interval '200 ms' where id % 7 = 0",
    "",
    "delete from e where id % 9 = 0; insert into c values (4, 'n4')",
    (
        "insert into e select i, now() + (i - 90) * interval '50 ms', current_date, localtimestamp,"
        " i % 5, '1 s' from generate_series(80, 100) i; delete from c where k = 1"
    ),
    "update e set k = 2 where k = 3",
    "",
)


def refresh_and_compare(engine: Engine, table: str) -> Refresh:
    """In one transaction, so at one moment."""
    with engine.connection.transaction():
        done = engine.refresh(table)
        verdict = engine.verify(table)
    assert verdict.equal, (table, done, verdict.differences)
    return done


def wait_until(engine: Engine, moment: str) -> None:
    while not value(engine, f"select clock_timestamp() > {moment}"):
        time.sleep(0.02)


def value(engine: Engine, sql: str) -> object:
    ((found,),) = engine.connection.execute(sql)
    return found


def test_rows_move_with_time(engine: Engine) -> None:
    engine.connection.execute(SCHEMA)
    for name, query in QUERIES.items():
        engine.create_stream_table(f'"{name}"', query, refresh_mode="DIFFERENTIAL")
    for change in CHANGES:
        if change:
            engine.connection.execute(change)
        for name in QUERIES:
            assert refresh_and_compare(engine, f'"{name}"').action == "DIFFERENTIAL"


def test_a_row_enters_and_leaves_though_nobody_writes(engine: Engine) -> None:
    engine.connection.execute(
        "create table e (id integer primary key, ts timestamptz);"
        "insert into e values (1, clock_timestamp() + interval '200 ms')"
    )
    query = "select id from e where ts > now() - interval '200 ms' and ts <= now()"
    engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    engine.create_stream_table(
        "counted", "select count(*) as n from st", refresh_mode="DIFFERENTIAL"
    )
    before = engine.refresh("st")
    wait_until(engine, "(select ts from e) + interval '210 ms'")
    after = refresh_and_compare(engine, "st")
    assert after.action == "DIFFERENTIAL"
    assert (before.rows_inserted or 0) >= (after.rows_deleted or 0)
    engine.connection.execute("update e set ts = now()")
    entered = refresh_and_compare(engine, "st")
    assert (entered.action, entered.rows_inserted) == ("DIFFERENTIAL", 1)
    assert refresh_and_compare(engine, "counted").action == "DIFFERENTIAL"
    wait_until(engine, "(select ts from e) + interval '210 ms'")
    left = refresh_and_compare(engine, "st")
    assert (left.action, left.rows_deleted) == ("DIFFERENTIAL", 1)
    assert refresh_and_compare(engine, "counted").rows_inserted == 1


def test_the_clock_may_go_back(engine: Engine, other: psycopg.Connection) -> None:
    """A transaction that began before the last refresh has an earlier now()."""
    engine.connection.execute(SCHEMA)
    engine.create_stream_table("st", "select id from e where ts < now()")
    other_engine = Engine(other)
    with other.transaction():
        other.execute("select now()")
        engine.connection.execute("insert into e (id, ts) values (70, clock_timestamp())")
        wait_until(engine, "(select ts from e where id = 70)")
        assert refresh_and_compare(engine, "st").action == "DIFFERENTIAL"
        assert value(engine, "select count(*) from st where id = 70") == 1
        assert refresh_and_compare(other_engine, "st").action == "DIFFERENTIAL"
        assert value(other_engine, "select count(*) from st where id = 70") == 0
    assert refresh_and_compare(engine, "st").action == "DIFFERENTIAL"


def test_the_moment_of_the_statement(engine: Engine) -> None:
    engine.connection.execute(
        "create table e (id integer primary key, ts timestamptz);"
        "insert into e values (1, clock_timestamp() + interval '200 ms')"
    )
    query = "select id from e where ts <= statement_timestamp()"
    engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    wait_until(engine, "(select ts from e)")
    assert engine.refresh("st").action == "DIFFERENTIAL"
    assert value(engine, "select count(*) from st") == 1


def test_an_index_finds_the_rows_that_move(engine: Engine) -> None:
    engine.connection.execute(
        "create table e (id integer primary key, ts timestamptz, k integer);"
        "insert into e select i, now() + i * interval '1 min', i % 100"
        " from generate_series(-10000, 10000) i;"
        "create index on e (ts); analyze e"
    )
    engine.create_stream_table(
        "st",
        "select k, count(*) n from e where ts > now() - interval '1 day' and ts < now() group by k",
        refresh_mode="DIFFERENTIAL",
    )
    plan = str(
        value(engine, "select value from pgtrickle.explain_st('st') where property = 'delta_query'")
    )
    assert "LEAST" in plan
    lines = engine.connection.execute(
        "select pgtrickle._explain_next(s, 'costs off') from pgtrickle.pgt_stream_tables s"
    ).fetchall()
    text = "\n".join(line for (line,) in lines)
    assert "e_ts_idx" in text
    assert "Seq Scan on e" not in text
    assert "range that passed" in "\n".join(engine.explain("st").tree)


def test_what_moves_with_time_is_not_immediate(engine: Engine) -> None:
    """Writers alone would bring it up to date."""
    query = "select id from orders where amount > extract(epoch from now()) - 1e9"
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="changes with time"):
        engine.create_stream_table("st", query, refresh_mode="IMMEDIATE")
    engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="changes with time"):
        engine.alter_stream_table("st", refresh_mode="IMMEDIATE")
    engine.connection.execute(
        f"select pgtrickle.create_stream_table('by_sql', '{query}', refresh_mode => 'IMMEDIATE')"
    )
    assert engine.compile_pending() == ["public.by_sql"]
    assert "changes with time" in str(
        value(
            engine,
            "select refresh_reason from pgtrickle.pgt_stream_tables where pgt_name = 'by_sql'",
        )
    )


def test_how_many_rows_are_taken_must_not_change_with_time(engine: Engine) -> None:
    query = "select id from orders order by id limit extract(hour from now())"
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="LIMIT"):
        engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
