"""Indexes, constraints, rights and comments as the model changes, in each of the three set-ups."""

from __future__ import annotations

from typing import Any

import yaml
from tests.dbt.project import Project
from tests.dbt.test_stream_table import TOTALS

CONSTRAINTS = (
    "select case contype when 'n' then 'not null' else pg_get_constraintdef(oid) end"
    " from pg_constraint where conrelid = '$schema.totals'::regclass and contype <> 'n' order by 1"
)
NOT_NULL = (
    "select array_agg(attname::text order by attnum) filter (where attnotnull)"
    " from pg_attribute where attrelid = '$schema.totals'::regclass and attnum > 0"
)
INDEXES = (
    "select regexp_replace(indexdef, '^.* ON ', '') from pg_indexes"
    " where schemaname = '$schema' and tablename = 'totals' and indexname ~ '^[0-9a-f]{32}$'"
    " order by 1"
)


def _declare(
    project: Project,
    *,
    enforced: bool = True,
    constraints: list[dict[str, Any]] | None = None,
    not_null: str | None = None,
    **config: Any,
) -> None:
    columns: list[dict[str, Any]] = [
        {"name": "customer_id", "data_type": "integer"},
        {"name": "orders", "data_type": "bigint"},
        {"name": "total", "data_type": "numeric"},
    ]
    for column in columns:
        if column["name"] == not_null:
            column["constraints"] = [{"type": "not_null"}]
    model = {
        "name": "totals",
        "config": {"contract": {"enforced": enforced}, **config},
        "columns": columns,
        "constraints": constraints or [],
    }
    project.write("models/totals.yml", yaml.safe_dump({"models": [model]}))


def test_constraints_and_indexes_are_made_changed_and_dropped_to_match(project: Project) -> None:
    project.model("totals", TOTALS)
    key = {"type": "primary_key", "columns": ["customer_id"], "name": '"Totals Key"'}
    positive = {"type": "check", "expression": "total > 0"}
    known = {
        "type": "foreign_key",
        "columns": ["customer_id"],
        "expression": "analytics.customers (customer_id)",
    }
    _declare(
        project,
        constraints=[key, positive, known],
        not_null="orders",
        indexes=[{"columns": ["total"]}],
    )
    assert project.dbt("run")["totals"] == "created"
    oid = project.oid("totals")
    project.sql("alter table $schema.totals add constraint mine check (orders >= 0)")
    project.sql("create index mine_too on $schema.totals (orders)")
    mine = ("CHECK ((orders >= 0))",)
    assert project.sql(CONSTRAINTS) == [
        mine,
        ("CHECK ((total > (0)::numeric))",),
        ("FOREIGN KEY (customer_id) REFERENCES analytics.customers(customer_id)",),
        ("PRIMARY KEY (customer_id)",),
    ]
    assert project.value(NOT_NULL) == ["customer_id", "orders"]
    assert project.sql(INDEXES) == [("analytics.totals USING btree (total)",)]
    made = project.sql("select oid from pg_constraint where conrelid = '$schema.totals'::regclass")

    assert project.dbt("run")["totals"].startswith("unchanged")
    assert made == project.sql(
        "select oid from pg_constraint where conrelid = '$schema.totals'::regclass"
    )

    unique = {"type": "unique", "columns": ["customer_id", "orders"]}
    _declare(
        project,
        constraints=[{**key, "columns": ["customer_id", "total"]}, unique],
        not_null="total",
        indexes=[{"columns": ["total", "orders"], "unique": True}],
    )
    message = project.dbt("run")["totals"]
    for change in (
        'constraint "Totals Key" dropped',
        'constraint "Totals Key" added',
        "index on total dropped",
        "index on total, orders added",
        "not null of orders dropped",
    ):
        assert change in message
    assert project.oid("totals") == oid
    assert project.sql(CONSTRAINTS) == [
        mine,
        ("PRIMARY KEY (customer_id, total)",),
        ("UNIQUE (customer_id, orders)",),
    ]
    assert project.value(NOT_NULL) == ["customer_id", "total"]
    assert project.sql(INDEXES) == [("analytics.totals USING btree (total, orders)",)]

    _declare(project, enforced=False)
    project.dbt("run")
    assert project.sql(CONSTRAINTS) == [mine]
    assert project.value(NOT_NULL) is None
    assert project.sql(INDEXES) == []
    assert project.value("select to_regclass('$schema.mine_too') is not null")


