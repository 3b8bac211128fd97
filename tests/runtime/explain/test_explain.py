# ruff: noqa: E501 -- an SQL statement reads best on one line
"""What SQL tells of how stream tables are maintained."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
TABLE = 'marts."Totals ""a"""'


@pytest.fixture(autouse=True)
def orders(owner: Connection) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null, note text)"
    )
    owner.execute("insert into src.orders select i, i % 10, i from generate_series(1, 100) i")


def rows(connection: Connection, sql: str, *arguments: Any) -> list[Any]:
    return [tuple(row) for row in connection.execute(sql, arguments).fetchall()]


def explained(connection: Connection, name: str, *, analyze: bool = False) -> dict[str, str]:
    return dict(rows(connection, "select * from pgtrickle.explain_st(%s, %s)", name, analyze))


def text(connection: Connection, sql: str, *arguments: Any) -> str:
    return "\n".join(str(line) for (line,) in rows(connection, sql, *arguments))


def test_explain_st_tells_mode_sources_state_and_delta(owner: Connection) -> None:
    plans.totals(owner)
    owner.execute("insert into src.orders values (1000, 1, 5), (1001, 1, 6)")
    told = explained(owner, "marts.totals")
    assert told["pgt_name"] == "marts.totals"
    assert told["effective_refresh_mode"] == "DIFFERENTIAL"
    assert told["identity"] == "customer"
    assert told["sources"] == "src.orders: table, captured: customer, amount"
    assert told["output_columns"] == "customer integer, total bigint"
    assert told["state"].startswith("s_totals: ")
    assert "key (customer)" in told["state"]
    assert told["pending_changes"] == "src.orders: 2 rows"
    assert told["dvm_supported"] == "true"
    assert "captured_0 as materialized" in told["delta_query"]
    assert "refresh_reason" not in told


def test_explain_st_of_a_recomputed_table_says_why(owner: Connection) -> None:
    plans.create(owner, TABLE, "select customer, count(*) as n from src.orders group by 1")
    told = explained(owner, TABLE)
    assert told["pgt_name"] == TABLE
    assert told["effective_refresh_mode"] == "FULL"
    assert told["refresh_reason"].startswith("not compiled yet")
    assert told["sources"] == "src.orders: table, not captured"
    assert "delta_query" in told
    assert "pending_changes" not in told


def test_explain_analyze_runs_the_statement_and_undoes_it(owner: Connection) -> None:
    plans.totals(owner)
    owner.execute("insert into src.orders values (1000, 1, 5)")
    before = rows(owner, "table marts.totals order by 1")
    told = explained(owner, "marts.totals", analyze=True)
    assert "actual" in told["analyze"]
    assert rows(owner, "table marts.totals order by 1") == before
    assert plans.refresh(owner, "marts.totals").action == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.totals") == []


def test_a_reader_sees_how_but_not_the_changes(owner: Connection, connect: Connect) -> None:
    plans.totals(owner)
    owner.execute("grant select on marts.totals to pgt_test_reader")
    told = explained(connect("reader"), "marts.totals")
    assert told["effective_refresh_mode"] == "DIFFERENTIAL"
    assert "pending_changes" not in told
    assert "delta_query" not in told
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(connect("reader"), "select pgtrickle.explain_delta('marts.totals')")


@pytest.mark.parametrize(
    ("form", "begins"), [("text", ""), ("json", "["), ("xml", "<explain"), ("yaml", "- Plan")]
)
def test_explain_delta_explains_what_would_run(owner: Connection, form: str, begins: str) -> None:
    plans.totals(owner)
    owner.execute("insert into src.orders values (1000, 1, 5)")
    told = text(owner, "select pgtrickle.explain_delta('marts.totals', %s)", form)
    assert told.startswith(begins)
    assert "s_totals" in told
    if form == "json":
        assert json.loads(told)[0]["Plan"]
    assert rows(owner, "select current_user, current_setting('search_path')") == [
        ("pgt_test_owner", '"$user", public')
    ]


