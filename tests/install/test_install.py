"""The runtime goes into a database, is brought up to date, and goes out again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

import pgtrickle.install as installer
from pgtrickle import __version__
from pgtrickle.database import PsycopgSession
from pgtrickle.install import (
    InstallError,
    MissingPrivilegeError,
    StreamTablesExistError,
    install,
    installed_version,
    native_extension,
    uninstall,
)
from pgtrickle.routines import RetiredFunctionUsedError

from .shape import shape

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
HERE = Path(__file__).parent


def session(connection: Connection) -> PsycopgSession:
    return PsycopgSession(connection)


def count(connection: Connection, query: str) -> int:
    row = connection.execute(f"select count(*) from {query}").fetchone()
    assert row is not None
    return int(row[0])


def test_a_role_that_may_create_schemas_installs(connect: Connect) -> None:
    connection = connect("a")
    assert installed_version(session(connection)) is None
    result = install(session(connection))
    assert (result.action, result.version, result.previous) == ("installed", __version__, None)
    assert installed_version(session(connection)) == __version__
    assert connection.execute("select pgtrickle.version()").fetchone() == (__version__,)


def test_installing_again_changes_nothing(connect: Connect) -> None:
    connection = connect("a")
    install(session(connection))
    before = count(connection, "pgtrickle.pgt_schema_version where applied_at < now()")
    assert install(session(connection)).action == "current"
    assert install(session(connect("b"))).action == "current"
    assert count(connection, "pgtrickle.pgt_schema_version") == before == 1


def test_the_sessions_settings_stay(connect: Connect) -> None:
    connection = connect("a")
    connection.execute("set search_path = public, pg_temp")
    install(session(connection))
    assert connection.execute("show search_path").fetchone() == ("public, pg_temp",)


def test_it_is_part_of_the_callers_transaction(connect: Connect) -> None:
    connection = connect("a", autocommit=False)
    connection.execute("create table public.mine (a int)")
    install(session(connection))
    connection.rollback()
    assert installed_version(session(connection)) is None
    install(session(connection))
    connection.commit()
    assert installed_version(session(connect("a"))) == __version__


def test_without_the_right_the_statement_to_run_is_named(connect: Connect) -> None:
    connection = connect("b", autocommit=False)
    connection.execute("create table public.mine (a int)")
    with pytest.raises(MissingPrivilegeError) as error:
        install(session(connection))
    assert "grant create on database" in (error.value.hint or "")
    assert "to pgt_install_b" in (error.value.hint or "")
    assert error.value.sqlstate == "42501"
    # What the caller did before is not lost.
    connection.commit()
    assert count(connection, "public.mine") == 0


def test_a_failure_leaves_nothing(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect("a")
    run = installer._run

    def broken(session: PsycopgSession, scripts: list[Path]) -> None:
        run(session, scripts)
        session.rows("select 1 / 0")

    monkeypatch.setattr(installer, "_run", broken)
    with pytest.raises(psycopg.errors.DivisionByZero):
        install(session(connection))
    assert count(connection, "pg_namespace where nspname like 'pgtrickle%'") == 0
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_two_installs_at_once_wait_for_each_other(connect: Connect) -> None:
    results: list[str] = []
    barrier = threading.Barrier(3)

    def run(connection: Connection) -> None:
        barrier.wait()
        results.append(install(session(connection)).action)

    threads = [threading.Thread(target=run, args=(connect("a"),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["current", "current", "installed"]


def test_a_foreign_schema_of_that_name_is_left_alone(connect: Connect) -> None:
    connection = connect("a")
    connection.execute("create schema pgtrickle")
    with pytest.raises(InstallError, match="not this engine's"):
        install(session(connection))
    with pytest.raises(InstallError, match="not this engine's"):
        uninstall(session(connection))


def test_the_native_extension_is_left_alone(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect("a")
    assert native_extension(session(connection)) is None
    monkeypatch.setattr(installer, "native_extension", lambda _: "0.67.0")
    result = install(session(connection))
    assert (result.action, result.version) == ("native", "0.67.0")
    assert "0.67.0" in result.message
    assert "nothing was changed" in result.message
    assert installed_version(session(connection)) is None


def test_a_standby_or_an_old_server_is_named(connect: Connect) -> None:
    class Old:
        def rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
            return [(140010, False)] if "server_version_num" in sql else []

    class Standby:
        def rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
            return [(180000, True)] if "server_version_num" in sql else []

    with pytest.raises(InstallError, match="PostgreSQL 14"):
        install(Old())
    with pytest.raises(InstallError, match="standby"):
        install(Standby())


def test_another_build_of_the_version_replaces_the_functions(connect: Connect) -> None:
    connection = connect("a")
    install(session(connection))
    fresh = shape(connection)
    connection.execute("update pgtrickle.pgt_schema_version set fingerprint = 'another'")
    connection.execute(
        "create or replace function pgtrickle.version() returns text"
        " language sql as 'select null::text'"
    )
    assert install(session(connection)).action == "upgraded"
    assert shape(connection) == fresh


def test_an_upgrade_keeps_settings_and_stream_tables(connect: Connect) -> None:
    connection = connect("a")
    install(session(connection))
    connection.execute("select pgtrickle.create_stream_table('public.one', 'select 1 as a')")
    connection.execute(
        "update pgtrickle.settings set value = '7' where name = 'min_schedule_seconds'"
    )
    connection.execute("update pgtrickle.pgt_schema_version set fingerprint = 'another'")
    install(session(connection))
    assert connection.execute("select pgtrickle._setting('min_schedule_seconds')").fetchone() == (
        "7",
    )
    connection.execute("select pgtrickle.refresh_stream_table('public.one')")
    assert connection.execute("table public.one").fetchall() == [(1,)]


def test_an_upgrade_leaves_objects_with_their_owner(connect: Connect) -> None:
    superuser = connect()
    install(session(connect("a")))
    superuser.execute("update pgtrickle.pgt_schema_version set fingerprint = 'another'")
    superuser.execute("drop function pgtrickle.version()")
    install(session(superuser))
    assert (
        count(
            superuser,
            "pg_proc where pronamespace = 'pgtrickle'::regnamespace"
            " and proowner <> 'pgt_install_a'::regrole",
        )
        == 0
    )
    assert superuser.execute("select current_user = session_user").fetchone() == (True,)


def test_only_the_owner_upgrades(connect: Connect) -> None:
    install(session(connect("a")))
    connect().execute("update pgtrickle.pgt_schema_version set fingerprint = 'another'")
    with pytest.raises(MissingPrivilegeError, match="belongs to role pgt_install_a"):
        install(session(connect("b")))


def test_a_newer_runtime_is_left_alone(connect: Connect) -> None:
    connection = connect("a")
    install(session(connection))
    connection.execute("update pgtrickle.pgt_schema_version set version = '99.0.0'")
    result = install(session(connection))
    assert (result.action, result.version) == ("newer", "99.0.0")
    connection.execute("update pgtrickle.pgt_schema_version set migration = 9999")
    with pytest.raises(InstallError, match="newer than this package"):
        install(session(connection))


def test_migrations_run_once_in_order(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connection = connect("a")
    install(session(connection))
    last = installer._last_migration()
    second = tmp_path / f"{last + 2:04}_fill.sql"
    second.write_text(
        "insert into pgtrickle.settings select b, 'x', null, 'y' from pgtrickle.fresh;"
    )
    first = tmp_path / f"{last + 1:04}_create.sql"
    first.write_text("create table pgtrickle.fresh as select 'migrated' as b;")
    real = installer._migrations()
    monkeypatch.setattr(
        installer, "_migrations", lambda: [*real, (last + 1, first), (last + 2, second)]
    )
    result = install(session(connection))
    assert (result.action, result.previous) == ("upgraded", __version__)
    assert install(session(connection)).action == "current"
    assert connection.execute("select pgtrickle._setting('migrated')").fetchone() == ("x",)


def test_the_first_version_is_brought_to_the_newest_form(
    connect: Connect, fresh_database: Any, server_version: str
) -> None:
    """`first_version.sql` is the catalog as it was first released; migrations lead from there."""
    old = connect("a")
    with old.transaction():
        old.execute((HERE / "first_version.sql").read_text(encoding="utf-8"))
        old.execute(
            "insert into pgtrickle.pgt_schema_version (version, migration, fingerprint)"
            " values ('0.0.1', 0, 'first')"
        )
    assert install(session(old)).action == "upgraded"
    with fresh_database(server_version) as dsn, psycopg.connect(dsn, autocommit=True) as superuser:
        name = superuser.info.dbname
        superuser.execute(f'grant create on database "{name}" to pgt_install_a')
        superuser.execute("set session authorization pgt_install_a")
        install(session(superuser))
        assert shape(old) == shape(superuser)


def test_uninstall_refuses_while_there_are_stream_tables(connect: Connect) -> None:
    connection = connect("a")
    install(session(connection))
    connection.execute("select pgtrickle.create_stream_table('public.one', 'select 1 as a')")
    with pytest.raises(StreamTablesExistError, match=r"public\.one"):
        uninstall(session(connection))
    assert connection.execute("table public.one").fetchall() == [(1,)]


def test_uninstall_by_force_drops_them_with_their_triggers(connect: Connect) -> None:
    connection = connect("a")
    install(session(connection))
    connection.execute("create table public.src (id int primary key)")
    connection.execute(
        "select pgtrickle.create_stream_table('public.\"On e\"', 'select id from public.src')"
    )
    connection.execute(
        "select pgtrickle.create_stream_table('public.two', 'select id from public.\"On e\"')"
    )
    connection.execute("select pgtrickle._ensure_capture('public.src'::regclass, '{id}')")
    assert uninstall(session(connection), force=True)
    assert count(connection, "pg_trigger where not tgisinternal") == 0
    assert count(connection, "pg_class where relname in ('On e', 'two')") == 0
    assert count(connection, "pg_namespace where nspname like 'pgtrickle%'") == 0
    assert not uninstall(session(connection))


def test_uninstall_by_force_needs_the_rights_to_drop(connect: Connect) -> None:
    connection = connect("a")
    install(session(connection))
    other = connect("b")
    other.execute("select pgtrickle.create_stream_table('public.theirs', 'select 1 as a')")
    with pytest.raises(MissingPrivilegeError, match="pgt_install_b"):
        uninstall(session(connection), force=True)
    assert other.execute("table public.theirs").fetchall() == [(1,)]
    assert uninstall(session(connect()), force=True)


def test_every_function_and_table_is_described(connect: Connect) -> None:
    connection = connect("a")
    install(session(connection))
    undescribed = connection.execute(
        "select p.oid::regprocedure::text from pg_proc p"
        " where pronamespace = 'pgtrickle'::regnamespace"
        " and obj_description(p.oid, 'pg_proc') is null"
        " union all select c.oid::regclass::text from pg_class c"
        " where relnamespace = 'pgtrickle'::regnamespace and relkind in ('r', 'v')"
        " and obj_description(c.oid, 'pg_class') is null"
    ).fetchall()
    assert undescribed == []


def test_definer_functions_pin_their_search_path(connect: Connect) -> None:
    connection = connect("a")
    install(session(connection))
    loose = connection.execute(
        "select p.oid::regprocedure::text from pg_proc p"
        " where pronamespace = 'pgtrickle'::regnamespace and prosecdef"
        " and not exists (select from unnest(proconfig) c where c like 'search_path=%')"
    ).fetchall()
    assert loose == []


def test_the_runtime_is_ascii() -> None:
    for file in installer._files():
        file.read_text(encoding="ascii")


OLD_BUILD = """
    create function pgtrickle.create_stream_table(name text, query text) returns void
        language sql as 'select';
    comment on function pgtrickle.create_stream_table(text, text) is 'As it once was';
    create procedure pgtrickle.run_due(everything boolean) language sql as 'select';
    comment on procedure pgtrickle.run_due(boolean) is 'As it once was';
    create function pgtrickle.of_the_user(integer) returns integer language sql as 'select 1';
    update pgtrickle.pgt_schema_version set fingerprint = 'an older build'
