"""Nothing of one role's runs with another one's rights, whoever refreshes, verifies or writes."""

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

pytestmark = [pytest.mark.every_server, pytest.mark.one_in(3)]

SOURCE = (
    "create table src.item (id integer primary key, v integer); insert into src.item values (1, 1)"
)
SPY = """
    create table src.seen (who name);
    grant insert on src.seen to public;
    create function src.spy(integer) returns integer language plpgsql
        set search_path = pg_catalog as $$
    begin
        insert into src.seen select distinct unnest(array[current_user, session_user])
        where current_user <> 'pgt_test_owner';
        perform set_config('role', 'none', true);
        insert into src.seen select current_user where current_user <> 'pgt_test_owner';
        return $1;
    exception when others then
        return $1;
    end $$;
    grant execute on function src.spy(integer) to public;
"""
"""Writes down as whom it runs where that is not the owner, and tries to become who logged in."""


@pytest.fixture
def spied(owner: Connection) -> Connection:
    owner.execute(SOURCE)
    owner.execute(SPY)
    owner.execute(
        "select pgtrickle.create_stream_table('marts.t',"
        " 'select id, src.spy(v) as v from src.item')"
    )
    return owner


ALTERED = "select pgtrickle.alter_stream_table('marts.t', query => 'select id, {} from src.item')"


def seen(connection: Connection) -> list[Any]:
    return connection.execute("select * from src.seen").fetchall()


@pytest.mark.parametrize(
    "call",
    [
        "select pgtrickle.refresh_stream_table('marts.t')",
        "select pgtrickle.try_refresh('marts.t', mode => 'FULL')",
        "call pgtrickle.run_due()",
        "select pgtrickle.verify_stream_table('marts.t')",
        "select pgtrickle.repair_stream_table('marts.t')",
        "select pgtrickle.pause_all(), pgtrickle.resume_all()",
        "select pgtrickle.alter_stream_table('marts.t', refresh_mode => 'FULL')",
        ALTERED.format("src.spy(v) as spied"),
        "select pgtrickle.explain_refresh_mode('marts.t')",
        "select pgtrickle.explain_delta('marts.t')",
        "select pgtrickle.explain_st('marts.t', true)",
        "select pgtrickle.snapshot_stream_table('marts.t')",
        "select pgtrickle.restore_stream_tables()",
    ],
)
def test_a_superuser_runs_nothing_of_the_owners(
    spied: Connection, connect: Connect, call: str
) -> None:
    spied.execute("insert into src.item values (2, 2)")
    connect().execute(call)  # type: ignore[arg-type]
    assert seen(spied) == []


def test_nor_does_his_engine(spied: Connection, engine_as: EngineAs) -> None:
    spied.execute(
        "create function src.constant() returns integer language sql immutable"
        " as 'select src.spy(1)';"
        "create table src.other (id integer primary key);"
        "insert into src.other values (1);"
        "select pgtrickle.create_stream_table('marts.u',"
        " 'select id from src.other where id = src.constant()')"
    )
    engine = engine_as()
    engine.compile_pending()
    assert all(refresh.error is None for refresh in engine.refresh_all())
    assert engine.verify("marts.t").equal
    assert seen(spied) == []


def test_nor_does_it_to_weigh_a_plan_of_much(spied: Connection, engine_as: EngineAs) -> None:
    """PostgreSQL is asked what states would cost, and to plan is to call what is immutable."""
    spied.execute(
        "create function src.constant() returns integer language sql immutable"
        " as 'select src.spy(1)';"
        "create table src.large (id integer primary key, g integer, note text);"
        "insert into src.large select i, i % 10, repeat('x', 100) from generate_series(1, 70000) i;"
        "select pgtrickle.create_stream_table('marts.u', 'select id, row_number() over"
        " (partition by g order by id) as n from src.large where id > src.constant()',"
        " initialize => false)"
    )
    engine = engine_as()
    path = engine.connection.execute("show search_path").fetchone()
    assert "marts.u" in engine.compile_pending()
    assert engine.refresh("marts.u").error is None
    assert seen(spied) == []
    assert engine.connection.execute("show search_path").fetchone() == path


