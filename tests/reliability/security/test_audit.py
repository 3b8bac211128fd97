"""The audit of what is locked, without a network."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / ".ci" / "advisories.py"


@pytest.fixture
def advisories() -> ModuleType:
    spec = importlib.util.spec_from_file_location("advisories", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_locked_has_a_known_vulnerability(
    advisories: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(advisories.locked()) > 100
    assert advisories.check() == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("version", "found"), [("2.9.0", ["babel 2.9.0: PYSEC-2021-421"]), ("2.9.1", [])]
)
def test_a_version_that_has_one_is_named(
    advisories: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: str,
    found: list[str],
) -> None:
    monkeypatch.setattr(advisories, "locked", lambda: {"babel": {version}})
    assert advisories.check() == len(found)
    assert capsys.readouterr().out.splitlines()[1:] == found
