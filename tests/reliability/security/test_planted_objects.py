"""Objects that a role puts where the engine keeps its own, or hangs on what it owns. Every owner of
a stream table may create objects in pgtrickle_state."""

from __future__ import annotations

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
    create table src.item (id integer primary key, v integer);
    insert into src.item select n, n % 3 from generate_series(1, 1000) n;
"""
QUERY = "select v, count(*) as n from src.item group by v"
PROGRAM = """
    create function pgtrickle_state.{name}(pg_snapshot, xid8, bigint{more}) language plpgsql as $f$
    begin
        insert into reader.called values (current_user);
    end $f$;
    grant execute on function pgtrickle_state.{name} to public;
"""
RESULTS = {
    "pending": ", out pending bigint[], out markers bigint[], out snapshot pg_snapshot",
    "delta": ", timestamptz, timestamptz, out rows_inserted bigint, out rows_deleted bigint,"
    " out consistent boolean, out snapshot pg_snapshot, out rows_read bigint[],"
    " out overtaken boolean",
}


@pytest.fixture
def stranger(connect: Connect, engine_as: EngineAs) -> Connection:
    connect().execute("create schema reader authorization pgt_test_reader")
    reader = connect("reader")
    reader.execute(
        "create table reader.called (who name); grant insert on reader.called to public;"
        "grant usage on schema reader to public"
    )
    reader.execute("create table reader.s (id integer primary key)")
    engine_as("reader").create_stream_table("reader.t", "select id from reader.s")
    return reader


@pytest.fixture
def victim(owner: Connection, engine_as: EngineAs) -> Engine:
    owner.execute(SOURCE)
    engine = engine_as("owner")
    engine.create_stream_table("marts.t", QUERY, refresh_mode="DIFFERENTIAL")
    return engine


def number(connection: Connection, name: str) -> int:
    (found,) = connection.execute(
        "select pgt_id from pgtrickle.pgt_stream_tables where pgt_relid = %s::regclass", [name]
    ).fetchone() or (0,)
    return int(found)


def goes_on(victim: Engine, owner: Connection, stranger: Connection) -> None:
    for changes in (3, 600):
        owner.execute("update src.item set v = v + 1 where id <= %s", [changes])
        refreshed = victim.refresh("marts.t")
        assert (refreshed.action, refreshed.error) == ("DIFFERENTIAL", None)
        assert victim.verify("marts.t").equal
    assert stranger.execute("select * from reader.called").fetchall() == []


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
def test_a_planted_program_is_not_called(
    victim: Engine, owner: Connection, stranger: Connection, kind: str, marked: bool
) -> None:
    """Its mark can be copied: comments are open to everybody."""
    id = number(owner, "marts.t")
    owner.execute("update src.item set v = v + 1 where id <= 3")
    victim.refresh("marts.t")
    (mark,) = stranger.execute(
        "select right(obj_description(to_regproc(%s)), 32)", [f"pgtrickle_state.pending_{id}"]
    ).fetchone() or ("",)
    assert len(mark) == 32
    if kind == "pending":
        owner.execute(f"drop function pgtrickle_state.pending_{id}")  # type: ignore[arg-type]
        name = f"pending_{id}"
    else:
        name = f"delta_{id}_0_2048"
    stranger.execute(PROGRAM.format(name=name, more=RESULTS[kind]))  # type: ignore[arg-type]
    if marked:
        stranger.execute(f"comment on function pgtrickle_state.{name} is 'made from {mark}'")  # type: ignore[arg-type]
    goes_on(victim, owner, stranger)


PLANTED = {
    "an executor": "create function pgtrickle_state.refresh_{id}(mode text, initiated_by text,"
    " wait boolean, catch boolean) returns pgtrickle.refresh_outcome language sql as"
    " 'select null::pgtrickle.refresh_outcome'",
    "a procedure": "create procedure pgtrickle_state.verify_{id}(examples integer)"
    " language sql as 'select 1'",
    "an overloaded program": "create function pgtrickle_state.pending_{id}(text) returns text"
    " language sql as 'select 1::text'",
    "a maintainer": "create function pgtrickle_state.maintain_{id}(only_lock boolean)"
    " returns void language sql security definer as 'insert into reader.called values (''x'')'",
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_name_that_will_be_needed_cannot_be_taken(
    owner: Connection, stranger: Connection, engine_as: EngineAs, planted: str
) -> None:
    following = number(stranger, "reader.t") + 1
    for id in range(following, following + 3):
        stranger.execute(PLANTED[planted].format(id=id))  # type: ignore[arg-type]
    owner.execute(SOURCE)
    victim = engine_as("owner")
    victim.create_stream_table("marts.t", QUERY, refresh_mode="DIFFERENTIAL")
    goes_on(victim, owner, stranger)
    victim.alter_stream_table("marts.t", refresh_mode="IMMEDIATE")
    owner.execute("update src.item set v = v + 1 where id <= 3")
    assert victim.verify("marts.t").equal
    assert stranger.execute("select * from reader.called").fetchall() == []


LITTER = {
    "a number that is none": "create function pgtrickle_state.refresh_99999999999999999999()"
    " returns void language sql as ''",
    "a procedure": "create procedure pgtrickle_state.refresh_999999() language sql as ''",
    "an aggregate": "create aggregate pgtrickle_state.refresh_999999(integer)"
    " (sfunc = int4pl, stype = integer)",
    "a function that a view calls": "create function pgtrickle_state.refresh_999999()"
    " returns integer language sql as 'select 1';"
    " create view reader.v as select pgtrickle_state.refresh_999999()",
    "a state of no table": "create table pgtrickle_state.litter (id integer);"
    " comment on table pgtrickle_state.litter is"
    " 'State of stream table 99999999999999999999'",
    "a state that a view reads": "create table pgtrickle_state.litter (id integer);"
    " comment on table pgtrickle_state.litter is 'State of stream table 999999';"
    " create view reader.v as select * from pgtrickle_state.litter",
}


@pytest.mark.parametrize("litter", LITTER)
def test_litter_among_the_state_is_cleaned_away(
    victim: Engine, owner: Connection, stranger: Connection, connect: Connect, litter: str
) -> None:
    stranger.execute(LITTER[litter])  # type: ignore[arg-type]
    superuser = connect()
    superuser.execute("select pgtrickle._cleanup_dropped()")
    superuser.execute("select pgtrickle.pause_all(), pgtrickle.resume_all()")
    goes_on(victim, owner, stranger)


@pytest.mark.parametrize("planted", ["a state that a view reads", "a function that a view calls"])
def test_nor_does_it_keep_a_change_of_owner_from_being_followed(
    victim: Engine, owner: Connection, stranger: Connection, connect: Connect, planted: str
) -> None:
    id = number(owner, "marts.t")
    litter = LITTER[planted].replace("refresh_999999", f"maintain_{id}")
    stranger.execute(litter.replace("999999", str(id)))  # type: ignore[arg-type]
    superuser = connect()
    superuser.execute("create role pgt_test_heir") if not superuser.execute(
        "select from pg_roles where rolname = 'pgt_test_heir'"
    ).fetchall() else None
    superuser.execute("grant all on schema marts to pgt_test_heir")
    superuser.execute("alter table marts.t owner to pgt_test_heir")
    superuser.execute("select pgtrickle._cleanup_dropped()")
    assert superuser.execute(
        "select pgt_owner::regrole::text from pgtrickle.pgt_stream_tables where pgt_id = %s", [id]
    ).fetchone() == ("pgt_test_heir",)


def test_a_maintainer_of_another_kind_stops_no_writer(
    owner: Connection, writer: Connection, stranger: Connection, engine_as: EngineAs
) -> None:
    owner.execute(SOURCE)
    engine_as("owner").create_stream_table("marts.live", QUERY, refresh_mode="IMMEDIATE")
    id = number(owner, "marts.live")
    stranger.execute(
        f"create function pgtrickle_state.maintain_{id}(text) returns void language sql as ''"  # type: ignore[arg-type]
    )
    writer.execute("insert into src.item values (2000, 7)")
    assert owner.execute("select n from marts.live where v = 7").fetchone() == (1,)


def test_a_view_of_captured_rows_keeps_no_capture_from_being_dropped(
    victim: Engine, owner: Connection, stranger: Connection, connect: Connect, engine_as: EngineAs
) -> None:
    owner.execute("grant select, trigger on src.item to pgt_test_reader")
    engine_as("reader").create_stream_table("reader.items", "select id, v from src.item")
    (relid,) = owner.execute("select 'src.item'::regclass::oid").fetchone() or (0,)
    stranger.execute(
        f"create view reader.changes as select id, v from pgtrickle_changes.changes_{relid}_0"  # type: ignore[arg-type]
    )
    owner.execute("alter table src.item alter column v type bigint")
    victim.refresh("marts.t")
    assert victim.verify("marts.t").equal
    stranger.execute("select pgtrickle.drop_stream_table('reader.items')")
    owner.execute("select pgtrickle.drop_stream_table('marts.t')")
    assert connect().execute(
        "select count(*) from pgtrickle.pgt_captures where source_relid = %s", [relid]
    ).fetchone() == (0,)


def test_who_may_make_no_triggers_has_no_buffers_made(
    owner: Connection, stranger: Connection
) -> None:
    owner.execute(SOURCE)
    for relation in ("'src.item'::regclass", "4000000000"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            stranger.execute(
                f"select pgtrickle._prepare_capture({relation}, '{{}}', 'pgt_test_reader')"
            )  # type: ignore[arg-type]


SPY = """
    create function reader.spy(text) returns text language plpgsql as $$
    begin
        insert into reader.called values (current_user);
        perform set_config('role', 'none', true);
        insert into reader.called values (current_user);
        return $1;
    exception when others then
        return $1;
    end $$;
