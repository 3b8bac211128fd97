"""Of which sources one changed row may lead to many."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

JOINED = "from sales s join shops p on p.name = s.shop"
GROUPED = "select shop, sum(amount) as total from sales group by 1"
CASES = {
    "one table": ("select * from sales where amount > 1", set()),
    "carried forward": ("select region, sum(amount) as x from sales group by 1", set()),
    "aggregated again": (
        "select region, stddev(amount::float) as x from sales group by 1",
        {"sales"},
    ),
    "extremes whose rows are counted": (
        "select region, min(amount) as least, max(shop) as last from sales group by 1",
        set(),
    ),
    "a partition": ("select id, rank() over (partition by shop order by id) from sales", {"sales"}),
    "first rows": ("select id from sales order by amount limit 3", {"sales"}),
    "many meet one": (f"select s.id, p.owner {JOINED}", {"shops"}),
    "under a filter": (f"select s.id, p.owner {JOINED} where p.owner > 'b'", {"shops"}),
    "an outer join": (
        "select s.id, p.owner from sales s left join shops p on p.name = s.shop",
        {"shops"},
    ),
    "matches are counted by key": (
        "select p.name from shops p where exists (select from sales s where s.shop = p.name)",
        set(),
    ),
    "joined with a group": (
        f"select p.owner, g.total from shops p join ({GROUPED}) g on g.shop = p.name",
        set(),
    ),
    "many meet many": (
        "select a.id from sales a join sales b on a.region = b.region",
        {"sales"},
    ),
}


@pytest.mark.parametrize(("query", "expected"), CASES.values(), ids=CASES)
def test_changes_that_lead_to_many(engine: Engine, query: str, expected: set[str]) -> None:
    found = {s.relid for s in engine.compile(query).sources if s.fans_out}
    names = engine.connection.execute(
        "select relname from pg_class where oid = any (%s)", [list(found)]
    )
    assert {name for (name,) in names} == expected