def test_explain_delta_of_an_unknown_format_or_table_is_an_error(owner: Connection) -> None:
    plans.totals(owner)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="format"):
        rows(owner, "select pgtrickle.explain_delta('marts.totals', 'html')")
    with pytest.raises(psycopg.errors.UndefinedTable):
        rows(owner, "select pgtrickle.explain_delta('marts.nothing')")


def test_explain_diff_sql_is_the_statement_of_the_next_refresh(owner: Connection) -> None:
    plans.totals(owner)
    told = text(owner, "select pgtrickle.explain_diff_sql('marts.totals')")
    assert "pgtrickle_state.s_totals" in told
    assert "$1" in told


def test_explain_delta_of_a_recomputed_table_explains_the_recompute(owner: Connection) -> None:
    plans.create(owner, TABLE, "select customer, count(*) as n from src.orders group by 1")
    assert "orders" in text(owner, "select pgtrickle.explain_delta(%s)", TABLE)


def test_explain_stream_table_is_one_text(owner: Connection) -> None:
    plans.totals(owner)
    told = text(owner, "select pgtrickle.explain_stream_table('marts.totals')")
    assert told.startswith("pgt_name: marts.totals\n")
    assert "defining_query:\n" in told


def findings(connection: Connection, query: str) -> list[tuple[str, str, str]]:
    return rows(connection, "select * from pgtrickle.validate_query(%s)", query)


def test_a_query_over_tables_is_valid(owner: Connection) -> None:
    owner.execute("create view src.recent as select * from src.orders")
    owner.execute("set search_path = src")
    assert findings(owner, "select customer, sum(amount) as total from recent group by 1") == [
        ("valid", "the query can define a stream table", "INFO"),
        ("source", "src.orders (table): changes can be captured", "INFO"),
        ("source", "src.recent (view): is replaced by its definition", "INFO"),
        ("resolved_refresh_mode", "DIFFERENTIAL, unless the compiler finds an obstacle: pgtrickle explain tells", "INFO"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("selec 1", "must be a SELECT"),
        ("select nothing from src.orders", "nothing"),
        ("delete from src.orders", ""),
        ("select 1 as a; select 2 as a", ""),
        ("select 1", "no name"),
        ("select relname from pg_class", "system catalog"),
    ],
)
def test_what_cannot_define_a_stream_table_is_an_error(
    owner: Connection, query: str, says: str
) -> None:
    ((check, result, severity),) = findings(owner, query)
    assert (check, severity) == ("valid", "ERROR")
    assert says in result


OPTIONS: dict[str, Any] = {
    "name": "marts.totals",
    "query": "select 1 as one",
    "schedule": "*/5 * * * mon-fri",
    "refresh_mode": "differential",
    "initialize": True,
    "status": "PAUSED",
    "cdc_mode": "TRIGGER",
    "append_only": True,
    "partition_by": "Day",
    "diamond_consistency": "ATOMIC",
    "diamond_schedule_policy": "SLOWEST",
    "pooler_compatibility_mode": False,
    "max_differential_joins": 1,
    "max_delta_fraction": 0.5,
    "tier": "COLD",
    "fuse": "AUTO",
    "fuse_ceiling": 3000000000,
    "fuse_sensitivity": 1,
    "post_refresh_action": "none",
    "storage_backend": "heap",
    "sink": None,
}


def wrong_options(connection: Connection, options: dict[str, Any]) -> list[Any]:
    call = "select * from pgtrickle.validate_options(%s::jsonb, array['customer', 'day'])"
    return rows(connection, call, json.dumps(options))


