"""What is refused, or fails, and how it says so."""

from __future__ import annotations

import psycopg
import pytest

from pgtrickle.engine import Engine

VOLATILE = {
    "select id, random() as x from orders": "random",
    "select id from orders where amount > random()": "random",
    "select id, clock_timestamp() as x from orders": "clock_timestamp",
    "select id from customers c where exists (select from orders o where drifts(o.id) = c.id)": (
        "public.drifts"
    ),
    "select count(*) n from orders having count(*) > random()": "random",
    "select id, gen_random_uuid() as x from orders": "gen_random_uuid",
    "select o.id from orders o join customers c on c.id = o.customer and random() < 1": "random",
    "select id, nextval('numbers') as x from orders": "nextval",
    "with recursive r(i) as (select 1 union all select i + 1 from r where i < 9 * random())"
    " select count(*) n from r, orders": "random",
}
UNORDERED = (
    "select id from orders limit 3",
    "select customer from orders union all select id from customers limit 3",
    (
        "select c.id, o.id as oid from customers c, lateral ("
        "select id from orders where customer = c.id limit 1) o"
    ),
    "select count(*) n from (select id from orders limit 5 offset 2) s",
)
TWO_ROWS = {
    "uncorrelated": "select id, (select region from customers where id > 8) as r from orders",
    "correlated": (
        "select o.id, (select id from customers where abs(id) = o.customer) c from orders o"
    ),
    "in where": "select id from orders where customer = (select id from customers where id > 8)",
    "in having": (
        "select customer, count(*) as n from orders group by customer"
        " having count(*) > (select id - 10 from customers where id > 8)"
    ),
    "as a row": (
        "select id, (customer, amount) < (select id, 5 from customers where id > 8) as l"
        " from orders"
    ),
    "in an aggregate": "select sum(amount + (select id from customers where id > 8)) s from orders",
}


JSON_VALUES = {
    "json_value(d, '$.a' returning jsonb)": True,
    "json_value(d, '$.a' returning json null on error)": True,
    "json_value(d, '$.a' returning text)": False,
    "json_value(d, '$.a')": False,
    "json_query(d, '$.a' returning jsonb)": False,
    """json_value(d, '$." returning json"' default 'x' on empty)""": False,
}


@pytest.mark.parametrize("value", JSON_VALUES)
def test_a_json_value_that_forgets_whether_it_is_null(value: str, engine: Engine) -> None:
    """PostgreSQL gives it as null in each row after one where it is."""
    if engine.connection.info.server_version < 170000:
        with pytest.raises(psycopg.errors.Error):
            engine.connection.execute(f"select {value} from (values ('{{}}'::jsonb)) v(d)")
        return
    engine.connection.execute(
        "create table documents (id integer primary key, d jsonb);"
        """insert into documents values (1, '{"a": 1}'), (2, '{}'), (3, '{"a": 3}')"""
    )
    query = f"select id, {value} as v from documents"
    found = engine.connection.execute(f"select count(v) from ({query} order by id) q").fetchone()
    has_forgotten = found == (1,)
    assert JSON_VALUES[value] or not has_forgotten
    if has_forgotten:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match=r"json_value.*json_query"):
            engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
        engine.create_stream_table("st", query)
        assert "json_value" in str(engine.refresh("st").reason)
    else:
        engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
        engine.connection.execute("""update documents set d = '{"a": 2}' where id < 3""")
        assert engine.refresh("st").action == "DIFFERENTIAL"
        assert engine.verify("st").equal


@pytest.mark.parametrize("query", VOLATILE)
def test_a_volatile_function_is_named(query: str, engine: Engine) -> None:
    function = VOLATILE[query]
    engine.connection.execute(
        "create sequence numbers;"
        "create function drifts(integer) returns integer language sql volatile return $1"
    )
    for mode in ("DIFFERENTIAL", "IMMEDIATE"):
        with pytest.raises(psycopg.errors.FeatureNotSupported, match=f"volatile.*{function}"):
            engine.create_stream_table("st", query, refresh_mode=mode)
    engine.create_stream_table("st", query, refresh_mode="AUTO")
    assert engine.refresh("st").action == "FULL"
    explained = engine.explain("st")
    assert function in str(explained.reason)


