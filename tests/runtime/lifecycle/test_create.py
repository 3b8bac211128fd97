"""Creating stream tables."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans

from .facts import call, catalog, columns, create, hidden, rows, scalar

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]

TOTALS = "select customer, sum(amount) as total from src.orders group by customer"
NAME = 'marts."Mixed ""Case"" Name.s"'


def test_a_stream_table_works_at_once_from_sql_alone(owner: Connection) -> None:
    create(owner, "marts.totals", TOTALS)
    assert [tuple(map(str, row)) for row in rows(owner, "marts.totals")] == [
        ("1", "15.50"),
        ("2", "7.25"),
    ]
    row = catalog(owner, "totals")
    assert (row.status, row.is_populated, row.requested_refresh_mode) == ("ACTIVE", True, "AUTO")
    assert (row.refresh_mode, row.effective_refresh_mode) == ("FULL", "FULL")
    assert "not compiled yet" in row.refresh_reason
    assert row.original_query == TOTALS
    assert '"src"."orders"' in row.defining_query


def test_the_first_population_is_in_the_history(owner: Connection) -> None:
    create(owner, "marts.totals", TOTALS)
    history = owner.execute(
        "select action, initiated_by, status, rows_inserted from pgtrickle.pgt_refresh_history"
    ).fetchall()
    assert history == [("FULL", "INITIAL", "COMPLETED", 2)]


def test_without_initialize_it_is_empty_until_its_first_refresh(owner: Connection) -> None:
    create(owner, "marts.totals", TOTALS, initialize=False)
    row = catalog(owner, "totals")
    assert (row.status, row.is_populated) == ("INITIALIZING", False)
    assert rows(owner, "marts.totals") == []
    call(owner, "refresh_stream_table", "marts.totals")
    assert len(rows(owner, "marts.totals")) == 2
    assert catalog(owner, "totals").status == "ACTIVE"


def test_the_table_has_exactly_the_querys_columns(owner: Connection) -> None:
    create(
        owner,
        "marts.exact",
        "select amount, note, note::char(3) as c3, '12:00'::time(2) as at, 'x' as literal,"
        " b'101'::bit(3) as bits, array[id] as ids from src.orders",
    )
    assert columns(owner, "marts.exact") == [
        ("amount", "numeric(10,2)"),
        ("note", "character varying(20)"),
        ("c3", "character(3)"),
        ("at", "time(2) without time zone"),
        ("literal", "text"),
        ("bits", "bit(3)"),
        ("ids", "integer[]"),
    ]


def test_any_name_will_do(owner: Connection) -> None:
    create(owner, NAME, 'select customer as "Cust ""omer", note as "per.son" from src.orders')
    assert len(rows(owner, NAME)) == 3
    owner.execute("insert into src.orders values (4, 9, 1, 'd')")
    call(owner, "refresh_stream_table", NAME)
    assert len(rows(owner, NAME)) == 4
    call(owner, "drop_stream_table", NAME)
    assert scalar(owner, "select to_regclass(%s)", NAME) is None


def test_an_unqualified_name_goes_to_the_current_schema(owner: Connection) -> None:
    owner.execute("set search_path = marts, src")
    create(owner, "totals", "select customer from orders")
    assert catalog(owner, "totals").pgt_schema == "marts"
    assert catalog(owner, "totals").defining_search_path == "marts, src"


def test_settings_that_change_results_are_kept(owner: Connection) -> None:
    owner.execute("set timezone = 'Asia/Tokyo'")
    create(
        owner,
        "marts.days",
        "select id, (timestamptz '2020-01-01 20:00+00' + id * interval '1 day')::date as day"
        " from src.orders",
    )
    before = rows(owner, "marts.days")
    assert catalog(owner, "days").defining_settings["TimeZone"] == "Asia/Tokyo"
    owner.execute("set timezone = 'America/New_York'")
    call(owner, "refresh_stream_table", "marts.days")
    assert rows(owner, "marts.days") == before


@pytest.mark.parametrize("mode", ["DIFFERENTIAL", "IMMEDIATE"])
def test_abbreviations_of_time_zones_are_those_of_creation(owner: Connection, mode: str) -> None:
    """IST is Israel's time by default, and India's for some."""
    owner.execute("create table src.moments (id int primary key, stated text)")
    query = "select id, stated::timestamptz as moment from src.moments"
    call(owner, "create_stream_table", "marts.moments", query, refresh_mode=mode)
    for files, other in (("Default", "India"), ("India", "Default")):
        owner.execute(f"set timezone_abbreviations = '{files}'")
        call(owner, "alter_stream_table", "marts.moments", query=f"{query} where id > 0")
        owner.execute(f"set timezone_abbreviations = '{other}'")
        owner.execute("truncate src.moments")
        owner.execute("insert into src.moments values (1, '2026-01-01 12:00 IST')")
        if mode == "DIFFERENTIAL":
            call(owner, "refresh_stream_table", "marts.moments")
        assert scalar(owner, "show timezone_abbreviations") == other
        assert scalar(
            owner, "select to_char(moment at time zone 'UTC', 'HH24:MI') from marts.moments"
        ) == ("10:00" if files == "Default" else "06:30")


def test_dependencies_are_recorded(owner: Connection) -> None:
    owner.execute("create view src.v as select customer, amount from src.orders")
    create(owner, "marts.totals", "select customer, sum(amount) as total from src.v group by 1")
    create(owner, "marts.more", "select total from marts.totals")
    found = owner.execute(
        "select s.pgt_name, d.source_schema, d.source_name, d.source_type, d.columns_used"
        " from pgtrickle.pgt_dependencies d join pgtrickle.pgt_stream_tables s using (pgt_id)"
        " order by 1, 3"
    ).fetchall()
    assert found == [
        ("more", "marts", "totals", "STREAM_TABLE", ["total"]),
        ("totals", "src", "orders", "TABLE", ["customer", "amount"]),
        ("totals", "src", "v", "VIEW", ["customer", "amount"]),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into marts.totals values (1, 2)",
        "update marts.totals set total = 0",
        "delete from marts.totals where false",
        "truncate marts.totals",
    ],
)
def test_direct_writes_are_refused(owner: Connection, statement: str) -> None:
    create(owner, "marts.totals", TOTALS)
    with pytest.raises(psycopg.Error, match=r"marts.totals.*pgtrickle maintains it") as error:
        owner.execute(statement)
    assert error.value.sqlstate == "55000"
    assert "src.orders" in (error.value.diag.message_hint or "")
    assert "refresh_stream_table" in (error.value.diag.message_hint or "")


def test_the_guard_of_one_table_is_not_passed_by_the_refresh_of_another(owner: Connection) -> None:
    create(owner, "marts.totals", TOTALS)
    create(owner, "marts.other", "select id from src.orders")
    other = catalog(owner, "other").pgt_id
    owner.execute("select set_config('pgtrickle.internal_refresh', %s, false)", [str(other)])
    owner.execute("delete from marts.other")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        owner.execute("delete from marts.totals")


@pytest.mark.parametrize(
    ("made_by", "said"),
    [
        ("create table marts.taken (a int)", "a table of that name exists"),
        ("create view marts.taken as select 1 as a", "a view of that name exists"),
        ("create materialized view marts.taken as select 1 as a", "a materialized view"),
        ("create sequence marts.taken", "a sequence of that name exists"),
        ("select pgtrickle.create_stream_table('marts.taken', 'select 1 as a')", "a stream table"),
    ],
)
def test_a_name_that_is_taken_is_refused(owner: Connection, made_by: str, said: str) -> None:
    owner.execute(made_by)
    with pytest.raises(psycopg.errors.DuplicateTable, match=said):
        create(owner, "marts.taken", TOTALS)


def test_if_not_exists_leaves_what_there_is(owner: Connection) -> None:
    call(owner, "create_stream_table_if_not_exists", "marts.totals", TOTALS)
    call(owner, "create_stream_table_if_not_exists", "marts.totals", "select 1 as a")
    assert columns(owner, "marts.totals") == [("customer", "integer"), ("total", "numeric")]
    owner.execute("create table marts.plain (a int)")
    with pytest.raises(psycopg.errors.DuplicateTable, match="a table of that name exists"):
        call(owner, "create_stream_table_if_not_exists", "marts.plain", TOTALS)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("output_distribution_column", "customer"),
        ("temporal", True),
        ("storage_backend", "citus"),
        ("sink", "ducklake"),
        ("ducklake_sink_path", "/x"),
        ("ducklake_sink_table_id", 1),
    ],
)
def test_options_of_later_versions_are_refused_by_name(
    owner: Connection, option: str, value: object
) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=option):
        create(owner, "marts.totals", TOTALS, **{option: value})
    assert scalar(owner, "select to_regclass('marts.totals')") is None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("refresh_mode", "SOMETIMES"),
        ("schedule", "now and then"),
        ("diamond_consistency", "loose"),
        ("diamond_schedule_policy", "middle"),
        ("cdc_mode", "magic"),
        ("storage_backend", "unlogged"),
        ("max_differential_joins", 0),
        ("max_delta_fraction", 1.5),
    ],
)
def test_values_that_are_not_known_are_refused(
    owner: Connection, option: str, value: object
) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=option):
        create(owner, "marts.totals", TOTALS, **{option: value})


def test_options_are_stored(owner: Connection) -> None:
    create(
        owner,
        "marts.totals",
        TOTALS,
        schedule="1h30m",
        refresh_mode="incremental",
        diamond_consistency="Atomic",
        diamond_schedule_policy="slowest",
        cdc_mode="trigger",
        pooler_compatibility_mode=True,
        max_differential_joins=4,
        max_delta_fraction=0.2,
        storage_backend="heap",
    )
    row = catalog(owner, "totals")
    assert (row.schedule, row.requested_refresh_mode, row.refresh_mode) == (
        "1h30m",
        "DIFFERENTIAL",
        "DIFFERENTIAL",
    )
    assert (row.diamond_consistency, row.diamond_schedule_policy) == ("atomic", "slowest")
    assert (row.requested_cdc_mode, row.pooler_compatibility_mode) == ("trigger", True)
    assert (row.max_differential_joins, row.max_delta_fraction) == (4, 0.2)
    assert row.effective_refresh_mode == "FULL"


def test_the_slowest_policy_needs_atomic_consistency(owner: Connection) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="needs"):
        create(
            owner,
            "marts.totals",
            TOTALS,
            diamond_consistency="none",
            diamond_schedule_policy="slowest",
        )


def test_a_failure_leaves_nothing(owner: Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        create(owner, "marts.broken", "select 1 / (id - 1) as x from src.orders")
    assert scalar(owner, "select to_regclass('marts.broken')") is None
    assert catalog(owner, "broken") is None
    assert hidden(owner) == []


def test_a_role_without_rights_is_told(owner: Connection, connect: Any) -> None:
    reader = connect("reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        create(reader, "marts.mine", "select 1 as a")
    owner.execute("grant create on schema marts to pgt_test_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="orders"):
        create(reader, "marts.mine", "select id from src.orders")
    create(reader, "marts.mine", "select 1 as a")
    assert scalar(reader, "select tableowner from pg_tables where tablename = 'mine'") == (
        "pgt_test_reader"
    )


def test_an_offered_plan_is_used(owner: Connection) -> None:
    plans.totals(owner)
    row = catalog(owner, "totals")
    assert (row.refresh_mode, row.effective_refresh_mode, row.refresh_reason) == (
        "DIFFERENTIAL",
        "DIFFERENTIAL",
        None,
    )
    index = scalar(
        owner,
        "select indexdef from pg_indexes where schemaname = 'marts' and indexname = %s",
        f"pgtrickle_identity_{row.pgt_id}",
    )
    assert "UNIQUE" in index
    assert "NULLS NOT DISTINCT" in index
    assert scalar(owner, "select count(*) from pgtrickle.pgt_offered_plans") == 0
    assert (
        scalar(owner, "select count(*) from pgtrickle.pgt_dependencies where source_number = 0")
        == 1
    )


QUERY = "select id from src.orders"


def offer(owner: Connection, offered: str = QUERY, made_from: str = QUERY) -> None:
    document = plans.plan_of(owner, made_from, [("src.orders", ["id"])], ["id"], {"0": "none"})
    owner.execute("select pgtrickle.offer_plan(%s, %s)", [offered, document])


def test_a_plan_made_from_another_query_is_ignored(owner: Connection) -> None:
    with owner.transaction():
        offer(owner, made_from="select id from src.orders where id > 0")
        create(owner, "marts.ids", QUERY)
    assert catalog(owner, "ids").effective_refresh_mode == "FULL"


def test_a_plan_offered_in_an_earlier_transaction_is_ignored(owner: Connection) -> None:
    offer(owner)
    create(owner, "marts.ids", QUERY)
    assert catalog(owner, "ids").effective_refresh_mode == "FULL"
    offer(owner, offered="select 2 as b")
    assert scalar(owner, "select count(*) from pgtrickle.pgt_offered_plans") == 1


def test_a_plan_of_another_role_is_not_seen(owner: Connection, connect: Any) -> None:
    offer(owner)
    assert scalar(connect("reader"), "select count(*) from pgtrickle.pgt_offered_plans") == 0


def test_with_refresh_mode_full_an_offered_plan_is_not_used(owner: Connection) -> None:
    with owner.transaction():
        offer(owner)
        create(owner, "marts.ids", QUERY, refresh_mode="FULL")
    row = catalog(owner, "ids")
    assert (row.refresh_mode, row.effective_refresh_mode, row.refresh_reason) == (
        "FULL",
        "FULL",
        None,
    )
    assert scalar(owner, "select count(*) from pgtrickle._pending()") == 0


def create_with_offer(
    connection: Connection, query: str, plan: str, name: str = "marts.ids"
) -> None:
    """Create a DIFFERENTIAL stream table after offering a plan for it."""
    with connection.transaction():
        connection.execute("select pgtrickle.offer_plan(%s, %s)", [query, plan])
        create(connection, name, query, refresh_mode="DIFFERENTIAL")


def full_plan(owner: Connection, query: str) -> str:
    return scalar(
        owner,
        "select jsonb_build_object('format', 1, 'mode', 'FULL', 'compiler', 'by hand',"
        " 'construct', 'GROUPING SETS', 'reason', 'it has grouping sets',"
        " 'query', pgtrickle._canonical_query(%s))::text",
        query,
    )


def test_differential_that_is_impossible_is_an_error_naming_the_construct(
    owner: Connection,
) -> None:
    offered = full_plan(owner, QUERY)
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="GROUPING SETS") as error:
        create_with_offer(owner, QUERY, offered)
    assert "AUTO" in (error.value.diag.message_hint or "")
    assert catalog(owner, "ids") is None


def test_under_auto_it_is_recomputed_with_the_reason(owner: Connection) -> None:
    with owner.transaction():
        owner.execute("select pgtrickle.offer_plan(%s, %s)", [QUERY, full_plan(owner, QUERY)])
        create(owner, "marts.ids", QUERY)
    row = catalog(owner, "ids")
    assert (row.refresh_mode, row.refresh_reason) == ("FULL", "it has grouping sets")
    assert scalar(owner, "select count(*) from pgtrickle._pending()") == 0


def test_without_the_right_to_put_triggers_auto_recomputes_and_says_so(
    owner: Connection, connect: Any
) -> None:
    owner.execute("grant create on schema marts to pgt_test_writer")
    writer = connect("writer")
    with writer.transaction():
        offer(writer)
        create(writer, "marts.ids", QUERY)
    row = catalog(writer, "ids")
    assert row.effective_refresh_mode == "FULL"
    assert "grant trigger on src.orders to pgt_test_writer" in row.refresh_reason
    offered = plans.plan_of(writer, QUERY, [("src.orders", ["id"])], ["id"], {"0": "none"})
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="triggers"):
        create_with_offer(writer, QUERY, offered, name="marts.ids2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("{format}", "format"),
        ("{mode}", "mode"),
        ("{query}", "query"),
        ("{sources}", "sources"),
        ("{identity}", "identity"),
        ("{deltas,0}", "no text"),
    ],
)
def test_a_document_that_is_no_plan_is_refused(owner: Connection, change: str, said: str) -> None:
    document = plans.plan_of(owner, QUERY, [("src.orders", ["id"])], ["id"], {"0": "none"})
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=said):
        owner.execute(
            "select pgtrickle.offer_plan(%s, %s::jsonb #- %s::text[])", [QUERY, document, change]
        )


def test_rows_are_found_by_hash_where_there_is_no_key(owner: Connection) -> None:
    owner.execute("create type src.pair as (a int, j json)")
    owner.execute(
        "create table src.odd (id int, j json, p point, ja json[], m money, r src.pair, t text,"
        " x xid, f float8)"
    )
    query = "select j, p, ja, m, r, t, x, f from src.odd"
    columns_ = ["j", "p", "ja", "m", "r", "t", "x", "f"]
    with owner.transaction():
        document = plans.plan_of(owner, query, [("src.odd", columns_)], None, {"0": "none"})
        owner.execute("select pgtrickle.offer_plan(%s, %s)", [query, document])
        create(owner, "marts.odd", query, initialize=False)
    expression = scalar(owner, "select pgtrickle._row_identity('marts.odd'::regclass)")
    assert expression == (
        "hash_record_extended(row((j)::text, (p)::text, pgtrickle._image(ja), pgtrickle._image(m),"
        " pgtrickle._image(r), t, x, f), 0)"
    )
    owner.execute("set enable_seqscan = off")
    explained = owner.execute(f"explain select from marts.odd where {expression} = 1").fetchall()
    assert any("pgtrickle_identity_" in line for (line,) in explained)


def test_a_key_that_cannot_be_sorted_is_found_by_hash(owner: Connection) -> None:
    owner.execute("create table src.transactions (x xid, n int)")
    query = "select x, count(*) as n from src.transactions group by x"
    with owner.transaction():
        document = plans.plan_of(owner, query, [("src.transactions", ["x"])], ["x"], {"0": "none"})
        owner.execute("select pgtrickle.offer_plan(%s, %s)", [query, document])
        create(owner, "marts.transactions", query, initialize=False)
    assert "hash_record_extended" in scalar(
        owner, "select indexdef from pg_indexes where schemaname = 'marts'"
    )
