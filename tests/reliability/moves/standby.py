"""Copies of a whole server, as they are made for standbys and kept as backups."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from tests.conftest import PROGRAMS, SETTINGS

from pgtrickle.embedded import Server
from pgtrickle.embedded.installation import choose


def base_backup(primary: Server, directory: Path, *, standby: bool = False) -> Server:
    """A copy of the whole server, taken while it runs; it has not been started."""
    data = directory / "data"
    directory.mkdir()
    program = choose(PROGRAMS).program("pg_basebackup")
    place = conninfo_to_dict(str(primary.status().dsn))
    command = [program, "--pgdata", data, "--checkpoint", "fast", *(["-R"] if standby else [])]
    for option in ("host", "port", "user"):
        command += [f"--{option}", str(place[option])]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    owner = (primary.directory / "data").resolve().stat()
    for path in (directory, *directory.rglob("*")):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    data.chmod(0o700)
    # What asks a standby is not cancelled for what the primary cleans up meanwhile.
    waits = {"max_standby_archive_delay": "-1", "max_standby_streaming_delay": "-1"}
    return Server(directory, postgres=PROGRAMS, settings={**SETTINGS, **waits})
