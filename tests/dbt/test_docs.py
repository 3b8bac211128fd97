"""The pages about dbt: they name what there is, and what they tell to run is run here."""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from tests.conftest import FreshDatabase
from tests.dbt.conftest import SHOP, output
from tests.dbt.project import REPOSITORY, Project

MACROS = REPOSITORY / "src" / "dbt" / "include" / "pgtrickle" / "macros"
DOCS = REPOSITORY / "docs"
PROGRAMS = Path(sys.executable).parent

# Pages that tell what to run, but for the quick start, which test_quick_start.py follows; the other
# pages are about what was measured or decided.
PAGES = [
    "testing",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "installation",
            "configuration",
            "operations",
            "ci",
            "engines",
            "limitations",
            "migration",
            "hub",
            "README",
        )
    ),
]
COMMANDS = ("dbt ", "pgtrickle ", "pip ", "make ")
SQL = re.compile(r"(select|call|create|alter|insert|update|delete|grant|drop)\b", re.IGNORECASE)
# The tests of these are elsewhere: test_integration_project.py and test_matrix.py.
SCRIPT = "integration_tests/scripts/run_dbt_tests.sh"
MODELS = {
    "customer_totals": "select customer_id, count(*) as orders, sum(amount) as total"
    " from {{ source('shop', 'orders') }} group by customer_id",
    "orders_by_day": "select ordered_on, count(*) as orders"
    " from {{ source('shop', 'orders') }} group by ordered_on",
}
# What a reader has at hand when a page says so.
SHOP_OF_THE_PAGES = (
    SHOP
    + """
create schema shop;
alter table analytics.orders set schema shop;
alter table analytics.customers set schema shop;
alter table shop.orders add ordered_on date not null default date '2024-01-15';
"""
)
BEFORE = {
    "pgtrickle_reset_fuse": "update pgtrickle.pgt_stream_tables"
    " set fuse_state = 'blown', status = 'SUSPENDED' where pgt_name = 'orders_by_day'",
    "analytics.left_behind": "select pgtrickle.create_stream_table('analytics.left_behind',"
    " 'select order_id from shop.orders')",
    "grant create on database": "create role dbt",
    "alter role worker_role": "create role worker_role",
}
# What the server, and not the database, keeps of the pages.
AFTER = (
    "drop owned by dbt; drop role dbt",
    "drop role worker_role",
    "alter system reset wal_level",
)


def test_the_configuration_page_lists_every_key_with_its_default() -> None:
    rules = (MACROS / "configuration" / "settings.sql").read_text().split("{% endmacro %}")[0]
    found = re.findall(r"^    '(\w+)': \{\s*'default': ([^,]+),", rules, re.MULTILINE)
    keys = {key: default.strip("'").replace("none", "null") for key, default in found}
    page = (DOCS / "configuration.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", page, re.MULTILINE)
    assert dict(listed) == keys


def test_the_pages_name_only_operations_and_tests_that_exist() -> None:
    macros = "\n".join(file.read_text() for file in MACROS.rglob("*.sql"))
    there = set(re.findall(r"\{% (?:macro|test) (\w+)\(", macros))
    pages = "\n".join(file.read_text() for file in DOCS.glob("*.md"))
    named = set(re.findall(r"run-operation (\w+)|dbt_pgtrickle\.(\w+)", pages))
    assert {one or other for one, other in named} <= there


def test_the_operations_page_names_every_operation() -> None:
    public = {
        name
        for file in (MACROS / "operations").glob("*.sql")
        for name in re.findall(r"\{% macro ([a-z]\w+)\(", file.read_text())
    }
    page = (DOCS / "operations.md").read_text()
    assert [name for name in sorted(public) if f"run-operation {name}" not in page] == []


