"""Several stream tables are refreshed at one moment, in the order in which they read each other."""

from __future__ import annotations

import random
from threading import Event, Thread

import psycopg
import pytest

from pgtrickle.engine import Engine, RefreshFailed
from pgtrickle.errors import PgTrickleError

pytestmark = pytest.mark.every_server

TOTALS = "select customer, sum(amount) as total, count(*) as n from orders group by customer"


def diamond(engine: Engine) -> None:
    """Two readers of orders, one through a view, and one table over both."""
    engine.create_stream_table("top", "select sum(amount) as a, count(*) as n from orders")
    engine.create_stream_table("Per Customer", TOTALS)
    engine.connection.execute('create view through as select * from "Per Customer"')
    engine.create_stream_table(
        "bottom",
        "select top.a, (select sum(total) from through) as b, (select sum(n) from through) as n"
        " from top",
    )


def names(engine: Engine, *arguments: str) -> list[str]:
    sql = f"select pgtrickle._in_dependency_order({', '.join(['%s'] * len(arguments))})"
    return [name for (name,) in engine.session.rows(sql, arguments)]


def test_what_is_read_comes_before_what_reads_it(engine: Engine) -> None:
    diamond(engine)
    engine.create_stream_table("alone", "select region from customers")
    ordered = names(engine)
    assert sorted(ordered) == sorted(
        ["public.top", 'public."Per Customer"', "public.bottom", "public.alone"]
    )
    assert ordered.index("public.bottom") == 3 or ordered[-1] == "public.alone"
    assert ordered.index("public.bottom") > ordered.index('public."Per Customer"')
    assert ordered.index("public.bottom") > ordered.index("public.top")
    assert set(names(engine, "bottom")) == {"public.top", 'public."Per Customer"', "public.bottom"}
    assert names(engine, "bottom")[-1] == "public.bottom"
    assert names(engine, "top") == ["public.top"]


def test_suspended_tables_are_left_out(engine: Engine) -> None:
    diamond(engine)
    engine.alter_stream_table("top", status="SUSPENDED")
    assert "public.top" not in names(engine)
    assert names(engine, "bottom") == ['public."Per Customer"', "public.bottom"]


def test_other_peoples_tables_are_left_out(engine: Engine) -> None:
    diamond(engine)
    with engine.connection.transaction(force_rollback=True):
        engine.connection.execute("create role stranger")
        engine.connection.execute("grant select on top, bottom to stranger")
        engine.connection.execute("set local role stranger")
        assert names(engine) == []


def test_a_refresh_with_upstreams_brings_everything_it_reads(engine: Engine) -> None:
    diamond(engine)
    engine.connection.execute("insert into orders values (100, 1, 1000)")
    assert engine.refresh("bottom").action == "NO_DATA"
    done = engine.refresh("bottom", upstreams=True)
    assert (done.name, done.action) == ("public.bottom", "DIFFERENTIAL")
    assert all(engine.verify(name).equal for name in names(engine))
    ((a, b, n),) = engine.session.rows("select a, b, n from bottom")
    assert a == b == 50 * 51 / 2 + 1000
    assert n == 51


def test_a_failure_holds_back_what_reads_it_and_nothing_else(engine: Engine) -> None:
    diamond(engine)
    engine.create_stream_table(
        "inverse", "select id, 1 / (amount - 7) as x from orders where id > 7"
    )
    engine.create_stream_table("reader", "select count(*) as n from inverse")
    engine.create_stream_table("second reader", "select n from reader")
    engine.connection.execute("insert into orders values (100, 1, 7)")
    done = {one.name: one for one in engine.refresh_all()}
    assert done["public.inverse"].error is not None
    assert "division by zero" in done["public.inverse"].error
    assert done["public.reader"].action == done['public."second reader"'].action == "SKIP"
    assert done['public."second reader"'].reason == "public.inverse could not be refreshed"
    assert done["public.bottom"].action == "DIFFERENTIAL"
    status = {one.name: one.status for one in engine.status()}
    assert status["public.inverse"] == "ERROR"
    assert status["public.reader"] == "ACTIVE"
    with pytest.raises(RefreshFailed, match=r"public\.inverse.*division by zero"):
        engine.refresh("second reader", upstreams=True)

    engine.connection.execute("delete from orders where id = 100")
    assert all(one.error is None for one in engine.refresh_all())
    assert {one.status for one in engine.status()} == {"ACTIVE"}


def test_all_buffers_are_purged_afterwards(engine: Engine) -> None:
    engine.create_stream_table("totals", TOTALS)
    engine.connection.execute(
        "insert into orders select i, 1, i from generate_series(1000, 20000) i"
    )
    engine.refresh_all()
    ((relid,),) = engine.session.rows("select 'orders'::regclass::oid::bigint")
    ((bytes_,),) = engine.session.rows(
        f"select sum(pg_relation_size(format('pgtrickle_changes.changes_{relid}_%s', n)))"
        " from generate_series(0, 1) n"
    )
    assert bytes_ == 0


def test_a_diamond_never_shows_two_moments(
    engine: Engine, database: str, other: psycopg.Connection
) -> None:
    diamond(engine)
    stop = Event()
    errors: list[Exception] = []

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with psycopg.connect(database, autocommit=True) as session:
            number = 10000 * seed
            while not stop.is_set():
                number += 1
                with session.transaction():
                    session.execute(
                        "insert into orders values (%s, %s, %s)",
                        (number, chance.randint(1, 9), chance.randint(1, 99)),
                    )
                    session.execute("delete from orders where id = %s", (number - 5,))

    def refresh() -> None:
        with Engine(psycopg.connect(database, autocommit=True)) as own:
            while not stop.is_set():
                try:
                    for one in own.refresh_all():
                        one.check()
                except (psycopg.Error, PgTrickleError) as error:  # noqa: PERF203
                    errors.append(error)
                    return

    threads = [Thread(target=write, args=(1,)), Thread(target=write, args=(2,))]
    threads += [Thread(target=refresh), Thread(target=refresh)]
    for thread in threads:
        thread.start()
    try:
        seen = set()
        looks = 0
        while not errors and (looks < 150 or len(seen) < 4):
            looks += 1
            ((a, b, n, m),) = other.execute(
                "select a, b, n, (select n from top) from bottom"
            ).fetchall()
            assert a == b
            assert n == m
            seen.add(a)
            other.execute("select pg_sleep(0.01)")
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert errors == []
    engine.refresh_all()
    assert all(engine.verify(name).equal for name in names(engine))


def test_a_cycle_is_refused_by_name(engine: Engine) -> None:
    engine.create_stream_table("first", "select id, amount from orders")
    engine.create_stream_table("second", "select id, amount from first")
    engine.create_stream_table("Third", "select id, amount from second")
    with pytest.raises(psycopg.errors.InvalidRecursion) as refused:
        engine.alter_stream_table("first", query='select id, amount from "Third"')
    assert refused.value.sqlstate == "42P19"
    message = str(refused.value)
    assert 'public."Third" -> public.second -> public.first' in message
