"""Puts the runtime (``runtime/*.sql``) into a database, brings it up to date, takes it out again.

A fresh database gets every file of the runtime in order. An older runtime gets the migrations it
lacks (``runtime/migrations/<number>_<what>.sql``) and then every file from ``030`` on again: those
only create or replace; functions that are not among them any more are dropped, and the trigger
functions of sources are made anew. All of it happens in one transaction, and two installs at once
wait for each other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgtrickle import __version__
from pgtrickle.errors import PgTrickleError
from pgtrickle.routines import Routines

if TYPE_CHECKING:
    from pgtrickle.database import Session

OLDEST_SERVER = 15
# Files below this number create what migrations change; all others can be run again.
_FIRST_REPEATABLE = "030"
_RUNTIME = Path(__file__).parent / "runtime"


class InstallError(PgTrickleError):
    """The runtime cannot be installed, brought up to date or removed here."""


class MissingPrivilegeError(InstallError):
    """The role lacks a right; `hint` is the statement an administrator has to run."""

    sqlstate = "42501"


class StreamTablesExistError(InstallError):
    """The runtime is not removed while stream tables need it."""

    sqlstate = "2BP01"


@dataclass(frozen=True, slots=True)
class Installation:
    """The runtime in a database. `migration` is the number of the last migration it has."""

    version: str
    migration: int
    fingerprint: str
    owner: str


@dataclass(frozen=True, slots=True)
class InstallResult:
    """What `install` did: `action` is installed, upgraded, current, newer or native.

    `version` is that of the engine now in the database, `previous` that of the one before.
    """

    action: str
    version: str
    previous: str | None = None

    @property
    def message(self) -> str:
        match self.action:
            case "native":
                return (
                    f"The extension pg_trickle {self.version} is installed in this database;"
                    " nothing was changed."
                )
            case "installed":
                return f"Runtime {self.version} was installed."
            case "upgraded":
                return f"Runtime {self.previous} was brought up to {self.version}."
            case "newer":
                return (
                    f"The runtime in this database, {self.version}, is newer than this package,"
                    f" {__version__}; nothing was changed."
                )
            case _:
                return f"Runtime {self.version} is installed and current."


def installed_version(session: Session) -> str | None:
    """The version of the runtime in the database, or None."""
    installation = _installation(session)
    return installation.version if installation else None


def native_extension(session: Session) -> str | None:
    """The version of the extension pg_trickle in the database, or None."""
    rows = session.rows(
        "select extversion from pg_catalog.pg_extension where extname = 'pg_trickle'"
    )
    return str(rows[0][0]) if rows else None


def install(session: Session) -> InstallResult:
    """Install the runtime, or bring it up to this version; leave the native extension alone.

    Runs in the session's transaction, or in one of its own where there is none. Raises
    `MissingPrivilegeError` where the role lacks CREATE on the database or does not own the runtime.
    """
    native = native_extension(session)
    if native is not None:
        return InstallResult("native", native)
    settled = _settled(_installation(session))
    if settled is not None:
        return settled
    _check_server(session)
    with _transaction(session):
        session.rows(
            "select pg_catalog.pg_advisory_xact_lock("
            "pg_catalog.hashtextextended('pgtrickle.install', 0))"
        )
        previous = _installation(session)
        settled = _settled(previous)
        if settled is not None:
            return settled
        if previous is None:
            _check_may_install(session)
            _bring_up_to_date(session, _files())
            return InstallResult("installed", __version__)
        with _as_owner(session, previous.owner):
            repeatable = [file for file in _files() if file.name >= _FIRST_REPEATABLE]
            _bring_up_to_date(session, _migrations_after(previous.migration) + repeatable)
            session.rows("select pgtrickle._renew_source_functions()")
    return InstallResult("upgraded", __version__, previous.version)


def _bring_up_to_date(session: Session, scripts: list[Path]) -> None:
    routines = Routines(session)
    _run(session, scripts)
    routines.settle()
    _record(session)


def uninstall(session: Session, force: bool = False) -> bool:
    """Remove the runtime; False where there was none.

    Raises `StreamTablesExistError` while there are stream tables, unless `force`, which drops them
    first, with the capture triggers on their sources.
    """
    installation = _installation(session)
    if installation is None:
        return False
    with _transaction(session):
        with _as_owner(session, installation.owner):
            remaining = _stream_tables(session)
        if remaining and not force:
            names = [name for name, _ in remaining]
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            raise StreamTablesExistError(
                f"The runtime is needed by {len(names)} stream tables: {shown}",
                hint="Drop them first, or use --force, which drops them with their data",
            )
        for name, owner in remaining:
            _drop_stream_table(session, name, owner)
        with _as_owner(session, installation.owner):
            # Capture triggers on sources and guards on forgotten tables go with their functions.
            session.rows("drop schema pgtrickle_changes, pgtrickle_state, pgtrickle cascade")
    return True


def _stream_tables(session: Session) -> list[tuple[str, str]]:
    """Quoted name and owner of every stream table, those that read others first."""
    return [
        (name, owner)
        for name, owner in session.rows(
            "select pg_catalog.quote_ident(pgt_schema) || '.' || pg_catalog.quote_ident(pgt_name),"
            " pg_catalog.pg_get_userbyid(pgt_owner)"
            " from pgtrickle.pgt_stream_tables s"
            " where exists (select from pg_catalog.pg_class c where c.oid = s.pgt_relid)"
            " order by (select pg_catalog.count(*) from pgtrickle._downstream(s.pgt_relid)), 1"
        )
    ]


def _drop_stream_table(session: Session, name: str, owner: str) -> None:
    ((may_drop,),) = session.rows("select pg_catalog.pg_has_role(%s, 'USAGE')", (owner,))
    if not may_drop:
        raise MissingPrivilegeError(
            f"Stream table {name} belongs to role {owner}, who alone can drop it",
            hint=f"Run this as a superuser, or as a member of {owner}",
        )
    session.rows("select pgtrickle.drop_stream_table(%s, true)", (name,))


def _installation(session: Session) -> Installation | None:
    """The runtime in the database, or None. Raises InstallError where the schema is another's."""
    rows = session.rows(
        "select pg_catalog.to_regclass('pgtrickle.pgt_schema_version') is not null,"
        " pg_catalog.pg_get_userbyid(nspowner)"
        " from pg_catalog.pg_namespace where nspname = 'pgtrickle'"
    )
    if not rows:
        return None
    has_version, owner = rows[0]
    versions = (
        session.rows(
            "select version, migration, fingerprint from pgtrickle.pgt_schema_version"
            " order by applied_at desc, migration desc limit 1"
        )
        if has_version
        else []
    )
    if not versions:
        raise InstallError(
            "This database has a schema named pgtrickle that is not this engine's",
            sqlstate="42P06",
            hint="Rename or drop it, or use another database",
        )
    version, migration, fingerprint = versions[0]
    return Installation(version, migration, fingerprint, owner)


