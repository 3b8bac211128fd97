"""dbt's profiles.yml, as the command line and Python read it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.dbt.conftest import output

import pgtrickle
from pgtrickle import cli
from pgtrickle.profiles import dsn_of_profile

Profiles = Callable[..., None]


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profiles:
    """A function that writes profiles.yml with one profile, `shop`, of these outputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)

    def write(**outputs: dict[str, Any]) -> None:
        shop = {"target": next(iter(outputs)), "outputs": outputs}
        (tmp_path / "profiles.yml").write_text(yaml.safe_dump({"shop": shop}))

    return write


@pytest.mark.parametrize("setup", ["package", "adapter", "embedded"])
def test_the_command_works_on_the_database_of_a_target(
    database: str, profiles: Profiles, setup: str, capsys: pytest.CaptureFixture[str]
) -> None:
    profiles(other={"type": "snowflake"}, dev=output(setup, database))
    named = ["--profile", "shop", "--target", "dev"]
    assert cli.run([*named, "install"]) == 0
    made = ["create", "public.one", "--query", "select 1 as one"]
    assert cli.run([*named, *made]) == 0
    assert cli.run(["worker", *named, "--once"]) == 0  # or after the command, as dbt has it
    capsys.readouterr()
    assert cli.run([*named, "status", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["public.one"]
    with pgtrickle.connect(profile="shop", target="dev") as engine:
        assert [row.name for row in engine.status()] == ["public.one"]


def test_a_profile_is_rendered_and_its_session_settings_hold(
    database: str, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev = output("adapter", database)
    monkeypatch.setenv("SHOP_DATABASE", dev["dbname"])
    dev.update(
        dbname="{{ env_var('SHOP_DATABASE') }}", search_path="Sales, public", role="pg_monitor"
    )
    profiles(dev=dev)
    with pgtrickle.connect(profile="shop") as engine:
        settings = "select current_setting('search_path'), current_user::text, current_database()"
        assert engine.session.rows(settings) == [
            ("Sales, public", "pg_monitor", database.split("dbname=")[1].split()[0])
        ]


def test_the_project_s_own_profile_is_the_default(
    database: str, profiles: Profiles, tmp_path: Path
) -> None:
    profiles(dev=output("adapter", database), other=output("adapter", database))
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    assert dsn_of_profile(target="other") == dsn_of_profile("shop")


@pytest.mark.parametrize("setup", ["adapter", "embedded"])
def test_a_notebook_beneath_the_project_has_the_project_s_profile(
    database: str,
    profiles: Profiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setup: str,
) -> None:
    dev = output(setup, database)
    if setup == "embedded":
        dev["embedded"] = os.path.relpath(dev["embedded"], tmp_path)
    profiles(dev=dev)
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    with pgtrickle.connect(target="dev") as engine:
        engine.install()
        engine.create_stream_table("public.one", "select 1 as one")
        assert engine.connection.execute("select one from public.one").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "shops"], "no profile named shops"),
        (["--profile", "shop", "--target", "prod"], "does not have a target named 'prod'"),
        (["--profile", "shop", "--target", "warehouse"], "of type snowflake"),
        (["--profile", "shop", "--target", "wrong"], "lacks host and user"),
    ],
)
def test_what_cannot_be_is_said_without_a_traceback(
    profiles: Profiles, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {"type": "pgtrickle", "dbname": "shop", "schema": "s"}
    profiles(warehouse={"type": "snowflake"}, wrong=wrong)
    assert cli.run([*arguments, "status"]) == 2
    assert said in capsys.readouterr().err


def test_a_database_is_not_named_twice(
    profiles: Profiles, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["--profile", "shop", "status", "--dsn", "dbname=shop"]) == 2
    assert "not by both" in capsys.readouterr().err
    with pytest.raises(ValueError, match="not by both"):
        pgtrickle.connect("dbname=shop", profile="shop")