def test_options_that_create_and_alter_take_are_valid(owner: Connection) -> None:
    assert wrong_options(owner, OPTIONS) == []
    assert wrong_options(owner, {"refresh_mode": "IMMEDIATE", "schedule": None}) == []
    assert rows(owner, "select * from pgtrickle.validate_options(null)") == []


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("name", "a.b.c", "more parts"),
        ("name", None, "must not be null"),
        ("schedule", "0s", "shorter than the least allowed, 1 s"),
        ("schedule", "99 * * * *", "not within 0 to 59"),
        ("schedule", None, "must not be null"),
        ("refresh_mode", "now", "is not known"),
        ("status", "asleep", "is not known"),
        ("cdc_mode", "telepathy", "is not known"),
        ("append_only", "perhaps", "invalid input syntax for type boolean"),
        ("partition_by", "hour", "names no column"),
        ("partition_by", "LIST:day", "names no column"),
        ("diamond_consistency", "none", 'needs diamond_consistency "atomic"'),
        ("diamond_schedule_policy", "any", "is not known"),
        ("max_differential_joins", 0, "at least 1"),
        ("max_differential_joins", 1.5, "invalid input syntax for type integer"),
        ("max_delta_fraction", 2, "at most 1"),
        ("tier", "tepid", "is not known"),
        ("fuse", "maybe", "is not known"),
        ("fuse_ceiling", 0, "at least 1"),
        ("fuse_sensitivity", 3000000000, "out of range"),
        ("post_refresh_action", "analyze", "not supported"),
        ("temporal", True, "not supported"),
        ("sink", "ducklake", "not supported"),
        ("shedule", "5m", "there is no option shedule"),
    ],
)
def test_an_option_that_create_or_alter_would_refuse_is_named(
    owner: Connection, option: str, value: Any, says: str
) -> None:
    ((named, message, _),) = wrong_options(owner, {**OPTIONS, option: value})
    assert named == (option if option != "diamond_consistency" else "diamond_schedule_policy")
    assert says in message


def test_every_wrong_option_is_named_with_the_way_out(owner: Connection) -> None:
    wrong = wrong_options(
        owner, {"refresh_mode": "FULL", "append_only": True, "tier": "tepid", "schedule": "1x"}
    )
    assert [option for option, _, _ in wrong] == ["append_only", "schedule", "tier"]
    assert [hint.split(",")[0] for _, _, hint in wrong] == [
        "Leave append_only out",
        "Examples: '30s'",
        "It is one of hot",
    ]


def test_obstacles_are_named(owner: Connection) -> None:
    owner.execute("create unlogged table src.scratch (id int)")
    owner.execute("create materialized view src.summary as select count(*) as n from src.orders")
    owner.execute("create function src.own() returns int language sql stable as 'select 1'")
    told = findings(
        owner, "select s.id, n, random() as r, src.own() as o from src.scratch s, src.summary"
    )
    warnings = [result for _, result, severity in told if severity == "WARNING"]
    assert len(warnings) == 4
    assert (
        "src.scratch (table): changes cannot be captured: src.scratch is an unlogged table"
        in warnings
    )
    assert any("src.summary (matview)" in warning for warning in warnings)
    assert any(warning.startswith("pg_catalog.random() is volatile") for warning in warnings)
    assert any(warning.startswith("src.own() is stable") for warning in warnings)
    assert told[-1][1].startswith("FULL")


def test_validating_leaves_nothing_behind(owner: Connection) -> None:
    findings(owner, "select id from src.orders")
    findings(owner, "select relname from pg_class")
    assert rows(owner, "select relname from pg_class where relname like 'pgt_probe%%'") == []


def test_list_sources_names_tables_and_views(owner: Connection) -> None:
    owner.execute('create view src."My View" as select id, amount from src.orders')
    plans.create(owner, TABLE, 'select amount from src."My View"')
    told = rows(owner, "select source_table, source_oid::regclass::text, source_type, cdc_mode, columns_used from pgtrickle.list_sources(%s)", TABLE)  # fmt: skip
    assert told == [
        ('src."My View"', 'src."My View"', "VIEW", "NONE", "amount"),
        ("src.orders", "src.orders", "TABLE", "NONE", "id, amount"),
    ]


