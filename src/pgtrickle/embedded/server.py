"""A PostgreSQL server that lives in a directory.

DIR/data         the data directory; a link to it where root's DIR is closed to the server
DIR/run          the socket, unless its path would be too long
DIR/server.log   what the server says
DIR/lock         held while somebody starts or stops the server
DIR/users        shared by whoever uses the server for a while; the last one stops it
DIR/stay         present when the server was started to stay, not for a while
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from . import postmaster
from .account import Account
from .errors import DirectoryError, ServerStartError, ServerStopError
from .installation import Installation, choose
from .locks import Share, exclusive
from .postmaster import Postmaster

USER = "postgres"
# Nobody else uses the socket's directory, so the number is never in another server's way.
PORT = 5432

# What an address of a unix socket holds, less its final zero: 108 bytes on Linux, 104 on macOS.
_LONGEST_SOCKET_PATH = 103
_LOCK_TIMEOUT = 180.0
_START_TIMEOUT = 120.0
_STOP_TIMEOUT = 60.0
_LARGEST_LOG = 10 * 1024 * 1024

# Written once into postgresql.conf, where the user may change them.
_DEFAULTS = """
# Set by pgtrickle for development on one's own machine; change them as you like.
# Durability is as PostgreSQL ships it: a crash loses nothing that was committed.
shared_buffers = 64MB
wal_level = logical
jit = off
log_line_prefix = '%m [%p] %q%u@%d '
"""


@dataclass(frozen=True)
class Status:
    """Whether the server of a directory runs, and how to reach it."""

    directory: Path
    running: bool
    pid: int | None = None
    version: str | None = None
    started: float | None = None  # seconds since the epoch
    dsn: str | None = None


class Server:
    """The server of one directory, shared by every process that names it.

    `postgres` is a directory of PostgreSQL's programs, or "machine" (see `choose`); it matters
    when the server is started. `settings` are server settings for that start.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        postgres: str | Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = Path(directory).expanduser().absolute()
        self._postgres = postgres
        self._settings = dict(settings or {})
        self._share: Share | None = None

    # -- what users call ---------------------------------------------------------------------

    def start(self) -> Status:
        """Start the server to stay, unless it runs; then it stays from now on."""
        self._prepare_directory()
        with self._locked():
            self._ensure_running()
            self._stay.touch()
        return self.status()

    def stop(self) -> bool:
        """Stop the server, whoever uses it; false when it did not run."""
        if not self._lock.exists():
            return False
        with self._locked():
            self._stay.unlink(missing_ok=True)
            return self._shut_down()

    def acquire(self) -> None:
        """Use the server for a while, starting it if need be. Give it back with `release`."""
        if self._share is not None:
            raise RuntimeError("this Server is already in use; make another one")
        self._prepare_directory()
        with self._locked():
            share = Share(self._users)
            try:
                self._ensure_running()
            except BaseException:
                share.give_back()
                raise
            self._share = share

    def release(self) -> None:
        """End the use; the last user stops a server that was not started to stay."""
        share, self._share = self._share, None
        if share is None:
            return
        with self._locked():
            if share.give_back() and not self._stay.exists():
                self._shut_down()

    def status(self) -> Status:
        alive = self._alive()
        if alive is None or not alive.ready:
            return Status(self.directory, running=False, version=self._data_version())
        return Status(
            self.directory,
            running=True,
            pid=alive.pid,
            version=self._data_version(),
            started=alive.started,
            dsn=self._dsn(alive, USER),
        )

    @property
    def dsn(self) -> str:
        """How to connect to the database `postgres` of the running server, as its superuser."""
        return self.dsn_of(USER)

    def dsn_of(self, database: str, *, user: str = USER) -> str:
        """How to connect to a database of the running server."""
        return self._dsn(self._running(), database, user)

    @property
    def socket_directory(self) -> Path:
        """The host to give to a client that takes host and port."""
        return self._running().socket_directory

    @property
    def port(self) -> int:
        return self._running().port

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    def psql(self, database: str = USER) -> list[str]:
        """The command that opens psql on the running server."""
        return [str(self._installation().program("psql")), self.dsn_of(database)]

    # -- files -------------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return (self.directory / "data").resolve()

    @property
    def _lock(self) -> Path:
        return self.directory / "lock"

    @property
    def _users(self) -> Path:
        return self.directory / "users"

    @property
    def _stay(self) -> Path:
        return self.directory / "stay"

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return exclusive(self._lock, timeout=_LOCK_TIMEOUT)

    def _prepare_directory(self) -> None:
        directory = self.directory
        if (directory / "PG_VERSION").exists():
            raise DirectoryError(
                f"{directory} is a data directory of PostgreSQL itself.",
                hint="Name a directory of its own for the embedded server.",
            )
        try:
            # Root's server runs under another account, which must pass through, not look around.
            directory.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True)
        except FileExistsError:
            if not directory.is_dir():
                raise DirectoryError(f"{directory} is not a directory.") from None
        except OSError as error:
            raise DirectoryError(f"{directory} cannot be made: {error.strerror}.") from error

    def _installation(self) -> Installation:
        version = self._data_version()
        return choose(self._postgres, major=int(version) if version is not None else None)

    def _data_version(self) -> str | None:
        try:
            return (self._data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise DirectoryError(
                f"The server in {self.directory} belongs to somebody else.",
                hint="Use it as the user who started it first, or use another directory.",
            ) from error

    # -- the life of the process; the lock is held -------------------------------------------

    def _ensure_running(self) -> None:
        alive = self._alive()
        if alive is None:
            self._launch()
        elif not alive.ready:  # whoever started it died before it was ready
            self._await_ready(None)

    def _launch(self) -> None:
        account = Account.for_server()
        installation = account.runnable(self._installation())
        self._ensure_data(account, installation)
        data = self._data
        sockets = self._make_socket_directory(account)
        postmaster.clear_left_overs(data, sockets)
        settings = {
            **self._settings,
            "listen_addresses": "",
            "unix_socket_directories": _quoted(sockets),
            "unix_socket_permissions": "0700",
            "port": str(PORT),
        }
        command = [str(installation.program("postgres")), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.old"))
        # Closed to others: it quotes statements, and so data.
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # In a session of its own, so that neither Ctrl-C nor the end of this process ends it.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **account.process_options(),
            )
        finally:
            os.close(log)
        postmaster.adopt(process)
        self._await_ready(process)

    def _await_ready(self, process: subprocess.Popen[bytes] | None) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            ended = process is not None and process.poll() is not None
            alive = self._alive()
            if alive is not None and alive.ready:
                return
            if ended or (process is None and alive is None) or time.monotonic() > deadline:
                happened = "did not start" if ended else "was not ready in time"
                raise ServerStartError(
                    f"The PostgreSQL server in {self.directory} {happened}. It said:\n"
                    f"{self._last_words()}",
                    hint=f"All it said is in {self.log}.",
                )
            time.sleep(0.05)

    def _shut_down(self) -> bool:
        alive = self._alive()
        if alive is None:
            return False
        # Fast: ends sessions, writes a checkpoint. Immediate, if it hangs: recovers at next start.
        for ending in (signal.SIGINT, signal.SIGQUIT):
            try:
                os.kill(alive.pid, ending)
            except ProcessLookupError:
                break
            except PermissionError as error:
                raise ServerStopError(
                    f"The server in {self.directory} (process {alive.pid}) belongs to"
                    " somebody else."
                ) from error
            deadline = time.monotonic() + _STOP_TIMEOUT
            while postmaster.is_server(alive.pid, self._data) and time.monotonic() < deadline:
                time.sleep(0.02)
            if not postmaster.is_server(alive.pid, self._data):
                break
        else:
            raise ServerStopError(
                f"The server in {self.directory} (process {alive.pid}) does not stop.",
                hint=f"What it says is in {self.log}.",
            )
        if alive.socket_directory != self.directory / "run":
            shutil.rmtree(alive.socket_directory, ignore_errors=True)
        return True

    def _alive(self) -> Postmaster | None:
        try:
            return Postmaster.of(self._data)
        except PermissionError as error:
            raise DirectoryError(
                f"The server in {self.directory} belongs to somebody else.",
                hint="Use it as the user who started it first, or use another directory.",
            ) from error

    def _running(self) -> Postmaster:
        alive = self._alive()
        if alive is None or not alive.ready:
            raise DirectoryError(
                f"No server is running in {self.directory}.",
                hint=f"Start it: pgtrickle server start {self.directory}",
            )
        return alive

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])

    @staticmethod
    def _dsn(alive: Postmaster, database: str, user: str = USER) -> str:
        return make_conninfo(
            host=str(alive.socket_directory), port=alive.port, user=user, dbname=database
        )

    # -- making what the process needs; the lock is held --------------------------------------

    def _ensure_data(self, account: Account, installation: Installation) -> None:
        link = self.directory / "data"
        if link.is_symlink() and not link.exists():
            raise DirectoryError(
                f"The data of {self.directory} is gone: {link} points to {link.readlink()}.",
                hint=f"Bring it back, or remove {link} to begin anew.",
            )
        for unfinished in self.directory.glob("data.new-*"):
            # Its initdb may live a little longer than the process that called it and died.
            shutil.rmtree(unfinished, ignore_errors=True)
        if (self._data / "PG_VERSION").exists():
            return
        if link.exists():
            raise DirectoryError(
                f"{link} exists and holds no PostgreSQL data.",
                hint="Name a directory of its own for the embedded server.",
            )
        here = account.reaches(self.directory)
        if here:
            new = Path(tempfile.mkdtemp(prefix="data.new-", dir=self.directory))
            account.own(new)
        else:
            new = account.common_directory()
        try:
            self._initialise(account, installation, new)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        # Only now does it exist: whoever dies half-way leaves nothing that looks like data.
        if here:
            new.rename(link)
        else:
            link.symlink_to(new)

    def _initialise(self, account: Account, installation: Installation, data: Path) -> None:
        command = [
            str(installation.program("initdb")),
            f"--pgdata={data}",
            f"--username={USER}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            # The way in is the socket's directory, closed to others; there is no other way.
            "--auth-local=trust",
            "--auth-host=reject",
        ]
        if installation.major >= 17:
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            **account.process_options(),
        )
        if done.returncode != 0:
            raise ServerStartError(
                f"The data directory could not be made in {self.directory}. initdb said:\n"
                f"{done.stdout.strip()}"
            )
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(_DEFAULTS)

    def _make_socket_directory(self, account: Account) -> Path:
        near = self.directory / "run"
        too_long = len(os.fsencode(near / f".s.PGSQL.{PORT}")) > _LONGEST_SOCKET_PATH
        # libpq takes a comma for the end of one host and the beginning of the next.
        nameable = not too_long and "," not in str(near)
        if nameable and account.reaches(self.directory):
            near.mkdir(mode=0o700, exist_ok=True)
            near.chmod(0o700)
            account.own(near)
            return near
        # Not tempfile's choice: on macOS that is long as well. The same name at every start,
        # so that what users wrote down goes on working, unless somebody sits on it.
        mark = hashlib.sha256(os.fsencode(self._data)).hexdigest()[:16]
        short = Path("/tmp") / f"pgtrickle-{account.uid}-{mark}"
        try:
            short.mkdir(mode=0o700)
            account.own(short)
        except FileExistsError:
            found = short.lstat()
            if short.is_symlink() or found.st_uid != account.uid or found.st_mode & 0o077:
                short = Path(tempfile.mkdtemp(prefix=f"pgtrickle-{account.uid}-", dir="/tmp"))
                account.own(short)
        return short


def _quoted(path: Path) -> str:
    """A path as an element of a server setting that is a list of paths."""
    return '"' + str(path).replace('"', '""') + '"'


@contextlib.contextmanager
def server(
    directory: str | Path,
    *,
    postgres: str | Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Use the server of `directory` for a while: started if need be, stopped by its last user.

    One that was started to stay (`Server.start`, `pgtrickle server start`) is left running.
    """
    used = Server(directory, postgres=postgres, settings=settings)
    used.acquire()
    try:
        yield used
    finally:
        used.release()