def test_replacing_a_function_does_not_help(
    spied: Connection, connect: Connect, engine_as: EngineAs
) -> None:
    """What is read anew is planned, and to plan is to call what is said to be immutable."""
    constant = (
        "create or replace function src.constant() returns integer language plpgsql immutable"
        " as $$ begin return {}; end $$"
    )
    spied.execute(constant.format("1"))  # type: ignore[arg-type]
    spied.execute("select pgtrickle.pause_stream_table('marts.t')")
    spied.execute(
        "select pgtrickle.create_stream_table('marts.u',"
        " 'select id from src.item where id = src.constant()')"
    )
    for number in range(2):
        spied.execute(constant.format(f"src.spy({number})"))  # type: ignore[arg-type]
        if number:
            connect().execute("select pgtrickle.repair_stream_table('marts.u')")
        else:
            engine_as().compile_pending()
    assert seen(spied) == []


HIJACKED = """
    create function src.joined(text, text) returns text language plpgsql
        set search_path = pg_catalog as
        $$ begin perform src.spy(1); return textcat($1, $2); end $$;
    create operator src.|| (leftarg = text, rightarg = text, function = src.joined);
    grant usage on schema src to public;
"""
"""Operators before PostgreSQL's own in the search_path a stream table is created under."""
COMPARED = """
    create function src.{name}_{type}({type}, {type}) returns boolean language plpgsql
        set search_path = pg_catalog as
        $$ begin perform src.spy(1); return $1 operator(pg_catalog.{operator}) $2; end $$;
    create operator src.{operator}
        (leftarg = {type}, rightarg = {type}, function = src.{name}_{type});
"""
COMPARABLE = ("text", "regproc", "integer")


@pytest.fixture
def hijacked(owner: Connection) -> Connection:
    owner.execute(SOURCE)
    owner.execute(SPY)
    owner.execute(HIJACKED)
    for each in COMPARABLE:
        for name, operator in (("eq", "="), ("ne", "<>")):
            owner.execute(COMPARED.format(type=each, name=name, operator=operator))  # type: ignore[arg-type]
    owner.execute("set search_path = src, pg_catalog")
    owner.execute(
        "select pgtrickle.create_stream_table('marts.t',"
        " 'select v, pg_catalog.count(*) as n from item group by v')"
    )
    owner.execute("reset search_path; delete from src.seen")
    return owner


@pytest.mark.parametrize(
    "call",
    [
        "select pgtrickle.refresh_stream_table('marts.t')",
        "call pgtrickle.run_due()",
        "select pgtrickle.verify_stream_table('marts.t')",
        "select pgtrickle.repair_stream_table('marts.t')",
        "select pgtrickle.alter_stream_table('marts.t', schedule => '1h')",
        "select pgtrickle.alter_stream_table('marts.t', refresh_mode => 'IMMEDIATE')",
        "select pgtrickle.explain_refresh_mode('marts.t')",
        "select pgtrickle.explain_delta('marts.t')",
        "select pgtrickle.explain_st('marts.t', true)",
        "select pgtrickle.restore_stream_tables()",
    ],
)
def test_a_search_path_of_the_owners_gets_nobody_elses_rights(
    hijacked: Connection, connect: Connect, call: str
) -> None:
    hijacked.execute("insert into src.item values (2, 2)")
    connect().execute(call)  # type: ignore[arg-type]
    assert seen(hijacked) == []


def test_nor_those_of_an_engine_that_compiles_it(hijacked: Connection, engine_as: EngineAs) -> None:
    engine = engine_as()
    assert engine.compile_pending() == ["marts.t"]
    for number, action in enumerate(("REINITIALIZE", "DIFFERENTIAL"), start=2):
        hijacked.execute("insert into src.item values (%s, 2)", [number])
        assert [refresh.action for refresh in engine.refresh_all()] == [action]
        assert engine.verify("marts.t").equal
    for call in ("explain_delta('marts.t')", "explain_st('marts.t', true)"):
        engine.session.rows(f"select pgtrickle.{call}")
    assert seen(hijacked) == []