def test_every_page_links_to_pages_that_exist() -> None:
    for page in [*DOCS.glob("*.md"), REPOSITORY / "README.md"]:
        for link in re.findall(r"\]\(([^)#:]+\.md)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_recipes_of_just_and_make_call_the_script() -> None:
    recipes = (REPOSITORY / "justfile").read_text()
    for name in ("test-dbt", "test-dbt-fast"):
        assert re.search(rf"^{name} \*options:\n +[^\n]*{SCRIPT}", recipes, re.MULTILINE)
    for target in ("test-dbt", "test-dbt-matrix"):
        assert f"\n{target}: " in (REPOSITORY / "Makefile").read_text()


def _steps(page: str) -> Iterator[str]:
    """Blocks of code, and commands with operands in prose, in the order of the page."""
    text = (REPOSITORY if page == "README" else DOCS).joinpath(f"{page}.md").read_text()
    # A block follows an empty line; what is indented otherwise goes on with a list.
    for part in re.split(r"(?<=\n\n)((?:[ ]{4}[^\n]*\n+)+)", text):
        if part.startswith("    "):
            block = textwrap.dedent(part).strip()
            # The query of a model begins after an empty line too.
            query = "" if block.startswith("-- models/") else "|select "
            yield from re.split(rf"\n\n(?=# |-- |dbt |pgtrickle {query})", block)
        else:
            for command in re.findall(r"`([^`\n]+)`", part):
                is_told = command.startswith(COMMANDS) and re.search(r" --|run-operation", command)
                if is_told or re.match(r"(select|call) .*\(", command):
                    yield command


class Reader:
    """Does what a page says, in a project of a shop."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.done: list[str] = []

    def follow(self, step: str) -> None:
        head = step.split("\n")[0].strip()
        if match := re.match(r"(?:--|#) (models/\S+)$", head):
            self.project.write(match[1], step)
        elif head.startswith("import "):
            self._python(step)
        elif head.startswith("{{ config("):
            self.project.write("models/without_a_name.sql", step)
        elif match := re.match(r"# (\S+\.yml)$", head):
            self._configure(match[1], yaml.safe_load(step))
        elif head.startswith(COMMANDS):
            for line in step.split("\n"):
                (self._sql if SQL.match(line) else self._command)(line)
        elif SQL.match(head):
            for statement in filter(str.strip, step.split(";")):
                self._sql(statement)
        else:
            is_printed = len(re.findall(r"\S {2,}\S", head)) > 2
            is_yaml = not is_printed and isinstance(yaml.safe_load(step), dict)
            assert is_printed or is_yaml, f"nobody knows what this is: {step}"

    def _configure(self, file: str, content: dict[str, Any]) -> None:
        if file == "dbt_project.yml":
            settings = yaml.safe_load((self.project.directory / file).read_text())
            self.project.write(file, yaml.safe_dump({**settings, **content}))
        elif file.startswith(".github/"):
            for job in content["jobs"].values():
                for step in job["steps"]:
                    if "run" in step:
                        self._command(step["run"])
        else:
            assert content

    def _command(self, command: str) -> None:
        self._prepare(command)
        command = command.replace("host=db1,db2 dbname=shop user=worker", self.project.dsn)
        words = shlex.split(command.replace("$DSN", self.project.dsn), comments=True)
        program, *arguments = words
        if program == "dbt":
            self._dbt(arguments)
        elif program == "pip":
            self._pip(arguments)
        elif program == "make":  # tests/demo runs the demo; the other is what runs this
            subprocess.run(["make", "--dry-run", *arguments], cwd=REPOSITORY, check=True)
        elif arguments[0] == "worker" and "--once" not in arguments:
            self._worker(arguments)
        elif "--watch" in arguments:
            self._watch(arguments)
        elif arguments[0] == "doctor":
            done = subprocess.run([PROGRAMS / program, *arguments], capture_output=True)
            assert done.returncode == 1, done  # at least nothing runs the schedules
        else:
            subprocess.run(
                [PROGRAMS / program, *arguments],
                cwd=self.project.directory,
                check=True,
                capture_output=True,
            )
        self.done.append(command)

    def _python(self, script: str) -> None:
        subprocess.run([sys.executable, "-c", script], cwd=self.project.directory, check=True)
        self.done.append(script)

    def _dbt(self, arguments: list[str]) -> None:
        if "--state" in arguments:
            self.project.dbt("parse", artifacts=True)
            state = self.project.directory / "production"
            state.mkdir(exist_ok=True)
            manifest = self.project.directory / "target" / "manifest.json"
            manifest.replace(state / "manifest.json")
            arguments = [str(state) if part == "production" else part for part in arguments]
        if arguments != ["deps"]:  # the package is there; for its own tests it is a link
            self.project.dbt(*arguments)

    def _pip(self, arguments: list[str]) -> None:
        here = [part.replace("/path/to/dbt-pgtrickle", str(REPOSITORY)) for part in arguments]
        subprocess.run(
            [
                *(PROGRAMS / "uv", "pip", "install", "--dry-run", "--no-deps", "--offline"),
                *("--no-build-isolation", "--python", sys.executable, *here[1:]),
            ],
            check=True,
            capture_output=True,
        )

    def _worker(self, arguments: list[str]) -> None:
        """Let a worker serve, and end it as an operator would."""
        worker = subprocess.Popen(
            [PROGRAMS / "pgtrickle", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            for _ in range(1200):
                if self.project.value("select scheduler_running from pgtrickle.quick_health"):
                    break
                assert worker.poll() is None
                time.sleep(0.1)
            worker.send_signal(signal.SIGTERM)
            _, said = worker.communicate(timeout=120)
            assert worker.returncode == 0, said
        finally:
            worker.kill()

    def _watch(self, arguments: list[str]) -> None:
        """Look at a board until it is there, and end it by Ctrl-C."""
        board = subprocess.Popen(
            [PROGRAMS / "pgtrickle", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        try:
            assert board.stdout is not None
            assert any("orders_by_day" in line for line in board.stdout)
            board.send_signal(signal.SIGINT)
            board.communicate(timeout=60)
        finally:
            board.kill()

    def _sql(self, statement: str) -> None:
        self._prepare(statement)
        database = psycopg.conninfo.conninfo_to_dict(self.project.dsn)["dbname"]
        self.project.sql(statement.replace("on database analytics", f'on database "{database}"'))
        self.done.append(statement)

    def _prepare(self, text: str) -> None:
        for mention, statement in BEFORE.items():
            if mention in text:
                with contextlib.suppress(
                    psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject
                ):
                    self.project.sql(statement)


@pytest.fixture
def reader(
    tmp_path: Path,
    fresh_database: FreshDatabase,
    database_name: str,
    parsed: Callable[[Project], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Reader]:
    """A project with the adapter, which has built what the pages speak of."""
    with fresh_database(name=database_name) as dsn:
        project = Project(tmp_path / "shop", output("adapter", dsn), dsn, package=False)
        project.sql("create schema analytics")
        project.sql(SHOP_OF_THE_PAGES.replace("create schema analytics;", ""))
        project.write(
            "models/sources.yml",
            "sources:\n  - name: shop\n    tables: [{name: orders}, {name: customers}]\n",
        )
        project.begin_with(parsed(project))
        monkeypatch.setenv("PGTRICKLE_DSN", dsn)
        yield Reader(project)
        for statement in AFTER:
            with contextlib.suppress(psycopg.Error):
                project.sql(statement)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_tells_to_run_can_be_run(reader: Reader, page: str) -> None:
    project = reader.project
    project.model("customer_totals", MODELS["customer_totals"])
    project.model("orders_by_day", MODELS["orders_by_day"], partition_by="ordered_on")
    project.model("orders", "select * from {{ source('shop', 'orders') }}", materialized="view")
    project.dbt("run")
    for step in _steps(page):
        reader.follow(step)
    assert reader.done


def test_no_page_tells_to_run_what_is_not_run() -> None:
    """A page of its own is read above; the others tell nothing."""
    read = {"quick-start", *(getattr(page, "values", (page,))[0] for page in PAGES)}
    for page in DOCS.glob("*.md"):
        if page.stem not in read:
            told = [step for step in _steps(page.stem) if step.startswith(("dbt ", "pgtrickle "))]
            assert told == [], page.name
