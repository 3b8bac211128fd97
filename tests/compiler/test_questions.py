"""How much compilation asks of the database, whatever the query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pgtrickle.compiler import compile_query
from pgtrickle.database import Session
from pgtrickle.engine import Engine

MOST = 15
"""Questions for any query without views."""

LARGE = """
    with by_shop as (select region, shop, day, sum(amount) as total from sales group by 1, 2, 3)
    select a.region, o.owner, max(a.total) as most, count(distinct b.shop) as others,
      (select count(*) from sales s where s.day = a.day and s.note like 'x%') as notes
    from by_shop a
    join by_shop b on b.region = a.region and b.shop <> a.shop
    left join shops o on o.name = a.shop
    where exists (select from sales c where c.shop = a.shop and c.amount > a.total)
    group by rollup (a.region, o.owner), a.day
"""


class Counting:
    """A session that counts what it is asked."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.questions = 0

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.questions += 1
        return self.session.rows(sql, parameters)


@pytest.mark.parametrize("query", ["select id, amount from sales", LARGE])
def test_the_number_of_questions_does_not_grow_with_the_query(engine: Engine, query: str) -> None:
    engine.compile("select 1 as one")  # leaves a function behind in the session
    counting = Counting(engine.session)
    plan = compile_query(counting, query)
    assert plan.mode == "DIFFERENTIAL"
    assert counting.questions <= MOST