DEFERRED = """
    create table src.noted (id integer);
    create function src.later() returns trigger language plpgsql as $$
    begin perform src.spy(1); return null; end $$;
    create constraint trigger later after insert on src.noted
        deferrable initially deferred for each row execute function src.later();
    create function src.note(integer) returns integer language plpgsql as $$
    begin insert into src.noted values ($1); return $1; end $$;
"""


@pytest.mark.parametrize(
    "call",
    [
        "select pgtrickle.refresh_stream_table('marts.t')",
        "select pgtrickle.try_refresh('marts.t', mode => 'FULL')",
        "select pgtrickle.verify_stream_table('marts.t')",
        "select pgtrickle.explain_st('marts.t', true)",
        "select pgtrickle.repair_stream_table('marts.t')",
        ALTERED.format("src.note(v) as noted"),
    ],
)
def test_a_trigger_that_waits_for_the_commit_is_still_the_owners(
    owner: Connection, connect: Connect, call: str
) -> None:
    owner.execute(SOURCE)
    owner.execute(SPY)
    owner.execute(DEFERRED)
    owner.execute(
        "select pgtrickle.create_stream_table('marts.t',"
        " 'select id, src.note(v) as v from src.item')"
    )
    owner.execute("insert into src.item values (2, 2)")
    connect().execute(call)  # type: ignore[arg-type]
    assert seen(owner) == []


def test_nor_one_that_puts_itself_off_again(owner: Connection, connect: Connect) -> None:
    """Fired while it is still the owner's, it defers what comes, and writes once more."""
    owner.execute(SOURCE)
    owner.execute(SPY)
    owner.execute(DEFERRED)
    owner.execute(
        "create or replace function src.later() returns trigger language plpgsql as $$"
        " begin"
        " perform src.spy(1);"
        " if (select count(*) < 20 from src.noted) then"
        " set constraints all deferred; insert into src.noted values (0);"
        " end if;"
        " return null;"
        " end $$"
    )
    owner.execute(
        "select pgtrickle.create_stream_table('marts.t',"
        " 'select id, src.note(v) as v from src.item')"
    )
    owner.execute("delete from src.noted; insert into src.item values (2, 2)")
    with contextlib.suppress(psycopg.Error):
        connect().execute("select pgtrickle.refresh_stream_table('marts.t')")
    assert seen(owner) == []


WRITTEN = {
    "a path that ends the statement": (
        "defining_search_path = 'pg_catalog as ''x''; select src.spy(1); --'"
    ),
    "a path of hostile operators": "defining_search_path = 'src, pg_catalog'",
    "a role": """defining_settings = '{"role": "postgres", "Role": "postgres"}'""",
    "a name of a setting": """defining_settings = '{"x = 1; select src.spy(1); --": "1"}'""",
    "an owner": "pgt_owner = 'postgres'::regrole",
    "a name": "pgt_name = 'x\"; select src.spy(1); --'",
}


@pytest.mark.parametrize("change", WRITTEN)
def test_what_an_owner_writes_into_the_catalog_is_only_his(
    spied: Connection, connect: Connect, engine_as: EngineAs, change: str
) -> None:
    try:
        spied.execute(f"update pgtrickle.pgt_stream_tables set {WRITTEN[change]}")  # type: ignore[arg-type]
    except psycopg.errors.InsufficientPrivilege:
        return
    spied.execute("insert into src.item values (2, 2)")
    superuser = connect()
    for call in (
        "refresh_stream_table('marts.t')",
        "repair_stream_table('marts.t')",
        "verify_stream_table('marts.t')",
        "explain_st('marts.t', true)",
    ):
        with contextlib.suppress(psycopg.Error):
            superuser.execute(f"select pgtrickle.{call}")  # type: ignore[arg-type]
    with contextlib.suppress(psycopg.Error):
        engine_as().compile_pending()
    assert seen(spied) == []


