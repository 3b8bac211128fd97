"""`engine:` in the profile, what the adapter says where it cannot be, and what it hides."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import psycopg
import pytest
from dbt.adapters.postgres import PostgresCredentials
from tests.dbt.native.standin import standin
from tests.dbt.project import Project

from dbt.adapters.pgtrickle import PgTrickleCredentials
from dbt.adapters.pgtrickle.place import line_of
from pgtrickle.database import PsycopgSession
from pgtrickle.install import install

MakeProject = Callable[..., Project]
NUMBERS = "select n, n % 2 as parity from {{ ref('numbers') }}"


def _begun(project: Project, *, native: bool = False) -> Project:
    if native:
        project.sql(standin("0.67.0"))
    project.write("seeds/numbers.csv", "n\n1\n2\n3\n")
    project.model("parity", NUMBERS)
    return project


def test_the_profile_takes_all_keys_of_dbt_postgres() -> None:
    ours = {field.name for field in fields(PgTrickleCredentials)}
    assert ours == {field.name for field in fields(PostgresCredentials)} | {"engine", "embedded"}
    assert PgTrickleCredentials._ALIASES == PostgresCredentials._ALIASES


@pytest.mark.parametrize(
    ("engine", "native", "said"),
    [
        ("native", False, "CREATE EXTENSION pg_trickle;"),
        ("portable", True, "One database has one engine"),
        ("auto", True, None),
        ("native", True, None),
        ("portable", False, None),
    ],
)
def test_the_engine_is_the_one_the_profile_asks_for(
    make_project: MakeProject, engine: str, native: bool, said: str | None
) -> None:
    project = _begun(make_project("adapter", engine=engine), native=native)
    message = project.dbt("build", fails=said is not None)["parity"]
    assert said is None or said in message
    has_portable = project.value("select to_regproc('pgtrickle.version') is not null")
    assert has_portable is (said is None and not native)


def test_an_engine_that_is_none_is_refused(make_project: MakeProject) -> None:
    project = make_project("adapter")
    project.profile({**project.output, "engine": "best"})
    project.dbt("debug", fails=True)
    assert any("'best' is not one of" in line for line in project.messages)


@pytest.fixture
def visitor(make_project: MakeProject, database: str, database_name: str) -> Iterator[Project]:
    """A project whose role may use its schema and nothing else."""
    role = f"visitor of {database_name}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            f'create role "{role}" login; create schema analytics authorization "{role}"'
        )  # type: ignore[arg-type]
        yield _begun(make_project("adapter", user=role))
        connection.execute(f'drop owned by "{role}" cascade; drop role "{role}"')  # type: ignore[arg-type]


def test_who_may_not_install_is_told_the_statement_to_have_run(
    visitor: Project, database_name: str
) -> None:
    wanted = f'grant create on database {database_name} to "visitor of {database_name}";'
    visitor.dbt("debug")
    assert any(wanted in line.lower() for line in visitor.messages)
    assert wanted in visitor.dbt("build", fails=True)["parity"].lower()
    visitor.sql(wanted)
    assert visitor.dbt("build")["parity"].startswith("created")


def test_debug_tells_of_the_extension_and_of_a_worker(make_project: MakeProject) -> None:
    project = make_project("adapter")
    project.dbt("seed")
    with psycopg.connect(project.dsn, application_name="pgtrickle worker") as worker:
        install(PsycopgSession(worker))
        worker.commit()
        worker.execute("select pg_advisory_lock(1885829237, 1)")  # as a worker that serves does
        project.dbt("debug")
    assert any("schedules: a worker is connected" in line for line in project.messages)
    project.sql("drop schema pgtrickle, pgtrickle_state, pgtrickle_changes cascade")
    project.sql(standin("0.67.0"))
    project.dbt("debug")
    assert any("engine: native, pg_trickle 0.67.0" in line for line in project.messages)


def test_columns_the_extension_keeps_for_itself_are_hidden(make_project: MakeProject) -> None:
    project = _begun(make_project("adapter"), native=True)
    project.write(
        "models/parity.yml",
        "models:\n  - name: parity\n    config: {contract: {enforced: true}}\n    columns:\n"
        "      - {name: n, data_type: integer}\n      - {name: parity, data_type: integer}\n"
        "unit_tests:\n  - name: odd\n    model: odd\n    given:\n      - input: ref('parity')\n"
        "        rows: [{n: 1, parity: 1}, {n: 2, parity: 0}]\n    expect: {rows: [{n: 1}]}\n",
    )
    project.model("odd", "select n from {{ ref('parity') }} where parity = 1", materialized="view")
    columns = "adapter.get_columns_in_relation(ref('parity')) | map(attribute='name') | join(', ')"
    # As dbt_utils.star does it.
    project.model(
        "all",
        f"select {{{{ {columns} if execute else '*' }}}} from {{{{ ref('parity') }}}}",
        materialized="view",
    )
    project.dbt("build")
    hidden = (
        "select attname::text from pg_attribute"
        " where attrelid = '$schema.{}'::regclass and attnum > 0"
    )
    assert project.sql(hidden.format("parity")) == [("__pgt_row_id",), ("n",), ("parity",)]
    assert project.sql(hidden.format("all")) == [("n",), ("parity",)]
    project.dbt("docs", "generate", artifacts=True)
    catalog = json.loads((project.directory / "target" / "catalog.json").read_text())
    assert list(catalog["nodes"]["model.shop.parity"]["columns"]) == ["n", "parity"]
    assert catalog["nodes"]["model.shop.parity"]["metadata"]["type"] == "STREAM TABLE"
    shutil.copytree(project.directory / "target", project.directory / "state")
    project.profile({**project.output, "schema": "ci"})
    project.dbt("clone", "--state", "state", "--select", "parity")
    assert project.value("select to_jsonb(p) from ci.parity p where n = 1") == {"n": 1, "parity": 1}


@pytest.mark.parametrize(
    ("construct", "code", "line"),
    [
        ("volatile function random", "select\nrandom()", 2),
        ("FULL JOIN", "select 1\n\nfrom a full\n outer join b", 4),
        ("FULL JOIN", "from a full\n  join b", 1),
        ("subquery (EXISTS)", "-- exists\nwhere\nexists (select)", 3),
        ("system column ctid", "{# ctid\n#}\nselect 'ctid', ctid", 3),
        ("LIMIT", "limit 1\nlimit 2", None),
        ("analytics.orders", "select 1\nfrom analytics.orders", 2),
        ("syntax", "select 1", None),
    ],
)
def test_a_construct_s_line_is_told_where_there_is_one(
    tmp_path: Path, construct: str, code: str, line: int | None
) -> None:
    file = tmp_path / "model.sql"
    file.write_text(code)
    assert line_of(construct, file) == line


def test_an_obstacle_is_shown_with_the_line_it_stands_in(make_project: MakeProject) -> None:
    project = _begun(make_project("adapter"))
    project.write(
        "models/dice.sql",
        "{{ config(materialized='stream_table') }}\n-- random() is not for here\n"
        "select n,\n  random() as r\nfrom {{ ref('numbers') }}\n",
    )
    message = project.dbt("build", fails=True)["dice"]
    assert message.startswith("Compilation Error in model dice (models/dice.sql)")
    assert "(models/dice.sql, line 4)" in message


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select n,\n  nosuch + 1 as x\nfrom {{ ref('numbers') }} -- all", "nosuch + 1 as x"),
        ("select n,\n  count(* as x\nfrom {{ ref('numbers') }}", "count(* as x"),
        ("select x from nowhere", "from (select x from nowhere"),
    ],
)
def test_what_postgres_refuses_is_shown_with_the_line_and_place(
    make_project: MakeProject, query: str, told: str
) -> None:
    project = _begun(make_project("adapter"))
    project.model("wrong", query)
    message = project.dbt("build", fails=True)["wrong"]
    assert message.startswith("Database Error in model wrong (models/wrong.sql)")
    assert re.search(rf"LINE \d: .*{re.escape(told)}\n +\^", message), message


def test_a_model_without_a_query_is_an_error_that_says_so(make_project: MakeProject) -> None:
    project = _begun(make_project("adapter"))
    project.model("nothing", "-- to be written")
    assert "an empty text is not supported" in project.dbt("build", fails=True)["nothing"]
