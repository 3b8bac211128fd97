"""`dbt init` and `dbt --version`, with the distribution installed as its users install it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


def _dbt(installed: Path, directory: Path, *arguments: str, answers: str = "") -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed), "DBT_PROFILES_DIR": str(directory)}
    done = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", *arguments],
        cwd=directory,
        env=environment,
        input=answers,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _number_of(adapter: str, installed: Path, directory: Path) -> str:
    """The number `dbt init` gives an adapter."""
    offered = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "init", "looking"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(installed), "DBT_PROFILES_DIR": str(directory)},
        input="",
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout
    shutil.rmtree(directory / "looking")
    [line] = [line for line in offered.splitlines() if line.endswith(f"] {adapter}")]
    assert "pgtrickle_package" not in offered
    return line[1 : line.index("]")]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["1", "here", "", "", "8"], {"embedded": "here"}),
        (
            ["2", "db.example.org", "", "ada", "secret", "shop", "", ""],
            {
                "host": "db.example.org",
                "port": 5432,
                "user": "ada",
                "password": "secret",
                "dbname": "shop",
                "threads": 4,
            },
        ),
    ],
    ids=["embedded", "server"],
)
def test_init_offers_a_server_of_one_s_own_and_one_elsewhere(
    installed: Path, tmp_path: Path, answers: list[str], expected: dict[str, object]
) -> None:
    number = _number_of("pgtrickle", installed, tmp_path)
    _dbt(installed, tmp_path, "init", "shop", answers="\n".join([number, *answers, ""]))
    profiles = yaml.safe_load((tmp_path / "profiles.yml").read_text())
    common = {"type": "pgtrickle", "dbname": "postgres", "schema": "dev", "threads": 8}
    assert profiles["shop"]["outputs"]["dev"] == {**common, **expected}


def test_version_names_the_adapter(installed: Path, tmp_path: Path) -> None:
    printed = _dbt(installed, tmp_path, "--version")
    assert "- pgtrickle:" in printed


def test_the_sample_profile_is_one(installed: Path) -> None:
    from dbt.adapters.pgtrickle import PgTrickleCredentials

    sample = installed / "dbt" / "include" / "pgtrickle" / "adapter" / "sample_profiles.yml"
    [profile] = yaml.safe_load(sample.read_text()).values()
    for output in profile["outputs"].values():
        assert output.pop("type") == "pgtrickle"
        output.pop("threads")
        given = {key: 5432 if key == "port" else str(value) for key, value in output.items()}
        PgTrickleCredentials.validate(PgTrickleCredentials.translate_aliases(given))