INVOKER = {
    "refresh": "alter function pgtrickle_state.refresh_1(text, text, boolean, boolean)",
    "verify": "alter function pgtrickle_state.verify_1(integer)",
}


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("refresh", "select pgtrickle.refresh_stream_table('marts.t')"),
        ("verify", "select pgtrickle.verify_stream_table('marts.t')"),
    ],
)
def test_an_exchanged_executor_is_not_called(
    spied: Connection, connect: Connect, function: str, call: str
) -> None:
    (number,) = spied.execute("select pgt_id from pgtrickle.pgt_stream_tables").fetchone() or (0,)
    spied.execute(INVOKER[function].replace("_1", f"_{number}") + " security invoker")  # type: ignore[arg-type]
    superuser = connect()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="was exchanged"):
        superuser.execute(call)  # type: ignore[arg-type]
    assert seen(spied) == []
    superuser.execute("select pgtrickle.repair_stream_table('marts.t')")
    superuser.execute(call)  # type: ignore[arg-type]
    assert seen(spied) == []


def test_an_exchanged_maintainer_is_not_called(
    owner: Connection, writer: Connection, connect: Connect, engine_as: EngineAs
) -> None:
    owner.execute(SOURCE)
    engine_as("owner").create_stream_table(
        "marts.t", "select id, v from src.item", refresh_mode="IMMEDIATE"
    )
    (number,) = owner.execute("select pgt_id from pgtrickle.pgt_stream_tables").fetchone() or (0,)
    owner.execute(f"alter function pgtrickle_state.maintain_{number}(boolean) security invoker")  # type: ignore[arg-type]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="was exchanged"):
        writer.execute("insert into src.item values (2, 2)")
    owner.execute("select pgtrickle.repair_stream_table('marts.t')")
    writer.execute("insert into src.item values (2, 2)")


def test_a_maintainer_of_other_arguments_is_not_called(
    owner: Connection, writer: Connection, engine_as: EngineAs
) -> None:
    """Which would be called in the place of one that is not there."""
    owner.execute(SOURCE)
    engine_as("owner").create_stream_table(
        "marts.t", "select id, v from src.item", refresh_mode="IMMEDIATE"
    )
    (number,) = owner.execute("select pgt_id from pgtrickle.pgt_stream_tables").fetchone() or (0,)
    owner.execute(
        f"drop function pgtrickle_state.maintain_{number}(boolean);"  # type: ignore[arg-type]
        f" create function pgtrickle_state.maintain_{number}(only_lock boolean, n int default 0)"
        " returns void language plpgsql as 'begin raise ''called''; end'"
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="was exchanged"):
        writer.execute("insert into src.item values (2, 2)")


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("maintain_{}(boolean)", "insert into src.item values (2, 2)"),
        (
            "refresh_{}(text, text, boolean, boolean)",
            "select pgtrickle.refresh_stream_table('marts.t')",
        ),
    ],
)
def test_what_was_exchanged_since_the_snapshot_is_not_called(
    function: str, call: str, owner: Connection, connect: Connect, engine_as: EngineAs
) -> None:
    owner.execute(SOURCE)
    engine_as("owner").create_stream_table(
        "marts.t", "select id, v from src.item", refresh_mode="IMMEDIATE"
    )
    (number,) = owner.execute("select pgt_id from pgtrickle.pgt_stream_tables").fetchone() or (0,)
    superuser = connect()
    superuser.execute("begin isolation level repeatable read")
    superuser.execute("select count(*) from src.item")
    owner.execute(f"alter function pgtrickle_state.{function.format(number)} security invoker")  # type: ignore[arg-type]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="was exchanged"):
        superuser.execute(call)  # type: ignore[arg-type]


