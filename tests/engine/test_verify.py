"""`Engine.verify` says which rows a table lacks, has too many, or has with other values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pgtrickle.engine import Engine
from pgtrickle.verification import Difference

pytestmark = pytest.mark.every_server

CHANGES = (
    "insert into orders values (100, 7, 1.50)",
    "delete from orders where id = 1",
    "update orders set amount = 2.00 where id = 2",
)


def differing(engine: Engine, query: str, *changes: str) -> None:
    """A stream table that no refresh has brought up to date."""
    engine.connection.execute('create schema "My Schema"')
    engine.create_stream_table('"My Schema"."T%"', query)
    for change in changes:
        engine.connection.execute(change)


def test_rows_are_paired_by_their_key(engine: Engine) -> None:
    differing(engine, "select id, amount from orders", *CHANGES)
    verdict = engine.verify('"My Schema"."T%"')
    assert not verdict.equal
    assert (verdict.missing, verdict.extra, verdict.different) == (1, 1, 1)
    assert set(map(repr, verdict.differences)) == set(
        map(
            repr,
            [
                Difference("missing", {"id": "100", "amount": "1.50"}, None),
                Difference("extra", None, {"id": "1", "amount": "1"}),
                Difference("different", {"id": "2", "amount": "2.00"}, {"id": "2", "amount": "2"}),
            ],
        )
    )


def test_without_a_key_copies_are_counted(engine: Engine) -> None:
    differing(
        engine,
        'select region as "a ""b", null as n from customers',
        "insert into customers select i, 'new' from generate_series(20, 22) i",
        "delete from customers where region = 'r1'",
    )
    verdict = engine.verify('"My Schema"."T%"', examples=1)
    assert (verdict.missing, verdict.extra, verdict.different) == (3, 3, 0)
    assert verdict.differences == (Difference("missing", {'a "b': "new", "n": None}, None, 3),)


def test_what_awaits_a_refresh_is_told(engine: Engine) -> None:
    differing(engine, "select id, amount from orders", *CHANGES)
    verdict = engine.verify('"My Schema"."T%"')
    assert verdict.awaits == "4 changed rows of public.orders since its last refresh"
    told: list[tuple[str | None, str | None]] = []
    engine.connection.add_notice_handler(
        lambda notice: told.append((notice.message_primary, notice.message_hint))
    )
    engine.connection.execute(
        "select * from pgtrickle.verify_stream_table(%s)", ('"My Schema"."T%"',)
    )
    ((message, hint),) = told
    assert message == f'stream table "My Schema"."T%" awaits a refresh: {verdict.awaits}'
    assert 'pgtrickle.refresh_stream_table(\'"My Schema"."T%"\')' in str(hint)
    engine.refresh('"My Schema"."T%"')
    engine.connection.execute(
        'alter table "My Schema"."T%" disable trigger user;'
        'delete from "My Schema"."T%" where id < 9'
    )
    assert engine.verify('"My Schema"."T%"').awaits == ""


AWAITED = {
    "select count(*) as n from orders where random() < 2": "it is recomputed",
    "select count(*) as n, now() as t from orders": "its query reads the time",
}


@pytest.mark.parametrize("query", AWAITED)
def test_why_a_table_may_differ_without_captured_changes(query: str, engine: Engine) -> None:
    engine.create_stream_table("st", query, refresh_mode="AUTO")
    engine.connection.execute("alter table orders disable trigger user; delete from orders")
    assert engine.verify("st").awaits.startswith(AWAITED[query])


def test_a_refresh_makes_them_equal(engine: Engine) -> None:
    differing(engine, "select id, amount from orders", *CHANGES)
    engine.refresh('"My Schema"."T%"')
    verdict = engine.verify('"My Schema"."T%"')
    assert verdict.equal
    assert verdict.differences == ()


TIED = "id integer primary key, g integer, n integer, t text"
CHOICES = {
    "limit": "select g, n from tied order by n limit 7",
    "limit with offset": "select id, n from tied order by n offset 3 limit 7",
    "with ties": "select id, n from tied order by n offset 3 fetch first 4 rows with ties",
    "below": "select sum(id) as s, count(*) as c from (select * from tied order by n limit 5) x",
    "distinct on": "select distinct on (g) g, id, n from tied order by g, n desc",
    "first of each": (
        "select * from (select id, g, row_number() over (partition by g order by n) as place"
        " from tied) x where place <= 2"
    ),
    "numbers and ranks": (
        "select id, row_number() over w, rank() over w, sum(n) over w, lag(id) over w,"
        " count(*) over (partition by g) as size from tied window w as (partition by g order by n)"
    ),
    "no order": "select id, row_number() over () as number from tied",
    "above a choice": (
        "select id, row_number() over (order by n) as place, first_value(id) over (order by n)"
        " from (select * from tied order by n limit 6) x"
    ),
    "equal and not the same": "select c from (select (n / 2.0)::numeric as c from tied) x"
    " order by c limit 3",
}


@pytest.fixture(params=CHOICES)
def chosen(request: pytest.FixtureRequest, engine: Engine) -> Engine:
    """A stream table `st` for which PostgreSQL chose among peers, and would now choose others."""
    engine.connection.execute(
        f"create table tied ({TIED});"
        "insert into tied select i, i % 2, i / 4, 'x' from generate_series(1, 20) i"
    )
    engine.create_stream_table("st", CHOICES[request.param], refresh_mode="DIFFERENTIAL")
    engine.connection.execute(
        "delete from tied where id = 1; insert into tied values (1, 1, 0, 'y'), (30, 0, 1, 'y');"
        "update tied set t = 'z' where id in (3, 5)"
    )
    engine.refresh("st")
    # What a scan came upon first is last now.
    engine.connection.execute(
        "create temporary table turned as select * from tied;"
        "alter table tied disable trigger user; delete from tied;"
        "insert into tied select * from turned order by id desc;"
        "alter table tied enable trigger user"
    )
    return engine


@pytest.mark.one_in(2)
def test_another_choice_among_peers_is_no_difference(chosen: Engine) -> None:
    verdict = chosen.verify("st")
    assert verdict.equal, verdict.differences


@pytest.mark.one_in(2)
def test_a_choice_that_cannot_be_made_is_a_difference(chosen: Engine) -> None:
    chosen.connection.execute(
        "alter table tied disable trigger user; update tied set n = 100 - n, id = id + 1000;"
        "alter table tied enable trigger user"
    )
    assert not chosen.verify("st").equal


@pytest.mark.one_in(2)
def test_a_wrong_row_is_a_difference_where_choices_were_made(chosen: Engine) -> None:
    chosen.connection.execute(
        "alter table st disable trigger user;"
        "delete from st where ctid = (select min(ctid) from st);"
        "alter table st enable trigger user"
    )
    verdict = chosen.verify("st")
    assert (verdict.missing, verdict.extra) == (1, 0)


EQUAL = {
    "interval": ("interval", "'1 day'", "'24:00'"),
    "jsonb": ("jsonb", "'[1.0]'", "'[1.00]'"),
    "bpchar": ("bpchar", "'a'", "'a '"),
    "numeric[]": ("numeric[]", "'{1.0,2}'", "'{1.00,2}'"),
    "a row": ("pair", "'(1.0,x)'", "'(1.00,x)'"),
    "a domain": ("price", "1.0", "1.00"),
    "numeric": ("numeric", "1.0", "1.00"),
}


@pytest.mark.parametrize("type", EQUAL)
def test_a_group_shows_any_of_the_values_that_are_equal(type: str, engine: Engine) -> None:
    declared, one, other = EQUAL[type]
    sql = engine.connection.execute
    sql("create type pair as (n numeric, t text); create domain price as numeric")
    sql(f"create table v (id integer, k {declared}, n integer)")  # type: ignore[arg-type]
    sql(f"insert into v values (1, {one}, 1), (2, {other}, 1)")  # type: ignore[arg-type]
    engine.create_stream_table(
        "groups", "select k, sum(n) as n from v group by k", refresh_mode="DIFFERENTIAL"
    )
    sql("update v set id = 3 where id = 1")  # nothing of it is captured, but it is read last now
    engine.refresh("groups")
    (((shown,),), ((read,),)) = (
        engine.session.rows(f"select row(k)::text from {place}")
        for place in ("groups", "(select k from v group by k) q")
    )
    assert shown.encode() != read.encode()
    assert engine.verify("groups").equal
    sql("alter table groups disable trigger user; update groups set n = 4")
    assert not engine.verify("groups").equal
    sql("delete from groups")
    assert engine.verify("groups").missing == 1


OPEN = {
    "an expression over a key": "select k::text as t, count(*) as n from v group by k",
    "a condition on a key": "select count(*) as n from v group by k having scale(k) = 1",
    "different rows": "select k || 'x' as t from (select distinct k from v) q",
    "a set operation": "select k::text as t from (select k from v union select k + 0.00 from v) q",
    "a key read twice": (
        "with g as (select k, count(*) as n from v group by k)"
        " select a.k::text as t, b.n from g a join g b using (k)"
    ),
    "grouping sets": "select g, k::text as t, count(*) as n from v group by rollup (g, k)",
    "an extreme": "select g, min(k)::text as least, max(k) as most from v group by g",
    "a list": "select g, array_agg(k) as all_of_them from v group by g",
    "a text": "select string_agg(k::text, ', ') as all_of_them from v",
    "json": "select g, jsonb_agg(k) as all_of_them from v group by g",
}


@pytest.fixture(params=OPEN)
def grouped(request: pytest.FixtureRequest, engine: Engine) -> Engine:
    """A stream table `st` of groups, which PostgreSQL would show otherwise now: 1.00 is read first,
    and 1.0 last."""
    engine.connection.execute(
        "create table v (id integer, g integer, k numeric);"
        "insert into v values (1, 1, 1.0), (2, 1, 1.00), (3, 2, 2)"
    )
    engine.create_stream_table("st", OPEN[request.param], refresh_mode="DIFFERENTIAL")
    engine.connection.execute("update v set id = 4 where id = 1")
    engine.refresh("st")
    return engine


@pytest.mark.one_in(2)
def test_what_a_group_shows_may_be_any_of_its_rows(grouped: Engine) -> None:
    verdict = grouped.verify("st")
    assert verdict.equal, verdict.differences


@pytest.mark.one_in(2)
def test_what_no_row_of_a_group_has_is_a_difference(grouped: Engine) -> None:
    grouped.connection.execute(
        "alter table v disable trigger user; update v set k = 1.000 where k = 1"
    )
    assert not grouped.verify("st").equal


@pytest.mark.one_in(2)
def test_a_missing_group_is_a_difference(grouped: Engine) -> None:
    grouped.connection.execute("alter table st disable trigger user; delete from st")
    assert grouped.verify("st").missing > 0


def test_what_has_one_row_is_computed_once(engine: Engine) -> None:
    """However many rows are compared with it, and though the planner expects one."""
    engine.connection.execute(
        "insert into orders select i, i, i from generate_series(1000, 1999) i"
    )
    engine.connection.execute("vacuum analyze orders")
    query = (
        "with average as (select avg(amount) as a from orders)"
        " select customer, sum(amount) as total from orders"
        " where id % 9999 = id and customer % 9999 = customer group by customer"
        " having sum(amount) > (select a from average) order by total limit 5"
    )
    engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    engine.connection.execute("analyze")
    ((plan,),) = engine.session.rows("select plan from pgtrickle.pgt_plans")
    for check in plan["check"]["wrong_choices"]:
        text = check.replace(plan["target"], "public.st")
        ((explained,),) = engine.session.rows(f"explain (analyze, format json) {text}")
        loops = list(_loops_over(explained[0]["Plan"], "orders"))
        assert loops
        assert max(loops) == 1, explained
    assert engine.verify("st").equal


def _loops_over(node: dict[str, Any], relation: str) -> Iterator[int]:
    if node.get("Relation Name") == relation:
        yield node["Actual Loops"]
    for child in node.get("Plans", ()):
        yield from _loops_over(child, relation)
