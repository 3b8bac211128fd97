"""dbt: a rerun of unchanged stream tables against views, and a model against incremental ones.

What the incremental models get wrong, by design: they look at rows that are newer than what they
have. A deleted row leaves nothing newer behind, and stays. A row that does not satisfy the model's
filter any more is not selected, and stays as it was. What commits after something newer was read is
never read. The number of rows that are wrong at the end is reported with the figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from tests.dbt.project import Project

from benchmarks.measuring import Case, Result, Side, in_turn
from benchmarks.ten_queries import load
from pgtrickle.engine import Engine

ABOUT = (
    "Milliseconds of a `dbt run`, its start included: of so many models when nothing has changed,"
    " stream tables against views, by the clock and of processor time, dbt's and the server's"
    " together; and of one model after 1 % of its rows were updated, deleted and"
    " inserted, against incremental models that read what is newer (wrong where rows go)."
)
FILTER = "select id, customer_id, amount, updated_at from public.orders where quantity > 3"
NEWER = (
    "{% if is_incremental() %} and updated_at > (select max(updated_at) from {{ this }}){% endif %}"
)
STRATEGIES = {"merge": "merge", "delete+insert": "delete+insert"}


def run(engine: Engine, *, models: int, rows: int, cycles: int) -> Result:
    connection = engine.connection
    load(connection, rows)
    connection.execute("alter table orders add column updated_at timestamptz default now()")
    with tempfile.TemporaryDirectory(prefix="pgtrickle-bench-dbt-") as directory:
        root = Path(directory)
        many = _many(root, engine, models)
        unchanged = Case(f"{models} models, nothing changed", {"views": 1.3})
        processors = Case(f"{models} models, nothing changed: processor time", {"views": 1.3})
        _each(many)
        for cycle in range(cycles):
            spent: dict[str, float] = {}
            unchanged.add(in_turn(_counted(many, engine, spent), cycle))
            processors.add({name: spent[name] for name in many})
        one = _one(root, engine)
        changed = Case("one model, 1 % of its rows changed")
        _each(one)
        for cycle in range(cycles):
            _change(engine, rows, cycle)
            changed.add(in_turn(_runs(one), cycle))
    wrong = {
        f"rows wrong: {name}": _differing(engine, name) for name in ("stream table", *STRATEGIES)
    }
    sizes = {"models": models, "rows": rows, "cycles": cycles, **wrong}
    equal = not wrong["rows wrong: stream table"]
    return Result("dbt runs", ABOUT, [unchanged, processors, changed], equal, sizes)


def _output(engine: Engine, type: str, schema: str) -> dict[str, Any]:
    info = engine.connection.info
    return {
        "type": type,
        "host": info.host,
        "port": info.port,
        "user": info.user,
        "password": info.password or "",
        "dbname": info.dbname,
        "schema": schema,
        "threads": 4,
    }


def _project(root: Path, engine: Engine, name: str, type: str) -> Project:
    place = name.replace(" ", "_").replace("+", "_")
    output = _output(engine, type, place)
    return Project(root / place, output, engine.connection.info.dsn, package=False)


def _many(root: Path, engine: Engine, models: int) -> dict[str, Project]:
    tables = _project(root, engine, "stream tables", "pgtrickle")
    views = _project(root, engine, "views", "postgres")
    for number in range(models):
        query = (
            f"select id, amount + {number} as amount from public.orders"
            f" where id % 97 = {number % 97}"
        )
        tables.model(f"model_{number}", query)
        views.model(f"model_{number}", query, materialized="view")
    return {"stream tables": tables, "views": views}


def _one(root: Path, engine: Engine) -> dict[str, Project]:
    projects = {"stream table": _project(root, engine, "stream table", "pgtrickle")}
    projects["stream table"].model("model", FILTER)
    for name, strategy in STRATEGIES.items():
        projects[name] = _project(root, engine, name, "postgres")
        projects[name].model(
            "model",
            FILTER + NEWER,
            materialized="incremental",
            unique_key="id",
            incremental_strategy=strategy,
        )
    return projects


def _runs(projects: dict[str, Project]) -> dict[str, Any]:
    return {name: lambda project=project: _dbt(project) for name, project in projects.items()}


def _counted(
    projects: dict[str, Project], engine: Engine, spent: dict[str, float]
) -> dict[str, Side]:
    """Runs that also note, by name, the milliseconds of processor time they took."""

    def side(name: str, project: Project) -> Side:
        def run() -> None:
            before = _processor_time(engine)
            _dbt(project)
            spent[name] = _processor_time(engine) - before

        return run

    return {name: side(name, project) for name, project in projects.items()}


def _processor_time(engine: Engine) -> float:
    """Milliseconds that the processes this one has started, and sessions of the server, took."""
    busy = (
        "select count(*) from pg_stat_activity"
        " where backend_type = 'client backend' and pid <> pg_backend_pid()"
    )
    while engine.connection.execute(busy).fetchall() != [(0,)]:
        time.sleep(0.01)  # a session counts once it has ended
    ((data,),) = engine.connection.execute("show data_directory").fetchall()
    server = int(Path(data, "postmaster.pid").read_text("utf-8").split()[0])
    times = [psutil.Process(pid).cpu_times() for pid in (os.getpid(), server)]
    return sum(one.children_user + one.children_system for one in times) * 1000


def _each(projects: dict[str, Project]) -> None:
    for project in projects.values():
        _dbt(project)


def _dbt(project: Project) -> None:
    """``dbt run`` in a process of its own, as users have it."""
    place = str(project.directory)
    command = ["from dbt.cli.main import cli; cli()", "run", "--quiet"]
    subprocess.run(
        [sys.executable, "-c", *command, "--project-dir", place, "--profiles-dir", place],
        check=True,
    )


def _change(engine: Engine, rows: int, cycle: int) -> None:
    chosen = f"id % 100 = {cycle}"
    engine.connection.execute(
        "update orders set amount = amount + 1, quantity = (quantity + 1) % 7, updated_at = now()"
        f" where {chosen} and id / 100 % 100 < 70"
    )
    engine.connection.execute(f"delete from orders where {chosen} and id / 100 % 100 >= 85")
    engine.connection.execute(
        "insert into orders select top.id + i, 1, 1, i, i % 7, null, now()"
        f" from (select max(id) as id from orders) top, generate_series(1, {rows * 15 // 10000}) i"
    )


def _differing(engine: Engine, name: str) -> int:
    """Rows that a model has and its query does not, or the other way round."""
    place = name.replace(" ", "_").replace("+", "_")
    model = f"select * from {place}.model"
    ((number,),) = engine.connection.execute(
        f"select count(*) from (({model} except all {FILTER}) union all"
        f" ({FILTER} except all {model})) d"
    ).fetchall()
    return int(number)