@pytest.mark.parametrize("query", UNORDERED)
def test_a_limit_without_order_is_refused_with_the_reason(query: str, engine: Engine) -> None:
    with pytest.raises(
        psycopg.errors.FeatureNotSupported, match="LIMIT: without ORDER BY any rows may be taken"
    ):
        engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    engine.create_stream_table("st", query, refresh_mode="AUTO")
    assert engine.refresh("st").action == "FULL"


# Where PostgreSQL takes no column, or none but grouped ones: the plan would have another there.
NO_COLUMNS = {
    "select customer, rank(customer) within group (order by amount) as r"
    " from orders group by customer": "WITHIN GROUP",
    "select customer, cume_dist(customer + 1) within group (order by amount desc) as r"
    " from orders group by rollup (customer)": "WITHIN GROUP",
    "select c.id, (select percentile_disc(c.id / 9.0) within group (order by o.amount)"
    " from orders o) as p from customers c where c.id between 0 and 9": "WITHIN GROUP",
    "select id, sum(amount) over"
    " (order by id rows between (select count(*) from customers) preceding and current row) as s"
    " from orders": "WINDOW",
}


@pytest.mark.parametrize("query", NO_COLUMNS)
def test_what_would_need_a_column_in_a_constants_place_is_recomputed(
    query: str, engine: Engine
) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=NO_COLUMNS[query]):
        engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    engine.create_stream_table("st", query)
    engine.connection.execute("delete from orders where id % 3 = 0")
    assert engine.refresh("st").action == "FULL"
    assert engine.verify("st").equal


ONE_ROW = (
    (
        "select id, (select started(o.id) from orders o where o.customer = c.id + 1) as s"
        " from customers c"
    ),
    (
        "select id, (select started(o.id) + count(*) from orders o where o.customer > c.id) as s"
        " from customers c"
    ),
    (
        "select c.id, t.s, t.n from customers c, lateral (select started(o.id) as s, count(*) as n"
        " from orders o where o.customer = c.id + 1 group by grouping sets ((), (amount))) t"
    ),
    (
        "select id, (select sum(count(*)) over () from orders o where o.customer = c.id + 1) as s"
        " from customers c"
    ),
)


@pytest.mark.parametrize("query", ONE_ROW)
def test_an_only_row_that_is_not_null_where_nothing_matches(query: str, engine: Engine) -> None:
    engine.connection.execute(
        "create aggregate started(integer) (sfunc = int4pl, stype = integer, initcond = '100')"
    )
    engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    for change in (
        "delete from orders where customer in (2, 9)",
        "insert into orders values (99, 9, 5); update customers set id = 20 where id = 4",
    ):
        engine.connection.execute(change)
        assert engine.refresh("st").action == "DIFFERENTIAL"
        assert engine.verify("st").equal


def test_an_only_row_that_may_be_left_out_is_recomputed(engine: Engine) -> None:
    query = (
        "select id, (select count(*) from orders o where o.customer = c.id + 1 offset 1) as s"
        " from customers c"
    )
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="LIMIT: without ORDER BY"):
        engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    engine.create_stream_table("st", query, refresh_mode="AUTO")
    assert engine.verify("st").equal


def test_a_type_whose_operators_are_out_of_sight_is_no_key(engine: Engine) -> None:
    if not engine.session.rows("select from pg_available_extensions where name = 'citext'"):
        pytest.skip("this server has no citext")
    engine.connection.execute(
        "create schema extensions; create extension citext schema extensions;"
        "create table words (id integer primary key, w extensions.citext);"
        "insert into words values (1, 'a')"
    )
    query = "select count(*) as n from words group by w"
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="not in the search_path"):
        engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    engine.create_stream_table("st", query, refresh_mode="AUTO")
    engine.create_stream_table("copy", "select id, w from words", refresh_mode="DIFFERENTIAL")
    engine.connection.execute("set search_path = public, extensions")
    engine.create_stream_table("seen", query, refresh_mode="DIFFERENTIAL")
    engine.connection.execute("insert into words values (2, 'A')")
    for name, action in (("st", "FULL"), ("copy", "DIFFERENTIAL"), ("seen", "DIFFERENTIAL")):
        assert engine.refresh(name).action == action
        assert engine.verify(name).equal