def _settled(installation: Installation | None) -> InstallResult | None:
    """The result where there is nothing to do, else None."""
    if installation is None:
        return None
    if installation.migration > _last_migration():
        raise InstallError(
            f"The runtime in this database, {installation.version}, is newer than this package,"
            f" {__version__}, and of another form",
            hint="Upgrade the package: pip install --upgrade dbt-pgtrickle",
        )
    if _release(installation.version) > _release(__version__):
        return InstallResult("newer", installation.version)
    present = (installation.version, installation.migration, installation.fingerprint)
    if present == (__version__, _last_migration(), _fingerprint()):
        return InstallResult("current", installation.version)
    return None


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version: those of 0.1.0.dev0 are 0, 1, 0."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in numbers.group().split(".")) if numbers else ()


def _check_server(session: Session) -> None:
    ((number, in_recovery),) = session.rows(
        "select pg_catalog.current_setting('server_version_num')::int,"
        " pg_catalog.pg_is_in_recovery()"
    )
    if number < OLDEST_SERVER * 10000:
        raise InstallError(
            f"This server is PostgreSQL {number // 10000}; {OLDEST_SERVER} or newer is needed",
            sqlstate="0A000",
        )
    if in_recovery:
        raise InstallError(
            "This server is a standby, which cannot be written to",
            sqlstate="25006",
            hint="Install on the primary",
        )