"""


def seen(stranger: Connection) -> list[Any]:
    return stranger.execute(
        "select distinct who from reader.called where who <> 'pgt_test_reader'"
    ).fetchall()


def test_row_security_of_a_stream_table_is_read_as_its_owner(
    stranger: Connection, connect: Connect
) -> None:
    stranger.execute("insert into reader.s values (1)")
    stranger.execute("select pgtrickle.refresh_stream_table('reader.t')")
    stranger.execute(SPY)
    stranger.execute(
        "alter table reader.t enable row level security;"
        "alter table reader.t force row level security;"
        "create policy spying on reader.t using (reader.spy('x') = 'x')"
    )
    connect().execute("select pgtrickle.snapshot_stream_table('reader.t', 'reader.copy')")
    assert seen(stranger) == []


def test_a_cast_of_a_stream_tables_rows_is_not_called(
    stranger: Connection, connect: Connect, engine_as: EngineAs
) -> None:
    stranger.execute(SPY)
    engine_as("reader").create_stream_table("reader.pair", "select id, 1 as one from reader.s")
    stranger.execute(
        "select pgtrickle.canary_begin('reader.pair', 'select id, 2 as one from reader.s')"
    )
    stranger.execute("insert into reader.s values (1)")
    for name in ("reader.pair", "reader.__pgt_canary_pair"):
        stranger.execute("select pgtrickle.refresh_stream_table(%s)", [name])
    stranger.execute(
        "create function reader.text(reader.pair) returns text language sql as"
        " 'select reader.spy($1.id::text)';"
        "create cast (reader.pair as text) with function reader.text(reader.pair)"
    )
    superuser = connect()
    assert superuser.execute("select * from pgtrickle.canary_diff('reader.pair')").fetchall() == [
        ("live", "(1,1)"),
        ("canary", "(1,2)"),
    ]
    assert seen(stranger) == []