def test_one_server_whoever_asks(
    owner: Connection, writer: Connection, connect: Connect, engine_as: EngineAs
) -> None:
    """Where not every role may ask which server it is."""
    owner.execute(SOURCE)
    superuser = connect()
    superuser.execute("revoke execute on function pg_control_system() from public")
    engine_as("owner").create_stream_table(
        "marts.t", "select id, v from src.item", refresh_mode="IMMEDIATE"
    )
    superuser.execute(
        "create table src.own (id int primary key); grant all on src.own to pgt_test_writer;"
        "select pgtrickle.create_stream_table('marts.own', 'select id from src.own',"
        " refresh_mode => 'IMMEDIATE')"
    )
    writer.execute("insert into src.item values (2, 2)")
    for number in range(3):
        writer.execute("insert into src.own values (%s)", [number])
    known = superuser.execute(
        "select distinct cluster_id = pgtrickle._cluster_id() from pgtrickle.pgt_frontiers"
    )
    assert known.fetchall() == [(True,)]
    assert not superuser.execute(
        "select reason from pgtrickle.pgt_refresh_history where reason like '%captured here%'"
    ).fetchall()


@pytest.fixture
def given_away(owner: Connection, connect: Connect, engine_as: EngineAs) -> Connection:
    """`marts.t`, differential, was given to another role by ALTER TABLE ... OWNER TO."""
    owner.execute(SOURCE)
    owner.execute(SPY)
    owner.execute("create view src.spied as select id, v from src.item")
    engine_as("owner").create_stream_table(
        "marts.t", "select v, count(*) as n from src.item group by v"
    )
    superuser = connect()
    superuser.execute("grant select on src.item to pgt_test_reader")
    superuser.execute("grant all on schema marts to pgt_test_reader")
    superuser.execute("alter table marts.t owner to pgt_test_reader")
    owner.execute("insert into src.item values (2, 2)")
    return superuser


@pytest.mark.parametrize("tidied", [False, True], ids=["at once", "after tidying"])
def test_nothing_runs_as_an_owner_who_has_not_agreed(
    given_away: Connection, owner: Connection, connect: Connect, tidied: bool
) -> None:
    reader = connect("reader")
    if tidied:
        owner.execute("select pgtrickle._cleanup_dropped()")
        assert (
            owner.execute(
                "select relname from pg_class where relnamespace = 'pgtrickle_state'::regnamespace"
                " and relkind = 'r'"
            ).fetchall()
            == []
        )
    for connection in (owner, reader, given_away):
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("select pgtrickle.refresh_stream_table('marts.t')")
        # To its former owner it does not exist.
        assert refused.value.sqlstate in ("42501", "55000", "42P01")
    with pytest.raises(psycopg.Error) as refused:
        owner.execute("select pgtrickle.drop_stream_table('marts.t')")
    assert refused.value.sqlstate in ("42501", "42P01")
    reader.execute("select pgtrickle.repair_stream_table('marts.t')")
    assert reader.execute("select * from marts.t order by v").fetchall() == [(1, 1), (2, 1)]
    assert reader.execute("select * from pgtrickle.verify_stream_table('marts.t')").fetchall() == []


def test_a_new_owner_may_drop_it(given_away: Connection, connect: Connect) -> None:
    connect("reader").execute("select pgtrickle.drop_stream_table('marts.t')")
    assert given_away.execute("select count(*) from pgtrickle.pgt_stream_tables").fetchone() == (0,)


def test_what_a_role_owned_is_reassigned(given_away: Connection, connect: Connect) -> None:
    given_away.execute("alter table marts.t owner to pgt_test_owner")
    given_away.execute("grant create on schema pgtrickle_state to pgt_test_reader")
    given_away.execute("reassign owned by pgt_test_owner to pgt_test_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="was given by role"):
        given_away.execute("select pgtrickle.refresh_stream_table('marts.t')")
    connect("reader").execute("select pgtrickle.repair_stream_table('marts.t')")
    assert given_away.execute("select * from marts.t order by v").fetchall() == [(1, 1), (2, 1)]
