"""The generic tests, and the state of a stream table as macros tell it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from tests.dbt.project import Project

TOTALS = (
    "select customer_id, count(*) as orders, sum(amount) as total"
    " from {{ source('shop', 'orders') }} group by customer_id"
)
CATALOG = "update pgtrickle.pgt_stream_tables set "
TWO_HOURS_AGO = CATALOG + "last_refresh_at = now() - interval '2 hours'"
# What stream_table_healthy calls an ill, and how a table comes by it.
ILLS = {
    "healthy": CATALOG + "status = status",
    "stale": TWO_HOURS_AGO,
    "erroring": CATALOG + "status = 'ERROR', consecutive_errors = 1, last_error_message = 'no'",
    "paused": CATALOG + "status = 'SUSPENDED'",
    "fuse_blown": CATALOG + "status = 'SUSPENDED', fuse_state = 'blown', blow_reason = 'too many'",
    "not_populated": CATALOG + "is_populated = false, last_refresh_at = null",
}


@pytest.fixture(params=["package"])
def setup(request: pytest.FixtureRequest) -> str:
    """Health knows nothing of how it was installed: test_setups.py sees to that."""
    name: str = request.param
    return name


def _tested(project: Project, **config: Any) -> None:
    """The stream table `totals`, and a test of its health."""
    project.model("totals", TOTALS, **config)
    project.write(
        "models/totals.yml",
        "models:\n  - name: totals\n    data_tests:\n      - dbt_pgtrickle.stream_table_healthy\n",
    )
    project.dbt("run")


def _row(project: Project, **arguments: Any) -> dict[str, Any]:
    """What the status macro returns."""
    project.write(
        "macros/tell.sql",
        "{% macro tell(arguments) %}"
        "{% do log(tojson(dbt_pgtrickle.pgtrickle_stream_table_status(**arguments)), info=true) %}"
        "{% endmacro %}",
    )
    given = json.dumps({"arguments": {"name": "totals", **arguments}})
    project.dbt("run-operation", "tell", "--args", given)
    [told] = [json.loads(line) for line in project.messages if line.startswith("{")]
    assert isinstance(told, dict)
    return told


def test_what_is_ill_fails_with_a_row_that_says_why(project: Project) -> None:
    tests = "\n    data_tests:\n      - dbt_pgtrickle.stream_table_healthy:\n          name: of_"
    models = "models:\n"
    for ill in [*ILLS, "not_found"]:
        project.model(ill, TOTALS)
        models += f"  - name: {ill}{tests}{ill}\n"
    project.write("models/tests.yml", models)
    project.dbt("run")
    project.dbt("test")
    for ill, means in ILLS.items():
        project.sql(f"{means} where pgt_name = '{ill}'")
    project.sql("select pgtrickle.drop_stream_table('analytics.not_found')")
    messages = project.dbt("test", "--store-failures", fails=True)
    assert [name for name, message in messages.items() if message is None] == ["of_healthy"]
    reasons = {"fuse_blown": ("too many", None), "erroring": (None, "no")}
    for ill in [*ILLS, "not_found"][1:]:
        [found] = project.sql(
            "select stream_table, status, reason, last_error_message"
            f" from analytics_dbt_test__audit.of_{ill}"
        )
        assert found[:2] == (f'"analytics"."{ill}"', ill)
        reason, error = reasons.get(ill, (None, None))
        assert reason in (found[2], None)
        assert error == found[3]
    assert _row(project, name="stale")["status"] == "stale"


def test_the_status_macro_returns_the_facts(project: Project) -> None:
    _tested(project)
    project.dbt("run")
    told = _row(project)
    assert told | {"last_refresh_at": "", "staleness_seconds": 0} == {
        "stream_table": '"analytics"."totals"',
        "status": "healthy",
        "staleness_seconds": 0,
        "warn_seconds": 360,
        "schedule": "1m",
        "consecutive_errors": 0,
        "last_refresh_at": "",
        "total_refreshes": 2,
        "is_populated": True,
        "refresh_mode": "DIFFERENTIAL",
        "effective_refresh_mode": "FULL",
        "reason": "not compiled yet: a worker, the Python API or the dbt adapter does that",
        "last_error_message": None,
    }
    project.sql(TWO_HOURS_AGO)
    assert _row(project, warn_seconds=7300)["status"] == "healthy"
    assert _row(project, warn_seconds=10)["status"] == "stale"
    assert _row(project, name="analytics.totals")["total_refreshes"] == 2
    assert _row(project, name="nobody")["status"] == "not_found"


def test_only_the_default_limit_stretches_to_the_schedule(project: Project) -> None:
    cases = [
        ("1m", None, "stale"),
        ("3h", None, "healthy"),
        ("@daily", None, "healthy"),
        ("0 3 * * *", None, "healthy"),
        ("*/5 * * * *", None, "stale"),
        ("0 */5 * * * *", None, "stale"),
        ("0 0 3 * * *", None, "healthy"),
        (None, None, "healthy"),
        ("3h", 300, "stale"),
        ("1m", 7300, "healthy"),
    ]
    for number, (schedule, _, _) in enumerate(cases):
        project.model(f"s{number}", TOTALS, schedule=schedule)
    project.dbt("run")
    project.sql(TWO_HOURS_AGO)
    for number, (_, warn_seconds, status) in enumerate(cases):
        given = {} if warn_seconds is None else {"warn_seconds": warn_seconds}
        assert _row(project, name=f"s{number}", **given)["status"] == status


def test_a_warn_seconds_of_one_s_own_decides_in_the_test(project: Project) -> None:
    project.model("totals", TOTALS, schedule="3h")
    project.dbt("run")
    project.sql(TWO_HOURS_AGO)
    for seconds, fails in ((300, True), (7300, False)):
        project.write(
            "models/totals.yml",
            yaml.safe_dump(
                {
                    "models": [
                        {
                            "name": "totals",
                            "data_tests": [
                                {
                                    "dbt_pgtrickle.stream_table_healthy": {
                                        "arguments": {"warn_seconds": seconds}
                                    }
                                }
                            ],
                        }
                    ]
                }
            ),
        )
        project.dbt("test", fails=fails)


def test_an_empty_build_passes_and_a_true_one_tests_what_it_left_empty(project: Project) -> None:
    project.model("totals", TOTALS)
    project.write(
        "models/totals.yml",
        "models:\n  - name: totals\n    data_tests:\n      - dbt_pgtrickle.stream_table_healthy\n"
        "      - dbt_pgtrickle.stream_table_exact\n",
    )
    project.dbt("build", "--empty")
    assert project.value("select count(*) from $schema.totals") == 0
    assert None not in project.dbt("test", fails=True).values()
    project.dbt("build")


def test_an_immediate_table_is_not_stale_for_want_of_change(project: Project) -> None:
    _tested(project, refresh_mode="IMMEDIATE")
    project.sql(TWO_HOURS_AGO)
    project.dbt("test")
    assert _row(project, warn_seconds=10)["status"] == "healthy"


def test_source_freshness_comes_from_the_engine_with_the_package_too(project: Project) -> None:
    _tested(project)
    project.write(
        "models/upstream.yml",
        yaml.safe_dump(
            {
                "sources": [
                    {
                        "name": "upstream",
                        "schema": "analytics",
                        "config": {
                            "loaded_at_query": "{{ dbt_pgtrickle.loaded_at(this) }}",
                            "freshness": {"error_after": {"count": 1, "period": "hour"}},
                        },
                        "tables": [{"name": "totals"}],
                    }
                ]
            }
        ),
    )
    project.dbt("source", "freshness", "--select", "source:upstream")
    project.sql(TWO_HOURS_AGO)
    project.dbt("source", "freshness", "--select", "source:upstream", fails=True)


def test_the_engine_tells_its_name_and_version(project: Project) -> None:
    project.write(
        "macros/engine.sql",
        "{% macro engine() %}{% set e = dbt_pgtrickle.pgtrickle_engine() %}"
        "{% do log(e.name ~ ' ' ~ e.version, info=true) %}{% endmacro %}",
    )
    project.dbt("run-operation", "engine")
    assert "portable " + project.value("select pgtrickle.version()") in project.messages
