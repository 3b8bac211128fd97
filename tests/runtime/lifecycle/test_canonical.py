"""The canonical form of a query, its columns and sources, and what cannot define a stream table."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from .facts import scalar

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


def canonical(connection: Connection, query: str) -> str:
    text = scalar(connection, "select pgtrickle._canonical_query(%s)", query)
    return " ".join(text.split())


def test_stars_are_expanded_and_names_qualified(owner: Connection) -> None:
    owner.execute("set search_path = src")
    text = canonical(owner, "select * from orders where id = 1;  -- the first")
    assert '"src"."orders"' in text
    assert '"note"' in text
    assert "*" not in text
    assert ";" not in text


def test_a_query_written_otherwise_is_the_same(owner: Connection) -> None:
    written = canonical(owner, "select customer, sum(amount) total from src.orders group by 1")
    again = canonical(
        owner, "SELECT orders.customer,sum(amount) as total\nFROM src.orders GROUP BY customer;"
    )
    assert again == written


def test_a_blank_inside_a_literal_makes_another_query(owner: Connection) -> None:
    one, two = (
        scalar(owner, "select pgtrickle._canonical_query(%s)", query)
        for query in ("select 'a b' as x", "select 'a  b' as x")
    )
    assert one != two


def test_canonical_text_is_the_same_in_every_session(owner: Connection) -> None:
    query = (
        "select timestamptz '2020-01-01 00:00+00' at, interval '1 mon 2 days' i, '\\x01'::bytea b"
    )
    before = canonical(owner, query)
    owner.execute("set datestyle = 'German'")
    owner.execute("set intervalstyle = 'iso_8601'")
    owner.execute("set timezone = 'Asia/Tokyo'")
    owner.execute("set bytea_output = 'escape'")
    assert canonical(owner, query) == before


def test_settings_are_as_they_were_and_no_view_is_left(owner: Connection) -> None:
    owner.execute("set search_path = src, public")
    owner.execute("set timezone = 'Asia/Tokyo'")
    canonical(owner, "select * from orders")
    assert scalar(owner, "show search_path") == "src, public"
    assert scalar(owner, "show timezone") == "Asia/Tokyo"
    assert scalar(owner, "show quote_all_identifiers") == "off"
    assert scalar(owner, "select count(*) from pg_class where relname like 'pgt\\_probe%'") == 0


@pytest.mark.parametrize(
    ("query", "faithful"),
    [
        ("select * from src.orders natural join (select id, 1 as one from src.orders) q", True),
        ("select customer from src.orders union select 3 except select 4", True),
        ("select customer a, note, count(*) from src.orders group by rollup (1, 2)", True),
        ("select a as a1, a as a2, count(*) from (select 1 as a) t group by 1, rollup (2)", False),
    ],
)
def test_text_that_may_mean_something_else_is_told(
    owner: Connection, query: str, faithful: bool
) -> None:
    found = scalar(owner, "select faithful from pgtrickle._analyze_query(%s, 'public')", query)
    assert found is faithful


def test_columns_have_typmod_and_collation(owner: Connection) -> None:
    query = (
        "select amount, note, amount * 2 as double, note collate \"C\" as c, 'x' as literal,"
        " note::char(3) as three from src.orders"
    )
    found = owner.execute(
        "select name, declaration from pgtrickle._query_columns(%s)", [query]
    ).fetchall()
    assert found == [
        ("amount", "numeric(10,2)"),
        ("note", "character varying(20)"),
        ("double", "numeric"),
        ("c", 'character varying(20) collate pg_catalog."C"'),
        ("literal", "text"),
        ("three", "character(3)"),
    ]


def test_sources_are_found_through_views_at_any_depth(owner: Connection) -> None:
    owner.execute("create table src.customers (id int, name text)")
    owner.execute("create view src.a as select id, customer from src.orders")
    owner.execute(
        "create view src.b as select a.id, c.name from src.a join src.customers c using (id)"
    )
    owner.execute("create materialized view src.m as select 1 as id")
    found = owner.execute(
        "select relation_name, source_type, direct, columns from pgtrickle._query_sources("
        "'select b.name from src.b join src.m using (id)') order by 1"
    ).fetchall()
    assert found == [
        ("a", "VIEW", False, ["id"]),
        ("b", "VIEW", True, ["id", "name"]),
        ("customers", "TABLE", False, ["id", "name"]),
        ("m", "MATVIEW", True, ["id"]),
        ("orders", "TABLE", False, ["id", "customer"]),
    ]


@pytest.mark.parametrize(
    ("query", "sqlstate", "said"),
    [
        (None, "22004", "must not be null"),
        ("", "42601", "is empty"),
        ("  -- nothing\n ; ", "42601", "is empty"),
        ("insert into src.orders values (9)", "42601", "not INSERT"),
        ("/* so */ delete from src.orders", "42601", "not DELETE"),
        ("drop table src.orders", "42601", "not DROP"),
        ("select 1 as a; drop table src.orders", "42601", "one SELECT statement"),
        ("select 1 as a; select 2 as b", "42601", "one SELECT statement"),
        ("with d as (delete from src.orders returning id) select * from d", "0A000", "WITH"),
        ("select id from src.orders for update", "0A000", "lock rows"),
        ("select id from (select id from src.orders for share) q", "0A000", "lock rows"),
        ("select id, id from src.orders", "42701", "two columns of one name"),
        ("select id + 1 from src.orders", "42P16", "column 1 of the query has no name"),
        ("select from src.orders", "42P17", "at least one column"),
        ("select $1 as a", "42P02", "parameters"),
        ("select relname from pg_class", "0A000", "system catalog pg_catalog.pg_class"),
        (
            "select table_name from information_schema.tables",
            "0A000",
            "view information_schema.tables",
        ),
        ("select name from pg_settings", "0A000", "system view pg_catalog.pg_settings"),
        ("select * from pg_cursors", "0A000", "system view pg_catalog.pg_cursors"),
        ("select pid from pg_stat_activity", "0A000", "system view pg_catalog.pg_stat_activity"),
        ("select * from src.settings", "0A000", "system view pg_catalog.pg_settings"),
        ("select row (1, 2) as r", "42P16", "pseudo-type"),
        ("select id as ctid from src.orders", "42939", "reserved"),
        ("select last_value from src.numbers", "0A000", "the sequence src.numbers"),
        ("select * from mine", "0A000", 'temporary table "mine"'),
        ("select * from my_orders", "0A000", 'temporary view "my_orders"'),
        ("select nothing from src.orders", "42703", "nothing"),
        ("selec 1", "42601", "not SELEC"),
    ],
)
def test_what_cannot_define_a_stream_table(
    owner: Connection, query: str | None, sqlstate: str, said: str
) -> None:
    owner.execute("create temporary table mine (a int)")
    owner.execute("create temporary view my_orders as select id from src.orders")
    owner.execute("create sequence src.numbers")
    owner.execute("create view src.settings as select name from pg_settings")
    with pytest.raises(psycopg.Error, match=said) as error:
        owner.execute("select pgtrickle._canonical_query(%s)", [query])
    assert error.value.sqlstate == sqlstate
    assert scalar(owner, "select count(*) from src.orders") == 3


def test_works_inside_a_transaction_after_an_error(owner: Connection) -> None:
    with owner.transaction():
        with pytest.raises(psycopg.errors.UndefinedColumn), owner.transaction():
            canonical(owner, "select nothing from src.orders")
        assert '"id"' in canonical(owner, "select id from src.orders")


def test_of_aliases_those_are_kept_whose_columns_have_one_name(owner: Connection) -> None:
    tree = (
        r'({A :alias {ALIAS :aliasname q :colnames ("a" "b")} :eref <>}'
        r' {B :alias {ALIAS :aliasname a\ b :colnames ("a" "c\ d" "a")} :eref'
        r" {ALIAS :aliasname e :colnames <>}})"
    )
    kept = r'{ALIAS :aliasname a\ b :colnames ("a" "c\ d" "a")}'
    assert kept in tree
    masked = scalar(owner, "select pgtrickle._with_doubled_names(%s)", tree)
    assert masked == tree.replace(kept, r'{"a" "c\ d" "a"}')


def test_rows_of_many_wide_tables_are_compared_at_once(owner: Connection) -> None:
    """One regular expression over all of it took minutes."""
    columns = ", ".join(f"column_{number} integer" for number in range(150))
    owner.execute(f"create table src.wide ({columns})")
    owner.execute("set statement_timeout = '60s'")
    query = "select to_jsonb(a) as a, to_jsonb(b) as b from src.wide a cross join src.wide b"
    query = " union all ".join([query] * 4)
    assert canonical(owner, query).count('"wide"') >= 8