"""


def functions(connection: Connection) -> set[str]:
    return {
        name
        for (name,) in connection.execute(
            "select oid::regprocedure::text from pg_proc"
            " where pronamespace = 'pgtrickle'::regnamespace"
        )
    }


@pytest.mark.parametrize("recorded", [True, False])
def test_functions_of_an_older_build_go_and_those_of_users_stay(
    connect: Connect, recorded: bool
) -> None:
    connection = connect("a")
    install(session(connection))
    of_this_build = functions(connection)
    connection.execute(OLD_BUILD)
    if recorded:
        connection.execute(
            "insert into pgtrickle.pgt_routines values"
            " ('pgtrickle.create_stream_table(text,text)'), ('pgtrickle.run_due(boolean)')"
        )
    else:  # by a build that recorded nothing yet
        connection.execute("delete from pgtrickle.pgt_routines")
    # Somebody else's stay, whatever they are called.
    connect().execute(
        "create function pgtrickle.pgt_status(integer) returns integer language sql as 'select 1';"
        "comment on function pgtrickle.pgt_status(integer) is 'Not the installer''s'"
    )
    assert install(session(connection)).action == "upgraded"
    assert functions(connection) - of_this_build == {
        "pgtrickle.of_the_user(integer)",
        "pgtrickle.pgt_status(integer)",
    }
    connection.execute("select pgtrickle.create_stream_table('public.one', 'select 1 as a')")
    recorded_now = {
        name for (name,) in connection.execute("select name from pgtrickle.pgt_routines")
    }
    assert recorded_now == of_this_build


def test_what_a_users_view_needs_is_not_dropped_but_named(connect: Connect) -> None:
    connection = connect("a")
    install(session(connection))
    connection.execute(OLD_BUILD)
    connection.execute(
        "create function pgtrickle.version(integer) returns text language sql as 'select 1';"
        "insert into pgtrickle.pgt_routines values ('pgtrickle.version(integer)');"
        "create view public.mine as select pgtrickle.version(1)"
    )
    with pytest.raises(RetiredFunctionUsedError) as refused:
        install(session(connection))
    assert "view public.mine uses pgtrickle.version(integer)" in str(refused.value)
    assert refused.value.sqlstate == "2BP01"
    assert connection.execute("select * from public.mine").fetchone() == ("1",)
    connection.execute("drop view public.mine")
    assert install(session(connection)).action == "upgraded"
    assert "pgtrickle.version(integer)" not in functions(connection)
