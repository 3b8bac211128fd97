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
    # A segment is turned and emptied when a few refreshes like these fill it, or at 1 MB.
    assert left[0] < 3 * 1024 * 1024
    assert engine.verify("totals").equal


def test_larger_changes_fill_larger_segments(engine: Engine) -> None:
    """To empty one costs the same however much is in it, and some refreshes share that."""
    sizes = [
        engine.connection.execute("select pgtrickle._segment_bytes(%s)", (read,)).fetchone()
        for read in (0, 20, 2_000, 100_000, 2**62 // 500)
    ]
    kilobyte = 1024
    assert sizes == [(256 * kilobyte,), (256 * kilobyte,), (1_000_000,), *[(1024 * kilobyte,)] * 2]