def test_what_hides_postgresql_s_own_is_called_by_the_query_alone(engine: Engine) -> None:
    engine.connection.execute(
        "create table parcels (id integer primary key, region text, weight integer);"
        "create table parts (id integer primary key, parcel integer);"
        "create function never(integer, integer) returns boolean immutable return false;"
        "create operator = (leftarg = integer, rightarg = integer, procedure = never);"
        "create function lower(text) returns text immutable return 'x';"
        "insert into parcels select i, 'R' || i % 3, i from generate_series(1, 9) i;"
        "insert into parts select i, i % 9 from generate_series(1, 20) i;"
        "set search_path = public, pg_catalog"
    )
    queries = {
        "grouped": "select region, count(*) as n, max(lower(region)) as x from parcels"
        " group by region",
        "joined": "select p.id, q.region from parts p left join parcels q on p.parcel = q.id",
        "different": "select distinct weight, lower(region) as x from parcels",
    }
    for name, query in queries.items():
        engine.create_stream_table(name, query, refresh_mode="DIFFERENTIAL")
    engine.connection.execute(
        "update parcels set weight = 7, region = 'R9' where id < 4;insert into parts values (21, 2)"
    )
    for name in queries:
        assert engine.refresh(name).action == "DIFFERENTIAL"
        assert engine.verify(name).equal


CLOCK = {
    "select id, 'today'::text::date as d from orders": "cast to date",
    "select id from orders where 'now'::text::timestamptz > '2020-01-01'": "cast to timestamp",
    "select id, ('to' || 'morrow')::timestamp as t from orders": "cast to timestamp",
    "select id, date_trunc('day', ('to' || 'day')::date)::date as t from orders": "cast to date",
    "select id from orders where amount > extract(day from ('now'::text)::date)": "cast to date",
}
READ_ALREADY = (
    "select id, date 'today' as d from orders",
    "select id, '2020-01-01'::text::date as d, region::text as r from customers",
    "select id, now()::date as d from orders",
    "select id, generate_series('2026-01-01'::date, current_date, '1 day')::date as d from orders",
    "select id, date_trunc('month', now())::date as d from orders",
    "select id from orders where now() > date_trunc('month', current_date)::date",
)


@pytest.mark.parametrize("query", CLOCK)
def test_a_text_that_says_today_reads_the_clock(query: str, engine: Engine) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=f"{CLOCK[query]}.*'today'"):
        engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")


@pytest.mark.parametrize("query", READ_ALREADY)
def test_a_constant_of_a_type_of_time_was_read_when_the_query_was(
    query: str, engine: Engine
) -> None:
    engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")


RECURSIVE = (
    "with recursive r(id, up) as (select id, customer from orders where id < 3"
    " union all select o.id, o.customer from r join orders o on o.id = r.up and o.id > r.id)"
)
SEQUENCES = {
    f"{RECURSIVE} search depth first by id set place select id from r order by place limit 3": (
        "SEARCH/CYCLE: its column of rows cannot be kept"
    ),
    f"{RECURSIVE.replace('select o.id', 'select distinct o.id')} cycle id set again using way"
    " select id, again from r": "SEARCH/CYCLE: the step is not one that filters and joins alone",
}


@pytest.mark.parametrize("query", SEQUENCES)
def test_a_way_that_cannot_be_kept_is_recomputed(query: str, engine: Engine) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=SEQUENCES[query]):
        engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    engine.create_stream_table("st", query, refresh_mode="AUTO")
    engine.connection.execute("update orders set customer = id + 2 where id < 9")
    engine.refresh("st")
    assert engine.verify("st").equal


