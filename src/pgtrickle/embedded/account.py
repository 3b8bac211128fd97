"""Under which account the server runs: one's own, or, for root, one without privileges.

PostgreSQL refuses to run as root. Root therefore hands the data to an unprivileged account, and
moves what that account cannot reach to where it can, rather than open root's directories to it.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import EmbeddedError
from .installation import Installation

# Where root keeps what an unprivileged account must reach.
_COMMON = Path("/var/lib/pgtrickle")


@dataclass(frozen=True)
class Account:
    """An operating-system account, and whether it must be switched to."""

    uid: int
    gid: int
    switch: bool

    @classmethod
    def for_server(cls) -> Account:
        """The account a server started by this process runs under."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), switch=False)
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            if entry.pw_uid != 0:
                return cls(entry.pw_uid, entry.pw_gid, switch=True)
        raise EmbeddedError(
            "PostgreSQL refuses to run as root, and there is no account to run it under.",
            hint="Add the account `postgres` (useradd --system postgres), or do not run as root.",
        )

    def process_options(self) -> dict[str, Any]:
        """Arguments for `subprocess` that make the child run under this account."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "LC_")) and name not in ("LANG", "LANGUAGE")
        }
        options: dict[str, Any] = {"env": {**environment, "LC_ALL": "C"}, "cwd": "/"}
        if self.switch:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def own(self, path: Path) -> None:
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def reaches(self, directory: Path) -> bool:
        """Whether this account can pass through `directory`."""
        if not self.switch:
            return True
        return self._succeeds(["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)])

    def common_directory(self) -> Path:
        """A new directory of this account's own, where it can reach it."""
        _COMMON.mkdir(mode=0o711, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="data-", dir=_COMMON))
        self.own(made)
        return made

    def runnable(self, installation: Installation) -> Installation:
        """The installation, or a copy of it that this account can run."""
        if not self.switch or self._succeeds([str(installation.program("initdb")), "--version"]):
            return installation
        # A virtual environment in root's home, say. The libraries of a wheel lie beside its
        # package, found relative to the programs, so the copy keeps the arrangement.
        prefix = installation.bin.parent
        package = prefix.parent
        mark = hashlib.sha256(f"{prefix}{prefix.stat().st_mtime_ns}".encode()).hexdigest()[:12]
        home = _COMMON / f"postgresql-{installation.version}-{mark}"
        if not home.exists():
            _COMMON.mkdir(mode=0o711, parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(prefix="copy-", dir=_COMMON))
            unfinished.chmod(0o755)
            shutil.copytree(prefix, unfinished / package.name / prefix.name, symlinks=True)
            libraries = package.with_name(package.name + ".libs")
            if libraries.is_dir():
                shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
            try:
                unfinished.rename(home)
            except OSError:  # another process was faster
                shutil.rmtree(unfinished)
        copied = Installation.at(home / package.name / prefix.name / installation.bin.name)
        if not self._succeeds([str(copied.program("initdb")), "--version"]):
            raise EmbeddedError(
                f"The account that must run the server cannot run {copied.program('initdb')}.",
                hint="Make the programs readable and executable by all, or do not run as root.",
            )
        return copied

    def _succeeds(self, command: list[str]) -> bool:
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, timeout=60, **self.process_options()
            )
        except OSError:
            return False
        except subprocess.SubprocessError as error:
            raise EmbeddedError(
                "PostgreSQL refuses to run as root, and this root may not switch to"
                " another account.",
                hint="Run as an ordinary user.",
            ) from error
        return done.returncode == 0
