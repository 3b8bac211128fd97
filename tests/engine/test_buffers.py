"""Change buffers stay small under an engine that only refreshes."""

from __future__ import annotations

from pgtrickle.engine import Engine


def test_many_refreshes_leave_no_consumed_changes_behind(engine: Engine) -> None:
    engine.create_stream_table("totals", "select customer, sum(amount) as s from orders group by 1")
    run = engine.connection.execute
    for _ in range(12):
        run("update orders set amount = amount + 1")
        run(
            "insert into orders select top.id + i, 1, i"
            " from (select max(id) as id from orders) as top, generate_series(1, 2000) i"
        )
        engine.refresh("totals")
    left = run(
        "select sum(pg_relation_size(oid)) from pg_class"
        " where relnamespace = 'pgtrickle_changes'::regnamespace and relkind = 'r'"
    ).fetchone()
    assert left is not None
    # A segment is turned and emptied when it has grown beyond 256 kB.
    assert left[0] < 3 * 1024 * 1024
    assert engine.verify("totals").equal
