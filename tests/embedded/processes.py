"""Other processes that use a server, to be watched, told to end, and killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Says the postmaster's number once the server answers; ends when its input does.
_USE = """
import sys, psycopg
from pgtrickle.embedded import server
with server(sys.argv[1]) as used:
    with psycopg.connect(used.dsn) as connection:
        connection.execute("select 1")
    print(used.status().pid, flush=True)
    sys.stdin.read()
"""

User = subprocess.Popen[str]


def use(directory: Path) -> User:
    """A new process that uses the server of `directory`."""
    return subprocess.Popen(
        [sys.executable, "-c", _USE, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def postmaster_seen_by(user: User) -> int:
    """Wait until the process has the server; the postmaster's number."""
    assert user.stdout is not None
    line = user.stdout.readline()
    assert line, f"the process ended with status {user.wait()}"
    return int(line)


def end(user: User) -> None:
    user.communicate(timeout=60)
    assert user.returncode == 0
