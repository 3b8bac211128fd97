"""What stands in several places of a query is kept once."""

from __future__ import annotations

from pgtrickle.engine import Engine

BY_SHOP = "select region, shop, sum(amount) as total from sales group by region, shop"


def captured(engine: Engine, query: str) -> set[str]:
    return {column for source in engine.compile(query).sources for column in source.columns}


def test_a_with_query_read_several_times_has_one_state(engine: Engine) -> None:
    plan = engine.compile(
        f"with by_shop as ({BY_SHOP}) select a.shop, a.total, b.total as other"
        " from by_shop a join by_shop b on b.region = a.region and b.shop < a.shop"
        " where a.total > 10"
    )
    assert len(plan.state) == 1


def test_a_with_query_read_once_is_maintained_where_it_stands(engine: Engine) -> None:
    plan = engine.compile(
        "with s as (select * from sales), p as (select * from shops where name <> 'x'),"
        " joined as (select s.id, s.amount, p.name from s join p on p.name = s.shop)"
        " select id, name, amount from joined where amount > 3"
    )
    assert not any("x__" in plan.deltas[number] for number in "01")  # no delta is stored


def test_grouping_sets_share_what_is_below_them(engine: Engine) -> None:
    plan = engine.compile(
        f"with by_shop as ({BY_SHOP}) select region, shop, sum(total) as total, count(*) as n"
        " from by_shop group by rollup (region, shop)"
    )
    by_shop, sets = 1, 3
    assert len(plan.state) == by_shop + sets


def test_only_columns_that_some_reader_reads_are_captured(engine: Engine) -> None:
    query = (
        "with s as (select * from sales) select a.region from s a join s b on b.id = a.id"
        " where b.day > '2020-01-01'"
    )
    assert captured(engine, query) == {"id", "region", "day"}


def test_a_state_is_filled_from_those_below_it(engine: Engine) -> None:
    """Or the sources would be read once more for each operator that keeps something."""
    plan = engine.compile(
        f"with by_shop as ({BY_SHOP}) select region, max(total) as best from by_shop"
        " group by region having max(total) > (select avg(total) from by_shop)"
        " order by 1 limit 10"
    )
    below, *others = plan.state
    assert "sales" in below.fill
    assert len(others) == 3
    assert not any("sales" in state.fill for state in others)
