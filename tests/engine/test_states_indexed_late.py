"""States that will hold many rows are filled before they are indexed."""

from __future__ import annotations

import psycopg
import pytest

from pgtrickle.engine import Engine

QUERY = (
    "select person, session, count(*) as n from (select person, at,"
    " sum(case when gap > 3 then 1 else 0 end) over (partition by person order by at) as session"
    " from (select person, at, at - lag(at) over (partition by person order by at) as gap"
    " from visits) v) s group by person, session"
)


@pytest.fixture
def visits(engine: Engine) -> Engine:
    engine.connection.execute(
        "create table visits (person integer, at integer, note text, primary key (person, at));"
        "insert into visits select i % 5000, i * 7919 % 300000, repeat('x', 30)"
        " from generate_series(1, 120000) i"
    )
    return engine


def indexes(engine: Engine) -> list[tuple[str, bool]]:
    """Of the states and the stream table: what is indexed, and whether uniquely."""
    return engine.connection.execute(
        "select regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING ', ''), i.indisunique"
        " from pg_index i join pg_class c on c.oid = i.indrelid"
        " where c.relnamespace = 'pgtrickle_state'::regnamespace or c.oid = 'sessions'::regclass"
        " order by c.relnamespace, c.relname, 1"
    ).fetchall()


def oids(engine: Engine) -> set[int]:
    rows = engine.connection.execute(
        "select i.indexrelid::bigint from pg_index i join pg_class c on c.oid = i.indrelid"
        " where c.relnamespace = 'pgtrickle_state'::regnamespace"
    )
    return {oid for (oid,) in rows}


def follows(engine: Engine) -> None:
    engine.connection.execute(
        "update visits set at = at + 1000000 where person = 17; delete from visits where person = 9"
    )
    assert engine.refresh("sessions").action == "DIFFERENTIAL"
    assert engine.verify("sessions").equal


def test_all_indexes_are_there_once_it_is_filled(visits: Engine) -> None:
    """As where tables are small, and all is indexed from the start."""
    visits.connection.execute("create table few (like visits including all)")
    visits.create_stream_table("sessions", QUERY.replace("visits", "few"))
    expected = indexes(visits)
    visits.connection.execute("select pgtrickle.drop_stream_table('sessions')")
    visits.create_stream_table("sessions", QUERY)
    assert indexes(visits) == expected
    assert visits.verify("sessions").equal
    follows(visits)


def test_they_are_made_again_where_states_are_filled_again(visits: Engine) -> None:
    visits.create_stream_table("sessions", QUERY)
    expected, former = indexes(visits), oids(visits)
    visits.connection.execute("truncate visits; insert into visits values (1, 2, '')")
    visits.refresh("sessions")
    visits.connection.execute(
        "insert into visits select i % 50000, i, repeat('y', 30)"
        " from generate_series(10, 150000) i;"
        "update pgtrickle.pgt_stream_tables set needs_reinit = true"
    )
    visits.refresh("sessions")
    assert indexes(visits) == expected
    assert not former & oids(visits)
    assert visits.verify("sessions").equal
    follows(visits)


@pytest.mark.parametrize("mode", ["FULL", "DIFFERENTIAL", "AUTO"])
@pytest.mark.parametrize("initialize", [True, False])
def test_the_identity_index_is_there_in_every_mode(
    mode: str, initialize: bool, visits: Engine
) -> None:
    query = "select person, at, note from visits"
    visits.create_stream_table("sessions", query, refresh_mode=mode, initialize=initialize)
    visits.refresh("sessions")
    assert indexes(visits) == [("btree (person, at) NULLS NOT DISTINCT", True)]
    assert visits.verify("sessions").equal


def test_a_reader_of_a_table_that_is_yet_to_be_filled_is_not_waited_for(visits: Engine) -> None:
    visits.create_stream_table("sessions", "select * from visits", initialize=False)
    visits.connection.execute("set lock_timeout = '2s'")
    with psycopg.connect(visits.connection.info.dsn) as reader:
        reader.execute("select count(*) from sessions")
        visits.refresh("sessions")
    assert visits.verify("sessions").equal


def test_what_hangs_on_the_identity_index_stays(visits: Engine) -> None:
    query = "select person, at, note from visits"
    with visits.connection.transaction():
        visits.create_stream_table("sessions", query, refresh_mode="FULL", initialize=False)
        visits.connection.execute(
            "create table child (person integer, at integer,"
            " foreign key (person, at) references sessions (person, at))"
        )
        visits.refresh("sessions")
    assert visits.verify("sessions").equal


def test_an_index_of_the_users_on_a_state_stays(visits: Engine) -> None:
    visits.create_stream_table("sessions", QUERY)
    ((state,), *_) = visits.connection.execute(
        "select oid::regclass::text from pg_class"
        " where relnamespace = 'pgtrickle_state'::regnamespace and relkind = 'r' order by oid"
    ).fetchall()
    visits.connection.execute(f"create index mine on {state} ((1))")
    expected = indexes(visits)
    visits.connection.execute("update pgtrickle.pgt_stream_tables set needs_reinit = true")
    visits.refresh("sessions")
    assert indexes(visits) == expected


def test_they_stay_where_a_backup_reads_the_states(visits: Engine) -> None:
    visits.create_stream_table("sessions", QUERY)
    expected, former = indexes(visits), oids(visits)
    visits.connection.execute("update pgtrickle.pgt_stream_tables set needs_reinit = true")
    with psycopg.connect(visits.connection.info.dsn) as backup:
        for (state,) in visits.connection.execute(
            "select oid::regclass::text from pg_class"
            " where relnamespace = 'pgtrickle_state'::regnamespace and relkind = 'r'"
        ).fetchall():
            backup.execute(f"select count(*) from {state}")
        visits.refresh("sessions")
    assert (indexes(visits), oids(visits)) == (expected, former)
    assert visits.verify("sessions").equal
    follows(visits)
