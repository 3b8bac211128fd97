"""What dbt does with any model, done with stream tables."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.dbt.project import Project

TOTALS = (
    "select customer_id, count(*) as orders, sum(amount) as total"
    " from {{ source('shop', 'orders') }} group by customer_id"
)
ABOVE = "select customer_id, total * 2 as twice from {{ ref('totals') }}"


def test_show_prints_rows_of_a_stream_table_and_of_a_model_that_is_none_yet(
    project: Project,
) -> None:
    project.model("totals", TOTALS)
    project.model("above", ABOVE)
    project.dbt("run", "--select", "totals")
    project.dbt("show", "--select", "above", "--limit", "1")
    assert any("twice" in line for line in project.messages)
    project.dbt("show", "--inline", "select max(orders) as most from {{ ref('totals') }}")
    assert any("most" in line for line in project.messages)
    assert project.value("select count(*) from pgtrickle.pgt_stream_tables") == 1


def test_a_unit_test_tests_the_query_of_a_stream_table(project: Project) -> None:
    project.model("totals", TOTALS)
    project.model("above", ABOVE)
    project.write(
        "models/unit.yml",
        yaml.safe_dump(
            {
                "unit_tests": [
                    {
                        "name": "sums_up",
                        "model": "totals",
                        "given": [
                            {
                                "input": "source('shop', 'orders')",
                                "rows": [
                                    {"customer_id": 7, "amount": "1.00"},
                                    {"customer_id": 7, "amount": "2.00"},
                                ],
                            }
                        ],
                        "expect": {"rows": [{"customer_id": 7, "orders": 2, "total": "3.00"}]},
                    },
                    {
                        "name": "doubles",
                        "model": "above",
                        "given": [
                            {
                                "input": "ref('totals')",
                                "rows": [{"customer_id": 7, "total": 3}],
                            }
                        ],
                        "expect": {"rows": [{"customer_id": 7, "twice": 6}]},
                    },
                ]
            }
        ),
    )
    project.dbt("build")
    project.dbt("test", "--select", "test_type:unit")
    assert project.value("select count(*) from $schema.totals") == 3


def test_a_snapshot_stands_on_a_stream_table(project: Project) -> None:
    project.model("totals", TOTALS)
    project.write(
        "snapshots/history.yml",
        "snapshots:\n  - name: history\n    relation: ref('totals')\n    config:\n"
        "      unique_key: customer_id\n      strategy: check\n      check_cols: [total]\n",
    )
    project.dbt("build")
    project.sql("insert into $schema.orders values (50, 2, 99)")
    project.dbt("build")
    assert project.sql(
        "select customer_id, count(*) from $schema.history group by 1 order by 1"
    ) == [(1, 1), (2, 2), (3, 1)]


def test_failures_of_tests_on_stream_tables_can_be_stored(project: Project) -> None:
    project.model("totals", TOTALS)
    project.write(
        "models/totals.yml",
        "models:\n  - name: totals\n    data_tests:\n"
        "      - dbt_pgtrickle.stream_table_exact:\n          name: exactness\n"
        "          config: {store_failures: true}\n"
        "      - dbt_pgtrickle.stream_table_healthy:\n          config: {store_failures: true}\n",
    )
    project.dbt("build")
    project.sql("delete from $schema.orders where order_id = 30")
    messages = project.dbt("test", fails=True)
    assert sorted(message is None for message in messages.values()) == [False, True]
    assert project.value("select count(*) from analytics_dbt_test__audit.exactness") == 2


def test_ls_selects_by_materialization(project: Project) -> None:
    project.model("totals", TOTALS)
    project.model("seen", "select * from {{ ref('totals') }}", materialized="view")
    project.dbt("ls", "--select", "config.materialized:stream_table", "--output", "name")
    assert [name for name in ("totals", "seen") if name in project.messages] == ["totals"]


def test_json_logs_say_what_was_done(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.model("totals", TOTALS)

    def logged() -> list[str]:
        capsys.readouterr()
        project.dbt("--log-format", "json", "run", quiet=False)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line["info"]["msg"] for line in lines if "stream_table" in line["info"]["msg"]]

    assert any("[created" in line for line in logged())
    project.sql("delete from $schema.orders where order_id = 30")
    assert any("[unchanged, refreshed" in line for line in logged())
    project.model("totals", TOTALS, schedule="5m")
    assert any("[altered schedule 1m to 5m" in line for line in logged())


def test_a_model_renamed_or_deleted_leaves_its_table_and_the_next_one_stands(
    project: Project,
) -> None:
    project.model("totals", TOTALS)
    project.model("above", ABOVE)
    project.dbt("run")
    project.remove("models/totals.sql")
    project.model("sums", TOTALS)
    project.model("above", ABOVE.replace("'totals'", "'sums'"))
    messages = project.dbt("run")
    assert messages["sums"].startswith("created")
    assert messages["above"].startswith("altered query")
    # dbt drops nothing that has left the project, and neither do we.
    assert project.value("select count(*) from $schema.totals") == 3
    project.dbt("run-operation", "drop_all_stream_tables")
    assert project.sql("select pgt_name from pgtrickle.pgt_stream_tables") == [("totals",)]
    project.dbt("run-operation", "drop_all_stream_tables_force")
    assert project.sql("select pgt_name from pgtrickle.pgt_stream_tables") == []


def test_a_retry_resumes_what_a_failed_run_left(project: Project) -> None:
    project.model("totals", TOTALS, post_hook="select 1 / (select count(*) from analytics.ready)")
    project.model("above", ABOVE)
    project.sql("create table $schema.ready ()")
    project.dbt("run", fails=True, artifacts=True)
    assert project.value("select count(*) from pgtrickle.pgt_stream_tables") == 0
    project.sql("insert into $schema.ready default values")
    messages = project.dbt("retry", artifacts=True)
    assert {name: text.split(",")[0].split(" ")[0] for name, text in messages.items()} == {
        "totals": "created",
        "above": "created",
    }
