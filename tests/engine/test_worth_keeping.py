"""Under AUTO, what deltas need is not kept where it takes far more than the query itself."""

from __future__ import annotations

import json

import pytest

from pgtrickle.engine import Engine

LAST = "select o.id, (select max(p.at) from prices p where p.at <= o.at) as at from sales o"


@pytest.fixture
def tables(engine: Engine) -> Engine:
    engine.connection.execute(
        "create table prices (at integer primary key, price integer, note text);"
        "create table sales (id integer primary key, at integer);"
        "insert into prices select i, i * 7 % 100, repeat('x', 60)"
        " from generate_series(1, 100000) i;"
        "insert into sales select i, i * 7919 % 100000 from generate_series(1, 1000) i;"
        "analyze"
    )
    return engine


def how(engine: Engine, name: str) -> tuple[str, str]:
    found = engine.connection.execute(
        "select s.effective_refresh_mode, coalesce(p.plan ->> 'reason', '')"
        " from pgtrickle.pgt_stream_tables s join pgtrickle.pgt_plans p using (pgt_id)"
        " where s.pgt_name = %s",
        (name,),
    ).fetchone()
    assert found is not None
    return found


def test_auto_recomputes_what_an_index_gives_at_once(tables: Engine) -> None:
    tables.create_stream_table("last", LAST)
    mode, reason = how(tables, "last")
    assert mode == "FULL"
    assert "times as much to compute as the query" in reason
    assert reason in str(tables.explain("last"))
    tables.connection.execute("update prices set at = at + 100000 where at > 50000")
    assert tables.refresh("last").action == "FULL"
    assert tables.verify("last").equal


def test_differential_keeps_it_all_the_same(tables: Engine) -> None:
    tables.create_stream_table("last", LAST)
    tables.connection.execute("delete from sales where id > 5")
    tables.alter_stream_table("last", refresh_mode="DIFFERENTIAL")
    tables.refresh("last")
    tables.connection.execute("delete from prices where at > 80000")
    assert tables.refresh("last").action == "DIFFERENTIAL"
    assert tables.verify("last").equal


def test_another_query_is_weighed_too(tables: Engine) -> None:
    tables.create_stream_table("last", "select o.id, p.price from sales o join prices p using (at)")
    assert how(tables, "last") == ("DIFFERENTIAL", "")
    tables.alter_stream_table("last", query=LAST)
    assert how(tables, "last")[0] == "FULL"
    assert tables.verify("last").equal


def test_a_plan_that_comes_later_is_weighed_too(tables: Engine) -> None:
    tables.connection.execute("select pgtrickle.create_stream_table('last', %s)", (LAST,))
    tables.compile_pending()
    assert how(tables, "last")[0] == "FULL"


@pytest.mark.parametrize("mode", ["AUTO", "FULL"])
def test_a_plan_that_is_offered_for_the_same_query_is_weighed_too(
    mode: str, tables: Engine
) -> None:
    """As dbt does: by a later compiler, for a table without a plan, for one that was FULL."""
    replace = "select pgtrickle.create_or_replace_stream_table('last', %s, refresh_mode => 'AUTO')"
    tables.create_stream_table("last", LAST, refresh_mode=mode)
    plan = {**tables.compile(LAST).as_dict(), "compiler": "pgtrickle 99"}
    with tables.connection.transaction():
        tables.connection.execute("select pgtrickle.offer_plan(%s, %s)", (LAST, json.dumps(plan)))
        tables.connection.execute(replace, (LAST,))
    mode, reason = how(tables, "last")
    assert mode == "FULL"
    assert "times as much to compute as the query" in reason


def test_a_query_that_costs_nothing_is_recomputed(tables: Engine) -> None:
    tables.create_stream_table("last", f"select * from ({LAST}) s where false")
    assert tables.verify("last").equal


def test_what_is_small_is_kept(tables: Engine) -> None:
    tables.connection.execute("delete from sales where id > 5; analyze sales")
    tables.create_stream_table("last", LAST)
    assert how(tables, "last")[0] == "DIFFERENTIAL"
