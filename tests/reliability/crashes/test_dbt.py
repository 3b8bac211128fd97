"""kill -9 of dbt in the middle of a run: the next run succeeds, and nothing is left over."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from tests.dbt.conftest import SHOP, output
from tests.dbt.project import Project
from tests.reliability.crashes.victims import wait_for_silence
from tests.reliability.soundness import assert_heals

import pgtrickle
from pgtrickle.worker import work

TOTALS = "select customer_id, sum(amount) as total from {{ source('shop', 'orders') }} group by 1"
WIDER = (
    "select customer_id, count(*) as orders, sum(amount) as total"
    " from {{ source('shop', 'orders') }} group by 1"
)
NAMED = (
    "select c.name, t.total from {{ ref('totals') }} t"
    " join {{ source('shop', 'customers') }} c using (customer_id)"
)


def run(project: Project, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "dbt.cli.main", "run", *arguments, "--quiet"),
            *("--project-dir", str(project.directory), "--profiles-dir", str(project.directory)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def play(database: str, directory: Path, rounds: int, seed: int) -> None:
    random = Random(seed)
    with pgtrickle.connect(database) as engine:
        engine.install()
        engine.connection.execute(SHOP)
        engine.connection.execute(
            "insert into analytics.orders select n, 1 + n % 3, n from generate_series(31, 50000) n;"
            "update pgtrickle.settings set value = '0' where name = 'unused_capture_seconds'"
        )
    project = Project(directory, output("adapter", database), database, package=False)
    project.write(
        "models/sources.yml",
        "sources:\n  - name: shop\n    schema: analytics\n    tables:\n"
        "      - name: orders\n      - name: customers\n",
    )
    project.model("named", NAMED, schedule="calculated")
    lasts = 10.0
    for number in range(rounds):
        project.model("totals", random.choice((TOTALS, WIDER)), schedule="1m")
        full = ["--full-refresh"] if random.random() < 0.3 else []
        dbt = run(project, *full)
        # Reading and parsing comes first, and kills there tell nothing.
        time.sleep(random.uniform(0.4, 1.0) * lasts)
        dbt.kill()
        dbt.communicate()
        wait_for_silence(database)
        began = time.monotonic()
        again = run(project)
        said = again.communicate()[0]
        lasts = time.monotonic() - began
        assert again.returncode == 0, f"seed {seed}, round {number}: {said}"
        with pgtrickle.connect(database) as engine:
            work.tidy(engine)
            assert_heals(engine)
            left = engine.session.rows(
                "select relname from pg_class where relnamespace = 'analytics'::regnamespace"
                " and relname like '%dbt_tmp%' or relname like '%dbt_backup%'"
            )
            assert left == []


@pytest.mark.slow
def test_the_next_run_heals(database: str, tmp_path: Path) -> None:
    play(database, tmp_path / "shop", 2, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [2, 3])
def test_the_next_run_heals_fifty_times(database: str, tmp_path: Path, seed: int) -> None:
    play(database, tmp_path / "shop", 50, seed)
