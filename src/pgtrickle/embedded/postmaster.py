"""The server process as its data directory tells of it: alive, or a left-over to clear away."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

# Processes this one started: kept, so that they are reaped and not left as zombies.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Postmaster:
    """What postmaster.pid says of a server that is alive."""

    pid: int
    started: int  # seconds since the epoch
    port: int
    socket_directory: Path
    ready: bool

    @classmethod
    def of(cls, data: Path) -> Postmaster | None:
        """The live server of a data directory, or None; a stale postmaster.pid is None."""
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        try:
            pid, started = int(lines[0]), int(lines[2])
        except (IndexError, ValueError):
            return None  # empty or torn: its writer did not live to finish it
        if not is_server(pid, data):
            return None
        # A starting server has not written all the lines yet.
        rest = [line.strip() for line in lines[3:]] + [""] * 5
        return cls(pid, started, int(rest[0] or 0), Path(rest[1] or data), ready=rest[4] == "ready")


def adopt(process: subprocess.Popen[bytes]) -> None:
    _started.append(process)


def is_server(pid: int, data: Path) -> bool:
    """Whether `pid` is the postmaster of `data`: not a zombie, not a stranger with its number."""
    for child in _started:
        child.poll()
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
            return False
        # Another user's process hides where it works, but not how it was called.
        return str(data) in process.cmdline() or process.cwd() == str(data)
    except psutil.Error:
        return False


def clear_left_overs(data: Path, socket_directory: Path) -> None:
    """Make way for a new server after one that died without a goodbye.

    Its backends may outlive it for as long as their query runs, writing to the data: they are
    ended first. postmaster.pid is not deleted, because with its shared memory key PostgreSQL
    checks once more that nobody is left. But the number in it may by now be another process's,
    or a zombie's, at which PostgreSQL would refuse to start; that of the starting process's
    parent, ours, it disregards.
    """
    _end_orphans(data)
    pid_file = data / "postmaster.pid"
    if pid_file.exists():
        lines = pid_file.read_text().splitlines()
        if len(lines) < 7:
            pid_file.unlink()
        else:
            # In place: the file belongs to the server's account.
            pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    for left in socket_directory.glob(".s.PGSQL.*"):
        left.unlink(missing_ok=True)


def _end_orphans(data: Path, patience: float = 10) -> None:
    for end in (psutil.Process.terminate, psutil.Process.kill):
        orphans = list(_processes_in(data))
        if not orphans:
            return
        for orphan in orphans:
            with contextlib.suppress(psutil.Error):
                end(orphan)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(_processes_in(data)):
            time.sleep(0.05)


def _processes_in(data: Path) -> Iterator[psutil.Process]:
    """The processes of a server: every one works in the data directory."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if (
                process.name().startswith("postgres")
                and process.status() != psutil.STATUS_ZOMBIE
                and process.cwd() == str(data)
            ):
                yield process
