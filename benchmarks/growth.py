"""A thousand changed rows on ever larger tables, and ever more stream tables on one source."""

from __future__ import annotations

from functools import partial

from benchmarks.measuring import Case, Result, timed
from benchmarks.ten_queries import QUERIES, load
from pgtrickle.engine import Engine

ABOUT = (
    "Milliseconds of a refresh of each of ten queries for 1,000 updated rows, warm, by the number"
    " of orders; of one stream table among many on one source; and of one for ten updated rows,"
    " with nothing else in the change buffer, and beside an archive of what another has yet to"
    " consume."
)
CHANGED = 1000


def run(engine: Engine, *, sizes: tuple[int, ...], cycles: int) -> Result:
    connection = engine.connection
    cases = {query: Case(query) for query in QUERIES}
    equal = True
    for rows in sizes:
        load(connection, rows)
        for query, sql in QUERIES.items():
            # One at a time: ten tables of thirty million rows do not fit beside each other.
            engine.create_stream_table("grown", sql, refresh_mode="DIFFERENTIAL")
            for cycle in range(cycles + 1):
                connection.execute(
                    "update orders set amount = amount + 1 where id = any (array("
                    f"select generate_series(1 + {cycle}, {rows}, {rows // CHANGED})))"
                )
                time = timed(partial(engine.refresh, "grown"))
                if cycle > 0:  # the first one warms up
                    cases[query].add({f"{rows:,} rows": time})
            equal = equal and engine.verify("grown").equal
            engine.drop_stream_table("grown")
        connection.execute("drop table orders, customers")
    several, unread = _several(engine, cycles), _unread(engine, max(sizes) // 30, cycles)
    equal = equal and engine.verify("quick").equal
    return Result("growth", ABOUT, [*cases.values(), several, unread], equal, {"cycles": cycles})


def _several(engine: Engine, cycles: int) -> Case:
    """One refresh, with 1 and with 64 stream tables on the source."""
    load(engine.connection, 100_000)
    case = Case("aggregate, 1,000 groups, among so many on its source")
    for number in range(64):
        engine.create_stream_table(f"of_{number}", QUERIES["aggregate, 10,000 groups"])
        if number + 1 not in (1, 64):
            continue
        for cycle in range(cycles):
            engine.connection.execute(
                f"update orders set amount = amount + 1 where id between {cycle * 100 + 1}"
                f" and {cycle * 100 + 100}"
            )
            times = [timed(partial(engine.refresh, f"of_{n}")) for n in range(number + 1)]
            case.add({f"{number + 1} stream tables": sum(times) / len(times)})
    return case


def _unread(engine: Engine, waiting: int, cycles: int) -> Case:
    """A refresh of what has seen nearly all, beside one that has not looked for a long time."""
    connection = engine.connection
    connection.execute("create table lines (id integer primary key, n integer not null)")
    connection.execute("insert into lines select i, i from generate_series(1, 1000) i")
    engine.create_stream_table("quick", "select n % 10 as n, count(*) from lines group by 1")
    engine.create_stream_table("slow", "select n % 10 as n, max(id) from lines group by 1")
    case = Case("10 of 1,000 rows, beside changes that others have yet to consume")
    for buffer in ("alone", f"{waiting:,} waiting"):
        if buffer != "alone":
            engine.refresh("slow")
            connection.execute(
                f"insert into lines select 1000 + i, i from generate_series(1, {waiting}) i"
            )
            engine.refresh("quick")
            for _ in range(waiting // 50_000 + 2):
                engine.purge()  # as a worker does, or the refreshes that follow
        for cycle in range(cycles + 1):
            connection.execute(f"update lines set n = n + 1 where id % 100 = {cycle} and id < 1000")
            time = timed(partial(engine.refresh, "quick"))
            if cycle > 0:
                case.add({buffer: time})
    return case