def _check_may_install(session: Session) -> None:
    ((allowed, statement),) = session.rows(
        "select pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),"
        " pg_catalog.format('grant create on database %I to %I',"
        " pg_catalog.current_database(), current_user)"
    )
    if not allowed:
        raise MissingPrivilegeError(
            "This role may not create the schemas of the runtime in this database",
            hint=f"An administrator has to run: {statement};",
        )


@contextmanager
def _as_owner(session: Session, owner: str) -> Iterator[None]:
    """Act as the runtime's owner, so that new objects belong to whom the old ones belong."""
    ((user, role, member),) = session.rows(
        "select current_user, pg_catalog.current_setting('role'),"
        " pg_catalog.pg_has_role(%s, 'MEMBER')",
        (owner,),
    )
    if user == owner:
        yield
        return
    if not member:
        raise MissingPrivilegeError(
            f"The runtime in this database belongs to role {owner}",
            hint=f"Run it as {owner}, or have an administrator run: grant {owner} to {user};",
        )
    session.rows("select pg_catalog.set_config('role', %s, true)", (owner,))
    yield
    session.rows("select pg_catalog.set_config('role', %s, true)", (role,))


@contextmanager
def _transaction(session: Session) -> Iterator[None]:
    """All or nothing: a savepoint in the session's transaction, or a transaction of our own.

    Leaves search_path as it was; inside, it is pg_catalog alone.
    """
    read_xid = "select pg_catalog.pg_current_xact_id()::text"
    within = session.rows(read_xid) == session.rows(read_xid)
    name = "pgtrickle_install"
    session.rows(f"savepoint {name}" if within else "begin")
    try:
        ((search_path,),) = session.rows("select pg_catalog.current_setting('search_path')")
        set_path = "select pg_catalog.set_config('search_path', %s, true)"
        session.rows(set_path, ("pg_catalog, pg_temp",))
        yield
        session.rows(set_path, (search_path,))
    except BaseException:
        session.rows(f"rollback to savepoint {name}" if within else "rollback")
        raise
    session.rows(f"release savepoint {name}" if within else "commit")


def _files() -> list[Path]:
    """The runtime's files in the order in which they are run."""
    return _sql_files(_RUNTIME)


def _migrations() -> list[tuple[int, Path]]:
    """The migrations with their numbers, oldest first."""
    found = _sql_files(_RUNTIME / "migrations")
    return [(int(file.name.split("_", 1)[0]), file) for file in found]


def _sql_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sql"))


def _last_migration() -> int:
    return max((number for number, _ in _migrations()), default=0)


def _migrations_after(last: int) -> list[Path]:
    return [file for number, file in _migrations() if number > last]


def _fingerprint() -> str:
    """A hash over the runtime, which tells two builds of one version apart."""
    digest = hashlib.sha256()
    for file in _files():
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _run(session: Session, scripts: list[Path]) -> None:
    for script in scripts:
        session.rows(script.read_text(encoding="utf-8"))


def _record(session: Session) -> None:
    session.rows(
        "insert into pgtrickle.pgt_schema_version"
        " (version, applied_at, description, migration, fingerprint)"
        " values (%s, pg_catalog.clock_timestamp(), 'dbt-pgtrickle, portable engine', %s, %s)"
        " on conflict (version) do update set applied_at = excluded.applied_at,"
        " migration = excluded.migration, fingerprint = excluded.fingerprint",
        (__version__, _last_migration(), _fingerprint()),
    )