def chain(owner: Connection) -> None:
    plans.totals(owner)
    owner.execute('create view src."V" as select total from marts.totals')
    plans.create(owner, TABLE, 'select sum(total) as a from src."V", src.orders')


def test_the_dependency_tree_goes_from_readers_to_tables(owner: Connection) -> None:
    chain(owner)
    told = rows(owner, "select * from pgtrickle.dependency_tree()")
    assert [line for line, *_ in told] == [
        TABLE,
        '|-- src."V" (view)',
        "|   `-- marts.totals",
        "|       `-- src.orders (source table)",
        "`-- src.orders (source table)",
    ]
    assert told[0][1:] == (TABLE, "stream_table", 0, "ACTIVE", "FULL")
    assert told[2][1:] == ("marts.totals", "stream_table", 2, "ACTIVE", "DIFFERENTIAL")
    assert told[3][1:] == ("src.orders", "source_table", 3, None, None)


def test_the_graph_is_drawn_for_mermaid_and_graphviz(owner: Connection) -> None:
    chain(owner)
    oid = {name: rows(owner, "select %s::regclass::oid::bigint", name)[0][0] for name in (TABLE, "marts.totals", 'src."V"', "src.orders")}  # fmt: skip
    mermaid = text(owner, "select pgtrickle.explain_dag()").split("\n")
    assert mermaid[0] == "flowchart LR"
    assert f'    n{oid[TABLE]}["marts.#quot;Totals #quot;#quot;a#quot;#quot;#quot;"]' in mermaid
    assert f'    n{oid["src.orders"]}[("src.orders")]' in mermaid
    edges = {
        ("src.orders", "marts.totals"),
        ("marts.totals", 'src."V"'),
        ('src."V"', TABLE),
        ("src.orders", TABLE),
    }
    assert {line for line in mermaid if "-->" in line} == {
        f"    n{oid[a]} --> n{oid[b]}" for a, b in edges
    }
    dot = text(owner, "select pgtrickle.explain_dag('dot')").split("\n")
    assert dot[0] == "digraph stream_tables {"
    assert dot[-1] == "}"
    assert f'    n{oid[TABLE]} [label="marts.\\"Totals \\"\\"a\\"\\"\\"", shape=box];' in dot
    assert len([line for line in dot if "->" in line]) == 4


def test_buffers_and_triggers_are_listed(owner: Connection, connect: Connect) -> None:
    plans.totals(owner)
    owner.execute("insert into src.orders values (1000, 1, 5), (1001, 1, 6)")
    ((table, source, oid, mode, pending, size),) = rows(
        owner, "select * from pgtrickle.change_buffer_sizes()"
    )
    assert (table, source, mode, pending) == ("marts.totals", "src.orders", "TRIGGER", 2)
    assert size > 0
    owner.execute("grant select on marts.totals to pgt_test_reader")
    assert rows(connect("reader"), "select pending_rows from pgtrickle.change_buffer_sizes()") == [
        (None,)
    ]
    owner.execute("alter table src.orders disable trigger pgtrickle_capture_update")
    owner.execute("drop trigger pgtrickle_capture_delete on src.orders")
    inventory = rows(owner, "select * from pgtrickle.trigger_inventory()")
    assert [(*row[2:],) for row in inventory] == [
        ("pgtrickle_capture_insert", "AFTER INSERT STATEMENT", True, True),
        ("pgtrickle_capture_update", "AFTER UPDATE STATEMENT", True, False),
        ("pgtrickle_capture_delete", "AFTER DELETE STATEMENT", False, False),
        ("pgtrickle_capture_truncate", "AFTER TRUNCATE STATEMENT", True, True),
    ]
    assert {row[:2] for row in inventory} == {("src.orders", oid)}


def test_every_function_says_what_it_is_for(owner: Connection) -> None:
    assert rows(owner, "select p.oid::regprocedure::text from pg_proc p where pronamespace = 'pgtrickle'::regnamespace and obj_description(p.oid, 'pg_proc') is null") == []  # fmt: skip
