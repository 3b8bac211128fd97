"""Wrong configurations of dbt models: the compiler error names model, key and way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.dbt.conftest import SHOP, output
from tests.dbt.project import Project

from pgtrickle.database import PsycopgSession
from pgtrickle.install import install

QUERY = "select customer_id, sum(amount) as total from analytics.orders group by 1"

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "schedule_word": ({"schedule": "often"}, 'sets schedule to "often", which must be a duration'),
    "schedule_number": ({"schedule": 5}, "sets schedule to 5, which must be a duration"),
    "schedule_empty": ({"schedule": ""}, 'sets schedule to "", which must be a duration'),
    "schedule_zero": ({"schedule": "0s"}, "shorter than the least allowed"),
    "schedule_cron": ({"schedule": "61 * * * *"}, "not within 0 to 59, the range of minute"),
    "mode_word": ({"refresh_mode": "NOW"}, "must be one of FULL, DIFFERENTIAL, AUTO, IMMEDIATE"),
    "mode_null": ({"refresh_mode": None}, "sets refresh_mode to null, which must be one of"),
    "mode_list": ({"refresh_mode": ["FULL"]}, "sets refresh_mode to"),
    "initialize_word": ({"initialize": "yes"}, 'sets initialize to "yes", which must be boolean'),
    "refresh_number": ({"refresh_on_run": 1}, "sets refresh_on_run to 1, which must be boolean"),
    "status_word": ({"status": "ASLEEP"}, "which must be one of ACTIVE, PAUSED"),
    "cdc_word": ({"cdc_mode": "TELEPATHY"}, "which must be one of AUTO, TRIGGER, WAL"),
    "append_word": ({"append_only": "no"}, "sets append_only to"),
    "partition": ({"partition_by": "nothing"}, "names no column of the query"),
    "index": ({"indexes": [{"columns": ["nothing"]}]}, "the query has no column nothing"),
    "diamond_word": ({"diamond_consistency": "SOME"}, "which must be one of NONE, ATOMIC"),
    "policy_word": ({"diamond_schedule_policy": "ANY"}, "which must be one of FASTEST, SLOWEST"),
    "joins_word": ({"max_differential_joins": "many"}, "sets max_differential_joins to"),
    "joins_zero": (
        {"max_differential_joins": 0},
        "max_differential_joins must be at least 1, not 0",
    ),
    "fraction_big": (
        {"max_delta_fraction": 2},
        "max_delta_fraction must be above 0 and at most 1, not 2",
    ),
    "tier_word": ({"tier": "TEPID"}, "which must be one of HOT, WARM, COLD, FROZEN"),
    "fuse_word": ({"fuse": "MAYBE"}, "which must be one of OFF, ON, AUTO"),
    "ceiling_zero": ({"fuse_ceiling": 0}, "fuse_ceiling must be at least 1, not 0"),
    "unknown_key": ({"shedule": "5m"}, "sets the unknown key shedule"),
}
QUERIES = {
    "no_column": ("select nothing from analytics.orders", 'column "nothing" does not exist'),
    "no_table": ("select 1 as one from nothing", 'relation "nothing" does not exist'),
    "no_query": ("drop table analytics.orders", "is not supported in the query of a stream table"),
    "twice": ("select 1 as a, 2 as a", "specified more than once"),
    "random_one": ("select random() as r", "random"),
}


@pytest.fixture(scope="module")
def messages(fresh_database: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one run says of each wrong model; nothing was created by it."""
    directory: Path = tmp_path_factory.mktemp("wrong")
    with fresh_database() as dsn:
        with psycopg.connect(dsn) as connection:
            install(PsycopgSession(connection))
            connection.execute(SHOP)
        project = Project(directory / "shop", output("adapter", dsn), dsn, package=False)
        for name, (config, _) in CASES.items():
            project.model(name, QUERY, **config)
        for name, (query, _) in QUERIES.items():
            project.model(name, query)
        said = project.dbt("run", fails=True)
        left = project.sql("select pgt_name from pgtrickle.pgt_stream_tables")
        assert left == []
        assert project.value("select count(*) from pgtrickle.pgt_captures") == 0
    assert said, project.messages
    return said


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [*CASES, *QUERIES])
def test_a_wrong_model(messages: dict[str, str], name: str) -> None:
    expected = {**CASES, **QUERIES}[name][1]
    said = " ".join(messages[name].split())
    assert expected in said
    if name in CASES:
        [key] = CASES[name][0]
        assert "Compilation Error" in said
        assert (
            f"The stream table {name} sets {'the unknown key ' * (name == 'unknown_key')}{key} to"
            in said
        )