def contents(engine: Engine) -> list[tuple[object, ...]]:
    return engine.connection.execute("select * from st order by 1").fetchall()


@pytest.mark.every_server
@pytest.mark.parametrize("place", TWO_ROWS)
def test_a_subquery_that_comes_to_return_two_rows(place: str, engine: Engine) -> None:
    """The refresh fails with PostgreSQL's own error, and nothing is lost: it heals by itself."""
    engine.create_stream_table("st", TWO_ROWS[place], refresh_mode="DIFFERENTIAL")
    before = contents(engine)
    engine.connection.execute("insert into orders values (100, 1, 7)")
    second = "insert into customers select -i, 'r1' from generate_series(1, 9) i"
    if place != "correlated":
        second = "insert into customers values (10, 'r1')"
    engine.connection.execute(second)
    for _ in range(2):
        with pytest.raises(psycopg.errors.CardinalityViolation) as failed:
            engine.connection.execute("select pgtrickle.refresh_stream_table('st')")
        assert "more than one row" in str(failed.value)
    assert contents(engine) == before
    engine.connection.execute("update orders set amount = 8 where id = 1")
    engine.connection.execute("delete from customers where id < 0 or id = 10")
    assert engine.refresh("st").action == "DIFFERENTIAL"
    assert engine.verify("st").equal
    assert contents(engine) != before or place == "in where"
    engine.connection.execute("delete from orders where id = 100")
    assert engine.refresh("st").action == "DIFFERENTIAL"
    assert engine.verify("st").equal


def test_what_postgresql_cannot_read_back_is_recomputed(engine: Engine) -> None:
    if engine.connection.info.server_version < 170000:
        pytest.skip("json_table came with PostgreSQL 17")
    query = (
        "select id, t.x from orders,"
        " json_table(to_jsonb(array[customer]), '$[*]' columns (v integer path '$')) t (x)"
    )
    engine.create_stream_table("st", query, refresh_mode="AUTO")
    assert "cannot read back" in str(engine.explain("st").reason)
    engine.connection.execute("insert into orders values (99, 1, 5)")
    assert engine.refresh("st").action == "FULL"
    assert engine.connection.execute("select count(*) from st").fetchall() == [(51,)]


@pytest.mark.parametrize("returned", ["json", "jsonb"])
def test_a_json_value_is_verified_by_what_its_query_answers(returned: str, engine: Engine) -> None:
    """PostgreSQL gives NULL for it inside a row constructor, and after a row without a value."""
    if engine.connection.info.server_version < 170000:
        pytest.skip("json_value came with PostgreSQL 17")
    engine.connection.execute(
        "create table documents (id integer primary key, body jsonb);"
        """insert into documents values (1, '"a"'), (2, 'null'), (3, '{}'), (4, '"b"')"""
    )
    query = f"select id, json_value(body, '$' returning {returned}) as value from documents"
    engine.create_stream_table("st", query, refresh_mode="AUTO")
    assert engine.verify("st").equal
    for change in ("delete from documents where id = 2", "insert into documents values (5, '7')"):
        engine.connection.execute(change)
        engine.refresh("st")
        found = engine.connection.execute("select id, value from st order by id").fetchall()
        assert found == engine.connection.execute(f"{query} order by id").fetchall()
        assert engine.verify("st").equal


def test_groups_of_what_has_no_order_are_recomputed(engine: Engine) -> None:
    """PostgreSQL hashes transaction ids and cannot sort them, as the deltas of groups do."""
    engine.connection.execute(
        "create table taken (id integer primary key, by xid, part integer, amount integer);"
        "insert into taken select i, (i % 3)::text::xid, i % 2, i from generate_series(1, 9) i"
    )
    engine.create_stream_table(
        "st", "select by, part, sum(amount) as s from taken group by by, part", refresh_mode="AUTO"
    )
    assert "values of type xid have no order" in str(engine.explain("st").reason)
    engine.connection.execute("update taken set amount = 0, part = null where id < 4")
    assert engine.refresh("st").action == "FULL"
    assert engine.verify("st").equal
