"""The examples of a worker as a service start one that serves, and stops when it is told to."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pgtrickle.engine import Engine

from .conftest import Worker

EXAMPLES = Path(__file__).parents[2] / "examples" / "worker"


def systemd() -> tuple[list[str], str]:
    unit = (EXAMPLES / "pgtrickle-worker.service").read_text()
    return shlex.split(_only(r"^ExecStart=(.*)", unit)), _only(r"^KillSignal=(.*)", unit)


def container() -> tuple[list[str], str]:
    file = (EXAMPLES / "Containerfile").read_text()
    entry, further = (_only(rf"^{name} (.*)", file) for name in ("ENTRYPOINT", "CMD"))
    return json.loads(entry) + json.loads(further), _only(r"^STOPSIGNAL (.*)", file)


def _only(pattern: str, text: str) -> str:
    (found,) = re.findall(pattern, text, re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("example", [systemd, container])
def test_the_command_of_an_example_serves_until_its_signal(
    example: Callable[[], tuple[list[str], str]],
    own_engine: Engine,
    database: str,
    start_worker: Callable[..., Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (program, command, *arguments), stop = example()
    assert (Path(program).name, command) == ("pgtrickle", "worker")
    monkeypatch.setenv("PGTRICKLE_DSN", database)
    worker = start_worker(*arguments)
    worker.logged('"event": "serving"')
    assert worker.stop(signal.Signals[stop]) == 0
