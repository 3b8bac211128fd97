"""Where a delta adds changes up before it joins them, and where it must not."""

from __future__ import annotations

import re

import pytest

from pgtrickle.engine import Engine

FIRST = {
    "join": "select c.region, sum(o.amount) as s from o join c on c.id = o.cust group by c.region",
    "left join": (
        "select c.region, count(o.id) as n from c left join o on o.cust = c.id group by c.region"
    ),
    "groups that are left rows": (
        "select c.id, count(o.id) as n from c left join o on o.cust = c.id and o.q > 2 group by 1"
    ),
    "two joins": (
        "select r.name, sum(o.amount * (1 - o.rate)) as s from o join c on c.id = o.cust"
        " join r on r.name = c.region group by r.name"
    ),
    "condition of an aggregate": (
        "select c.region, sum(case when o.q > 2 then o.amount end) as s,"
        " count(*) filter (where o.note in ('a', 'b')) as n"
        " from o join c on c.id = o.cust group by c.region"
    ),
    "left join of what changed": (
        "select c.region, count(*) as n, sum(o.amount) as s from o left join c on c.id = o.cust"
        " group by c.region"
    ),
    "two left joins": (
        "select r.name, c.region, o.at::date as day, sum(o.q::bigint) as s from o"
        " left join c on c.id = o.cust left join r on r.name = c.region group by 1, 2, 3"
    ),
    "a model of several WITH queries": (
        "with os as (select * from o), cs as (select * from c),"
        " joined as (select os.*, cs.region from os left join cs on cs.id = os.cust),"
        " final as (select region, count(*) as n, sum(amount) as s from joined group by 1)"
        " select * from final"
    ),
    "keys computed of what changed": (
        "select c.region, date_trunc('month', o.at) as month, extract(year from o.at) as year,"
        " coalesce(o.note, 'none') as note, sum(o.q) as s from o join c on c.id = o.cust"
        " group by 1, 2, 3, 4"
    ),
    "what models compute before they join": (
        "with os as (select date_trunc('month', at)::date as month, at::date as day,"
        " q / 100 as units, amount / 100.0 as euros, q * amount as total, o.* from o),"
        " joined as (select * from os left join c on c.id = os.cust)"
        " select region, month, day, sum(units) as u, sum(euros) as e, sum(total) as t"
        " from joined group by 1, 2, 3"
    ),
    "a group's key among what changed": (
        "select c.region, o.q, count(*) as n from o join c on c.id = o.cust group by c.region, o.q"
    ),
}
ONE_BY_ONE = {
    "what may fail": (
        "select c.region, sum(100 / o.q) as s from o join c on c.id = o.cust group by c.region"
    ),
    "what takes long of each row": (
        "select c.region, bit_or(o.q) as b from o join c on c.id = o.cust group by c.region"
    ),
    "few partners": (
        "select c.id, sum(o.q) as s from o join c on c.id = o.cust where c.region = 'r1' group by 1"
    ),
    "a division by what is rounded to zero": (
        "select c.region, sum(o.q / 0.4::int) as s from o join c on c.id = o.cust group by 1"
    ),
    "a cast that a subquery makes and that may fail": (
        "select c.region, count(x.n) as s from (select cust, note::integer as n from o) x"
        " join c on c.id = x.cust group by 1"
    ),
    "a division by what may be zero": (
        "select c.region, sum(o.amount / (o.q - 3)) as s from o join c on c.id = o.cust group by 1"
    ),
    "a cast that may fail": (
        "select c.region, sum(o.note::integer) as s from o join c on c.id = o.cust group by 1"
    ),
    "a condition of the left side": (
        "select c.region, count(*) as n from o left join c on c.id = o.cust and o.q > 2 group by 1"
    ),
    "a constant read row by row": (
        "select c.region, sum(case when o.q = 0 then 'x'::text::integer end) as s"
        " from o join c on c.id = o.cust group by c.region"
    ),
    "a key that may fail": (
        "select c.region, 100 / o.q as k, sum(q) as s from o join c on c.id = o.cust group by 1, 2"
    ),
    "a key of both sides": (
        "select o.q + c.id as k, count(*) as n from o join c on c.id = o.cust group by 1"
    ),
    "single values": (
        "select c.region, count(distinct o.q) as n from o join c on c.id = o.cust group by c.region"
    ),
    "both sides": (
        "select c.region, sum(o.q + c.id) as s from o join c on c.id = o.cust group by c.region"
    ),
    "a key that no two rows share": (
        "select d.id, sum(o.q) as s from o join c d on d.id = o.id group by d.id"
    ),
    "more than equality": (
        "select c.region, sum(o.q) as s from o join c on c.id = o.cust and c.id < o.q group by 1"
    ),
}


@pytest.fixture
def tables(engine: Engine) -> Engine:
    engine.connection.execute(
        "create table r (name text primary key);"
        "create table c (id integer primary key, region text);"
        "create table o (id integer primary key, cust integer, amount numeric(10, 2),"
        " rate numeric(4, 3), q integer, note text, at timestamptz)"
    )
    return engine


def delta_of_orders(engine: Engine, query: str) -> str:
    plan = engine.compile(query)
    relid = engine.connection.execute("select 'o'::regclass::oid").fetchone()
    assert relid is not None
    number = [source.relid for source in plan.sources].index(relid[0])
    return plan.deltas[str(number)]


def adds_up_first(delta: str) -> bool:
    """Whether changes are grouped where they are read."""
    read = re.search(r"FROM changes_\d+\)( AS \w\))* AS \w(\nWHERE [^\n]*)?\nGROUP BY", delta)
    return read is not None


@pytest.mark.parametrize("case", FIRST)
def test_changes_are_added_up_first(case: str, tables: Engine) -> None:
    assert adds_up_first(delta_of_orders(tables, FIRST[case]))


@pytest.mark.parametrize("case", ONE_BY_ONE)
def test_changes_are_joined_one_by_one(case: str, tables: Engine) -> None:
    assert not adds_up_first(delta_of_orders(tables, ONE_BY_ONE[case]))


@pytest.mark.parametrize(
    "case",
    [
        "join",
        "two joins",
        "left join of what changed",
        "two left joins",
        "a model of several WITH queries",
    ],
)
def test_changes_are_added_up_where_the_other_side_changed_too(case: str, tables: Engine) -> None:
    assert adds_up_first(tables.compile(FIRST[case]).deltas["*"])


def test_left_rows_are_not_asked_for_where_each_is_a_group(tables: Engine) -> None:
    delta = delta_of_orders(tables, FIRST["groups that are left rows"])
    assert "public.c" not in delta
