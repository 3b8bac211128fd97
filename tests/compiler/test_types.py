"""Types that no column can have, and queries wider than a view, are no obstacle to describing."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine


@pytest.mark.parametrize(
    "query",
    [
        "select region, count((shop, day)) as n from sales group by region",
        "select region, count(distinct (shop, day)) as n from sales group by region",
        "select region, jsonb_agg(row(shop, amount)) as rows from sales group by region",
    ],
)
def test_rows_without_a_type_can_be_aggregated(engine: Engine, query: str) -> None:
    assert engine.compile(query).mode == "DIFFERENTIAL"
    engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    engine.connection.execute("insert into sales values (1, 'n', 'a', '2020-01-01', 1)")
    engine.connection.execute("insert into sales values (2, 'n', null, null, 2)")
    assert engine.refresh("st").action == "DIFFERENTIAL"
    engine.connection.execute("update sales set shop = null, day = null where id = 1")
    assert engine.refresh("st").action == "DIFFERENTIAL"
    assert engine.verify("st").equal


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) as n from sales group by (shop, day), row(region)",
        "select region, rank() over (partition by row(shop) order by id) as r from sales",
        "select distinct on (row(shop)) id, shop from sales order by row(shop), id",
    ],
)
def test_groups_of_rows_without_a_type_are_recomputed(engine: Engine, query: str) -> None:
    plan = engine.compile(query)
    assert plan.mode == "FULL"
    assert "no hash function" in str(plan.reason)


def test_many_wide_operators_are_described(engine: Engine) -> None:
    columns = [f"c{i} integer" for i in range(700)]
    engine.connection.execute(f"create table wide ({', '.join(columns)})")
    plan = engine.compile(
        "select * from (select distinct * from wide where c0 > 1) a"
        " union select * from (select distinct * from wide where c0 > 2) b"
    )
    assert plan.mode == "DIFFERENTIAL"
