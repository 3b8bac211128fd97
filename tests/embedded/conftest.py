from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgtrickle.embedded import Server


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for servers, which an unprivileged account can pass through.

    pytest's own are closed to others, so that root's server would keep its data elsewhere.
    """
    directory = Path(tempfile.mkdtemp(prefix="pgtrickle-test-"))
    directory.chmod(0o711)
    yield directory
    for lock in directory.rglob("lock"):
        Server(lock.parent).stop()
    for link in directory.rglob("data"):
        if link.is_symlink():
            shutil.rmtree(link.resolve())
    shutil.rmtree(directory)
