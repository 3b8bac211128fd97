"""Groups are aggregated afresh for NaN and infinity, by a text that is run when one is met."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

QUERIES = {
    "sums": "select customer, sum(amount) as s, avg(amount) as a from orders group by 1",
    "total": "select sum(amount) as s, variance(amount) as v from orders",
    "joined": "select c.region, sum(o.amount) as s from orders o join customers c"
    " on c.id = o.customer group by 1",
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_group_goes_through_every_special_value(name: str, engine: Engine) -> None:
    engine.create_stream_table(name, QUERIES[name], refresh_mode="DIFFERENTIAL")
    for change in (
        "update orders set amount = 'NaN' where id = 1",
        "update orders set amount = amount + 1",
        "update orders set amount = 'Infinity' where id in (1, 2)",
        "insert into orders values (101, 1, '-Infinity'), (102, 77, 'NaN')",
        "delete from orders where amount in ('NaN', 'Infinity')",
        "delete from orders where id > 100",
        "update orders set amount = 1.000 where id < 4",
    ):
        engine.connection.execute(change)
        assert engine.refresh(name).action == "DIFFERENTIAL"
        assert engine.verify(name).equal


def test_a_new_group_is_none_of_them(engine: Engine) -> None:
    """It has no state yet, and nothing of it needs to be read but what came."""
    engine.create_stream_table("sums", QUERIES["sums"], refresh_mode="DIFFERENTIAL")
    engine.connection.execute("insert into orders values (101, 77, 1.50), (102, 77, 2)")
    plan = "\n".join(
        line for (line,) in engine.connection.execute("select pgtrickle.explain_delta('sums')")
    )
    assert "on orders" not in plan, plan
    assert engine.refresh("sums").action == "DIFFERENTIAL"
    assert engine.verify("sums").equal


def test_it_is_met_in_the_delta_for_some_of_the_sources(engine: Engine) -> None:
    run = engine.connection.execute
    run("create table regions (name text primary key, manager text)")
    run("insert into regions select distinct region, 'm' from customers")
    engine.create_stream_table(
        "managed",
        "select r.manager, sum(o.amount) as s from orders o join customers c on c.id = o.customer"
        " join regions r on r.name = c.region group by 1",
        refresh_mode="DIFFERENTIAL",
    )
    for amount in ("'NaN'", "1.5"):
        run(f"update orders set amount = {amount} where id = 1")
        run("update regions set manager = manager || '!'")
        assert engine.refresh("managed").action == "DIFFERENTIAL"
        assert engine.verify("managed").equal
