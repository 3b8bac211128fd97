"""Subqueries and lateral joins in each other and in every place: the families of nesting.sql."""

from __future__ import annotations

import pytest
from tests.operators.playing import LENGTHS, SCHEMA, families, keep_exact

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

FAMILIES = families("nesting.sql")


@pytest.mark.one_in(2)
@pytest.mark.parametrize("cycles", LENGTHS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_differential_and_exact(family: str, cycles: int, engine: Engine) -> None:
    keep_exact(engine, FAMILIES[family], family, cycles)


CHAINS = {
    "marks": "select id, "
    + ", ".join(f"q >= any (select v + {i} from r) as a{i}" for i in range(12))
    + " from o",
    "semi-joins": "select id from o where "
    + " and ".join(f"exists (select from r where r.v + {i} >= o.q)" for i in range(16)),
    "outer joins": "select id, "
    + ", ".join(f"(select sum(k + {i}) from r where r.v = o.q) as a{i}" for i in range(12))
    + " from o",
}


@pytest.mark.parametrize("chain", CHAINS)
def test_many_subqueries_that_all_change_each_row(chain: str, engine: Engine) -> None:
    engine.connection.execute(SCHEMA)
    engine.create_stream_table("st", CHAINS[chain], refresh_mode="DIFFERENTIAL")
    for change in ("delete from r", "insert into r select i, i % 12 from generate_series(1, 40) i"):
        engine.connection.execute(f"update o set note = 'y' where id = 5; {change}")
        engine.connection.execute("set statement_timeout = '20s'")
        assert engine.refresh("st").action == "DIFFERENTIAL"
        assert engine.verify("st").equal
