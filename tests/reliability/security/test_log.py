"""What comes from the write-ahead log is read with the installer's rights: by him, and by nobody's
code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgtrickle.engine import Engine

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
EngineAs = Callable[..., Engine]

pytestmark = pytest.mark.every_server

SOURCE = """
    create table src.item (id integer primary key, mood src.mood, moods src.mood[]);
    alter table src.item replica identity full;
    insert into src.item values (1, 'sad', '{sad}');
"""
SPY = """
    create type src.mood as enum ('sad', 'so so');
    create table src.seen (who name);
    grant insert on src.seen to public;
    create function src.spy(text) returns src.mood language plpgsql as $$
    begin
        insert into src.seen values (current_user);
        return (enum_range(null::src.mood))[1];
    end $$;
    create function src.spies(text) returns src.mood[] language plpgsql as $$
    begin
        insert into src.seen values (current_user);
        return enum_range(null::src.mood);
    end $$;
    create cast (text as src.mood) with function src.spy(text) as assignment;
    create cast (text as src.mood[]) with function src.spies(text) as assignment;
"""
"""Casts that belong to who owns the type."""


@pytest.fixture
def decoder(owner: Connection, connect: Connect, engine_as: EngineAs) -> Connection:
    """A superuser whose source `src.item`, another role's, is read from the log."""
    superuser = connect()
    # A role of this file's own: what it grants, other tests on this server must not meet.
    with contextlib.suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        superuser.execute("create role pgt_test_feeder login")
    superuser.execute("grant create, usage on schema src to pgt_test_feeder")
    with contextlib.suppress(psycopg.errors.InternalError, psycopg.errors.UniqueViolation):
        superuser.execute("grant pgt_test_feeder to pgt_test_installer")  # by several at once
    superuser.execute(
        f'grant create on database "{superuser.info.dbname}" to pgt_test_installer'  # type: ignore[arg-type]
    )
    feeder = connect("feeder")
    feeder.execute(SPY)
    feeder.execute(SOURCE)
    feeder.execute("grant select, trigger on src.item to pgt_test_owner")
    superuser.execute("select pgtrickle._prepare_wal()")
    superuser.execute("select pgtrickle._register_slot('none', pg_current_wal_lsn())")
    engine_as("owner").create_stream_table(
        "marts.t", "select id, mood, moods from src.item", refresh_mode="DIFFERENTIAL"
    )
    assert superuser.execute("select pgtrickle._move_to_wal('src.item'::regclass)").fetchone() == (
        None,
    )
    return superuser


def stored(connection: Connection) -> list[Any]:
    (relid,) = connection.execute("select 'src.item'::regclass::oid").fetchone() or (0,)
    return connection.execute(
        f"select id, mood::text, moods::text from pgtrickle_changes.changes_{relid}_0"  # type: ignore[arg-type]
        f" union all select id, mood::text, moods::text from pgtrickle_changes.changes_{relid}_1"
    ).fetchall()


STORE = (
    "select pgtrickle._store_changes('src.item'::regclass,"
    ' \'[["9", 1, "7", "so so", "{so so}"]]\')'
)


def test_a_cast_of_the_types_owner_is_not_called(decoder: Connection) -> None:
    decoder.execute(STORE)
    assert decoder.execute("select * from src.seen").fetchall() == []
    assert stored(decoder) == [(7, "so so", '{"so so"}')]


@pytest.mark.parametrize(
    "type",
    ["src.mood", "src.checked", "src.checked[]", "src.range_of_checked", "src.range_of_arrays"],
)
def test_a_type_whose_values_are_checked_is_not_read_from_the_log(
    decoder: Connection, type: str
) -> None:
    decoder.execute(
        "create domain src.checked as integer check (value > 0);"
        "create type src.range_of_checked as range (subtype = src.checked);"
        "create type src.range_of_arrays as range (subtype = src.checked[])"
    )
    assert decoder.execute("select pgtrickle._wal_unfit_type(%s::regtype)", [type]).fetchone() == (
        type not in ("src.mood", "src.checked"),
    )


CALLS = {
    "changes that never were": STORE,
    "another slot": "select pgtrickle._prepare_wal()",
    "an end further on": "select pgtrickle._end_decoding('FFFFFFFF/0')",
    "no slot": "select pgtrickle._release_wal()",
    "an obstacle": "select pgtrickle._note_obstacle('src.item'::regclass, 'so')",
}


@pytest.mark.parametrize("call", CALLS)
def test_code_that_a_decoder_happens_to_run_does_not_decode(
    decoder: Connection, connect: Connect, call: str
) -> None:
    """Who refreshes, or writes a source, runs the code of others: as them, but in his session."""
    superuser = connect()
    superuser.execute("create schema reader authorization pgt_test_reader")
    reader = connect("reader")
    reader.execute("create table reader.s (id integer primary key)")
    reader.execute("insert into reader.s values (1)")
    reader.execute("create table reader.answer (code text)")
    reader.execute(
        "create function reader.f(integer) returns integer language plpgsql as $f$"  # type: ignore[arg-type]
        f" begin execute $c${CALLS[call]}$c$; insert into reader.answer values ('done'); return $1;"
        " exception when others then insert into reader.answer values (sqlstate); return $1;"
        " end $f$"
    )
    reader.execute(
        "select pgtrickle.create_stream_table('reader.t',"
        " 'select reader.f(id) as id from reader.s')"
    )
    reader.execute("delete from reader.answer")
    superuser.execute("select pgtrickle.refresh_stream_table('reader.t')")
    assert set(superuser.execute("select code from reader.answer").fetchall()) == {("42501",)}
    assert stored(decoder) == []
    assert decoder.execute("select count(*) from pgtrickle.pgt_wal_slot").fetchone() == (1,)