def test_an_edited_query_and_its_new_key_come_together(project: Project) -> None:
    project.model("totals", TOTALS)
    key = {"type": "primary_key", "columns": ["customer_id"]}
    _declare(project, constraints=[key])
    project.dbt("run")
    # Under the old key these rows could not be.
    project.model(
        "totals",
        "select 1 as customer_id, order_id::bigint as orders, amount::numeric as total"
        " from {{ source('shop', 'orders') }}",
    )
    _declare(project, constraints=[{**key, "columns": ["orders"]}])
    assert project.dbt("run")["totals"].startswith("altered query")
    assert project.sql(CONSTRAINTS) == [("PRIMARY KEY (orders)",)]
    assert project.value("select count(*) from $schema.totals") == 30


def test_a_constraint_the_rows_break_fails_the_model_and_changes_nothing(project: Project) -> None:
    project.model("totals", TOTALS)
    project.dbt("run")
    project.model("totals", TOTALS.replace("sum(amount)", "2 * sum(amount)"))
    _declare(project, constraints=[{"type": "check", "expression": "total < 0"}])
    before = project.sql("select * from $schema.totals order by 1")
    assert "is violated by some row" in project.dbt("run", fails=True)["totals"]
    assert project.sql("select * from $schema.totals order by 1") == before
    assert project.sql(CONSTRAINTS) == []


def test_on_configuration_change_decides_about_indexes_and_constraints_too(
    project: Project,
) -> None:
    project.model("totals", TOTALS)
    _declare(project, indexes=[{"columns": ["total"]}])
    project.dbt("run")
    for policy, fails in (("continue", False), ("fail", True)):
        _declare(
            project,
            constraints=[{"type": "unique", "columns": ["customer_id"]}],
            indexes=[{"columns": ["orders"]}],
            on_configuration_change=policy,
        )
        project.dbt("run", fails=fails)
        assert project.sql(INDEXES) == [("analytics.totals USING btree (total)",)]
        assert project.sql(CONSTRAINTS) == []
        assert any(f"was set to `{policy}`" in line for line in project.messages)


def test_rights_and_comments_outlive_every_change(project: Project) -> None:
    role = "keeps_" + project.value("select substr(md5(random()::text), 1, 8)")
    project.sql(f"create role {role}")
    kept = (
        f"select has_table_privilege('{role}', '$schema.totals', 'select'),"
        f" has_column_privilege('{role}', '$schema.totals', 'total', 'references'),"
        " obj_description('$schema.totals'::regclass), col_description('$schema.totals'::regclass,"
        " (select attnum from pg_attribute where attrelid = '$schema.totals'::regclass"
        " and attname = 'total'))"
    )
    try:
        project.model("totals", TOTALS)
        project.dbt("run")
        project.sql(
            f"grant select on $schema.totals to {role};"
            f" grant references (total) on $schema.totals to {role};"
            " comment on table $schema.totals is 'It''s 100%';"
            " comment on column $schema.totals.total is 'in \"euro\"'"
        )
        changed = TOTALS.replace("sum(amount) as total", "round(sum(amount))::int as total")
        changes: list[tuple[str, dict[str, Any]]] = [
            (TOTALS, {"schedule": "5m", "refresh_mode": "FULL"}),
            (TOTALS, {"indexes": [{"columns": ["total"]}]}),
            (TOTALS.replace("count(*)", "max(order_id)"), {}),
            (changed, {}),
            (changed.replace("count(*) as orders, ", ""), {}),
        ]
        for query, config in changes:
            project.model("totals", query, **config)
            assert project.dbt("run")["totals"].startswith("altered"), (query, config)
            assert project.sql(kept) == [(True, True, "It's 100%", 'in "euro"')], (query, config)
        assert project.dbt("run", "--full-refresh")["totals"].startswith("rebuilt")
        assert project.sql(kept) == [(True, True, "It's 100%", 'in "euro"')]
    finally:
        project.sql(f"drop owned by {role}; drop role {role}")
