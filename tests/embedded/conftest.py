from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgtrickle.embedded import Server


@pytest.fixture
def home(servers_directory: Path) -> Iterator[Path]:
    """A directory for the servers of one test."""
    directory = Path(tempfile.mkdtemp(prefix="test-", dir=servers_directory))
    directory.chmod(0o711)
    yield directory
    for lock in directory.rglob("lock"):
        Server(lock.parent).stop()
    for link in directory.rglob("data"):
        if link.is_symlink():
            shutil.rmtree(link.resolve())
    shutil.rmtree(directory)
