"""What differs between package, adapter and embedded server, and that the rest does not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.dbt.conftest import output
from tests.dbt.project import Project

from dbt.adapters.pgtrickle.connections import EMBEDDED
from pgtrickle.compiler import compile_query
from pgtrickle.database import Session
from pgtrickle.embedded import Server
from pgtrickle.plan import Plan

MakeProject = Callable[..., Project]

PARITY = "select n % 2 as parity, count(*) as numbers from {{ ref('numbers') }} group by 1"


def _with_numbers(project: Project) -> Project:
    project.write("seeds/numbers.csv", "n\n1\n2\n3\n")
    project.model("parity", PARITY)
    return project


@pytest.mark.parametrize(
    ("setup", "package"),
    [("package", True), ("adapter", False), ("adapter", True), ("embedded", False)],
    ids=["package", "adapter", "both", "embedded"],
)
def test_the_namespace_works_in_every_setup(
    make_project: MakeProject, setup: str, package: bool
) -> None:
    project = make_project(setup, package=package)
    _with_numbers(project)
    status = "{{ dbt_pgtrickle.pgtrickle_stream_table_status('parity').status }}"
    query = f"select '{status}' as status -- {{{{ ref('parity') }}}}"
    project.model("status", query, materialized="view")
    project.write(
        "models/parity.yml",
        "models:\n  - name: parity\n    data_tests:\n"
        "      - dbt_pgtrickle.stream_table_healthy\n      - dbt_pgtrickle.stream_table_exact\n",
    )
    project.dbt("build", artifacts=True)
    assert project.value("select status from $schema.status") == "healthy"
    manifest = json.loads((project.directory / "target" / "manifest.json").read_text())
    names = [m for m in manifest["macros"].values() if m["name"] == "pgtrickle_stream_table_status"]
    assert [macro["package_name"] for macro in names] == ["dbt_pgtrickle"]


def test_without_an_engine_the_package_says_how_to_get_one(
    make_project: MakeProject, tmp_path: Path, database: str
) -> None:
    project = _with_numbers(make_project("package"))
    project.sql("drop schema pgtrickle, pgtrickle_state, pgtrickle_changes cascade")
    assert "pgtrickle install" in project.dbt("build", fails=True)["parity"]


def test_the_adapter_installs_the_engine_once_for_many_models(make_project: MakeProject) -> None:
    project = _with_numbers(make_project("adapter", threads=8))
    for number in range(8):
        project.model(f"m{number}", f"select n + {number} as n from {{{{ ref('numbers') }}}}")
    project.dbt("build")
    assert project.value("select count(*) from pgtrickle.pgt_stream_tables") == 9


def test_the_adapter_compiles_in_the_creating_transaction(make_project: MakeProject) -> None:
    project = _with_numbers(make_project("adapter"))
    project.dbt("build")
    assert project.sql("select plan_status, plan ->> 'mode' from pgtrickle.pgt_plans") == [
        ("COMPILED", "DIFFERENTIAL")
    ]


def test_the_adapter_compiles_what_is_new_alone(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _with_numbers(make_project("adapter"))
    compiled: list[str] = []

    def spy(session: Session, query: str) -> Plan:
        compiled.append(query)
        return compile_query(session, query)

    monkeypatch.setattr("dbt.adapters.pgtrickle.impl.compile_query", spy)
    project.dbt("build")
    assert compiled
    compiled.clear()
    assert project.dbt("build")["parity"].startswith("unchanged")
    assert not compiled
    project.model("parity", "select n + 1 as n from {{ ref('numbers') }}")
    project.dbt("build")
    assert "n + 1" in compiled[-1]


def test_the_adapter_compiles_what_the_package_left_pending(
    make_project: MakeProject, database: str
) -> None:
    project = _with_numbers(make_project("package"))
    project.dbt("build")
    plans = "select plan_status from pgtrickle.pgt_plans"
    assert project.sql(plans) == [("PENDING",)]
    project.profile(output("adapter", database))
    assert project.dbt("run")["parity"].startswith("unchanged")
    assert project.sql(plans) == [("COMPILED",)]
    project.sql("insert into $schema.numbers values (5)")
    project.dbt("run")
    assert project.sql("select numbers from $schema.parity order by 1") == [(1,), (3,)]


@pytest.mark.parametrize("setup", ["package", "adapter"])
def test_one_transaction_holds_a_model_where_the_profile_commits_each_statement(
    make_project: MakeProject, setup: str
) -> None:
    project = _with_numbers(make_project(setup, autocommit=True))
    project.dbt("build")
    project.model("parity", PARITY.replace("count(*)", "sum(n)"), post_hook="select 1 / 0")
    for arguments in (["run"], ["run", "--full-refresh"]):
        project.dbt(*arguments, fails=True)
        assert project.sql("select numbers from $schema.parity order by 1") == [(1,), (2,)]
    project.model("parity", PARITY.replace("count(*)", "sum(n)"))
    assert project.dbt("run")["parity"].startswith("altered query")
    assert project.sql("select numbers from $schema.parity order by 1") == [(2,), (4,)]


def test_an_argument_the_engine_lacks_is_an_error_that_names_its_version(
    make_project: MakeProject,
) -> None:
    project = _with_numbers(make_project("package"))
    project.sql("alter function pgtrickle.resume_stream_table rename to resume_of_later")
    project.dbt("seed")
    project.dbt("run")
    arguments = "{model_name: parity}"
    project.dbt("run-operation", "pgtrickle_resume", "--args", arguments, fails=True)
    version = project.value("select pgtrickle.version()")
    assert any(f"(portable {version}) has no function" in line for line in project.messages)


def test_cdc_health_fails_where_a_capture_trigger_is_disabled(make_project: MakeProject) -> None:
    project = _with_numbers(make_project("adapter"))
    project.dbt("build")
    project.dbt("run-operation", "pgtrickle_check_cdc_health")
    assert any("healthy" in line for line in project.messages)
    project.sql("alter table $schema.numbers disable trigger user")
    project.dbt("run-operation", "pgtrickle_check_cdc_health", fails=True)
    assert any("is disabled" in line for line in project.messages)


def test_freshness_fails_past_the_error_limit(make_project: MakeProject) -> None:
    project = _with_numbers(make_project("adapter"))
    project.dbt("build")
    check = ("run-operation", "pgtrickle_check_freshness", "--args")
    project.dbt(*check, "{model_name: parity, warn_seconds: -1}")
    assert any("parity" in line and "warning" in line for line in project.messages)
    project.dbt(*check, "{warn_seconds: -2, error_seconds: -1}", fails=True)
    assert any("Not fresh: parity" in line for line in project.messages)
    project.dbt(*check, "{model_name: nobody}", fails=True)
    assert any("Stream tables of this project: parity" in line for line in project.messages)


def test_differential_that_cannot_be_is_a_compiler_error_that_names_the_construct(
    make_project: MakeProject,
) -> None:
    project = _with_numbers(make_project("adapter"))
    query = "select n, random() as r from {{ ref('numbers') }}"
    project.model("dice", query)
    message = project.dbt("build", fails=True)["dice"]
    assert message.startswith("Compilation Error in model dice (models/dice.sql)")
    assert "random" in message
    project.model("dice", query, refresh_mode="AUTO")
    assert "recomputed at each refresh" in project.dbt("run")["dice"]
    project.model("dice", "select n from {{ ref('numbers') }}", refresh_mode="AUTO")
    assert project.dbt("run")["dice"] == "altered query"
    project.dbt("run-operation", "pgtrickle_explain", "--args", "{model_name: dice}")
    assert any("operators:\nscan " in line for line in project.messages)
    project.model("dice", query, refresh_mode="AUTO")
    message = project.dbt("run")["dice"]
    assert message.startswith("altered query, recomputed at each refresh: volatile function random")


@pytest.mark.parametrize("materialized", ["table", "incremental", "stream_table"])
def test_a_model_in_python_is_a_compiler_error_that_names_the_way_out(
    make_project: MakeProject, materialized: str
) -> None:
    project = _with_numbers(make_project("adapter"))
    project.write(
        "models/halves.py",
        "def model(dbt, session):\n"
        f"    dbt.config(materialized='{materialized}')\n"
        "    return dbt.ref('numbers')\n",
    )
    message = project.dbt("run", "--select", "halves", fails=True)["halves"]
    assert message.startswith("Compilation Error in model halves (models/halves.py)")
    assert "written in Python, which PostgreSQL does not run" in message
    assert '`pgtrickle.connect(profile="shop", target="test")`' in message


def test_docs_call_it_a_stream_table(make_project: MakeProject) -> None:
    project = _with_numbers(make_project("adapter"))
    project.dbt("build")
    project.sql("analyze $schema.parity")
    project.dbt("docs", "generate", artifacts=True)
    catalog = json.loads((project.directory / "target" / "catalog.json").read_text())
    assert catalog["nodes"]["model.shop.parity"]["metadata"]["type"] == "STREAM TABLE"
    stats = catalog["nodes"]["model.shop.parity"]["stats"]
    assert stats["refresh_mode"]["value"].startswith("DIFFERENTIAL")
    assert stats["schedule"]["value"] == "1m"
    assert stats["row_count"]["value"] == 2
    assert stats["size"]["value"].endswith("kB")
    assert stats["last_refresh"]["value"].endswith("UTC")
    assert "schedule" not in catalog["nodes"]["seed.shop.numbers"]["stats"]


def test_the_adapter_knows_renames_and_drops_stream_tables(make_project: MakeProject) -> None:
    project = _with_numbers(make_project("adapter"))
    project.write(
        "macros/move.sql",
        "{% macro move() %}\n"
        "  {% set parity = adapter.get_relation(target.dbname, target.schema, 'parity') %}\n"
        "  {% set moved = parity.incorporate(path={'identifier': 'Moved Here.'}) %}\n"
        "  {% do log('it is a ' ~ parity.type ~ ' ' ~ parity.is_stream_table, info=true) %}\n"
        "  {% do adapter.rename_relation(parity, moved) %}\n"
        "  {% set also = adapter.get_relation(target.dbname, target.schema, 'also') %}\n"
        "  {% do adapter.drop_relation(also) %}\n"
        "{% endmacro %}\n",
    )
    project.model("also", PARITY)
    project.dbt("build")
    project.dbt("run-operation", "move")
    assert any("it is a stream_table True" in line for line in project.messages)
    project.sql("insert into $schema.numbers values (5)")
    project.sql("select pgtrickle.refresh_stream_table('$schema.\"Moved Here.\"')")
    assert project.sql('select numbers from $schema."Moved Here." order by 1') == [(1,), (3,)]
    state = "select relname from pg_class where relnamespace = 'pgtrickle_state'::regnamespace"
    project.sql("select pgtrickle.drop_stream_table('$schema.\"Moved Here.\"')")
    assert project.sql("select pgt_name from pgtrickle.pgt_stream_tables") == []
    assert project.sql(state) == []


@pytest.mark.slow
def test_a_name_may_have_anything_in_it(make_project: MakeProject) -> None:
    project = _with_numbers(make_project("adapter"))
    name = 'Mixed "Case" Name.s'
    project.model("odd", PARITY, alias=name, indexes=[{"columns": ["numbers"]}])
    project.model("above", "select parity from {{ ref('odd') }}", materialized="view")
    project.dbt("build")
    project.sql("""grant select on $schema."Mixed ""Case"" Name.s" to public""")
    project.model("odd", PARITY.replace("count(*)", "sum(n)"), alias=name, schedule="5m")
    assert project.dbt("run")["odd"].startswith("altered query, schedule 1m to 5m, index")
    for materialized in ("stream_table", "table", "stream_table", "view", "stream_table"):
        project.model("odd", PARITY, alias=name, materialized=materialized)
        project.dbt("run", "--full-refresh")
        assert project.value("select count(*) from $schema.above") == 2
    project.dbt("docs", "generate", artifacts=True)
    catalog = json.loads((project.directory / "target" / "catalog.json").read_text())
    assert catalog["nodes"]["model.shop.odd"]["metadata"]["type"] == "STREAM TABLE"


def test_source_freshness_comes_from_the_last_refresh(make_project: MakeProject) -> None:
    project = _with_numbers(make_project("adapter"))
    project.dbt("build")
    project.write(
        "models/sources.yml",
        "sources:\n  - name: elsewhere\n    schema: analytics\n    config:\n"
        "      freshness: {warn_after: {count: 1, period: hour}}\n    tables: [{name: parity}]\n",
    )
    project.dbt("source", "freshness", artifacts=True)
    found = json.loads((project.directory / "target" / "sources.json").read_text())["results"]
    assert [result["status"] for result in found] == ["pass"]


def test_freshness_of_several_sources_is_told_apart(make_project: MakeProject) -> None:
    project = _with_numbers(make_project("adapter"))
    project.model("late", PARITY)
    project.model("odd", PARITY, alias='Mixed "Case" Name.s', schema="elsewhere")
    project.dbt("build")
    project.sql(
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '2 hours'"
        " where pgt_name = 'late'"
    )
    limits = {
        "warn_after": {"count": 1, "period": "hour"},
        "error_after": {"count": 1, "period": "day"},
    }
    sources = [
        {"name": "here", "schema": "analytics", "tables": [{"name": "parity"}, {"name": "late"}]},
        {
            "name": "there",
            "schema": "analytics_elsewhere",
            "tables": [{"name": "odd", "identifier": 'Mixed "Case" Name.s'}],
        },
        {"name": "seeds", "schema": "analytics", "tables": [{"name": "numbers"}]},
    ]
    project.write(
        "models/sources.yml",
        yaml.safe_dump(
            {"sources": [{**source, "config": {"freshness": limits}} for source in sources]}
        ),
    )
    project.dbt("source", "freshness", artifacts=True, fails=True)
    found = json.loads((project.directory / "target" / "sources.json").read_text())["results"]
    assert {result["unique_id"].split(".", 2)[2]: result["status"] for result in found} == {
        "here.parity": "pass",
        "here.late": "warn",
        "there.odd": "pass",
        "seeds.numbers": "error",  # no stream table: nobody knows when it last changed
    }


@pytest.mark.parametrize("setup", ["adapter", "embedded"])
def test_debug_names_the_adapter_and_connects(make_project: MakeProject, setup: str) -> None:
    project = make_project(setup)
    project.dbt("debug")
    assert any("connection ok" in message for message in project.messages)
    assert any("engine: none yet; the first run" in message for message in project.messages)
    _with_numbers(project)
    project.dbt("build")
    project.dbt("debug")
    version = project.value("select pgtrickle.version()")
    for fact in (f"engine: portable {version}", "stream tables: 1", "schedules: nothing runs them"):
        assert any(fact in message for message in project.messages)


@pytest.fixture
def home() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="pgtrickle-dbt-"))
    directory.chmod(0o711)
    yield directory / "server"
    EMBEDDED.release()
    Server(directory / "server").stop()
    shutil.rmtree(directory)


def _of_its_own(directory: Path, home: Path, **changes: object) -> Project:
    output = {"type": "pgtrickle", "embedded": str(home), "schema": "analytics", "threads": 2}
    return _with_numbers(Project(directory, {**output, **changes}, dsn="", package=False))


def test_a_profile_that_names_a_directory_needs_no_server(home: Path, tmp_path: Path) -> None:
    project = _of_its_own(tmp_path / "shop", home)
    project.dbt("debug")
    assert any(f"embedded: {home}" in line for line in project.messages)
    assert project.dbt("build")["parity"].startswith("created")
    assert project.dbt("build")["parity"].startswith("unchanged")


@pytest.mark.slow
def test_two_runs_at_once_share_the_server_of_a_directory(home: Path, tmp_path: Path) -> None:
    projects = [_of_its_own(tmp_path / name, home, schema=name) for name in ("one", "two")]
    runs = [
        subprocess.Popen(
            [Path(sys.executable).with_name("dbt"), "build", "--profiles-dir", "."],
            cwd=project.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for project in projects
    ]
    for run in runs:
        printed, _ = run.communicate()
        assert run.returncode == 0, printed
    assert not Server(home).status().running  # the last one gave it back
    for project in projects:
        assert project.dbt("run")["parity"].startswith("unchanged")
