"""Locks between processes, which the kernel releases when their holder dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import DirectoryError


@contextlib.contextmanager
def exclusive(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold `path` alone; waits for other holders, DirectoryError after `timeout` seconds."""
    descriptor = _open(path)
    try:
        deadline = time.monotonic() + timeout
        while not _take(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise DirectoryError(
                    f"Another process has been starting or stopping the server"
                    f" for {timeout:.0f} seconds ({path} is locked)."
                )
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


class Share:
    """One user's share of `path`. Whoever gives back the last one knows it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _open(path)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def give_back(self) -> bool:
        """Release the share; true when nobody else holds one."""
        try:
            return _take(self._descriptor, fcntl.LOCK_EX)
        finally:
            os.close(self._descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise DirectoryError(
            f"{path} belongs to somebody else.",
            hint="Use the server as the user who started it first, or in another directory.",
        ) from error


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
