"""What a worker promises: how fresh scheduled tables are, and what a thousand idle ones cost."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import psycopg

from benchmarks.measuring import Case, Result
from pgtrickle.engine import Engine

ABOUT = (
    "Freshness: milliseconds from a commit until its row is seen in a stream table scheduled every"
    " second, with 20 such tables written all the time and 200 idle ones. Idle: milliseconds of"
    " processor time per second that the worker and its sessions take for tables scheduled every"
    " minute that nobody writes."
)
FRESHNESS = 1200.0
IDLE = 20.0
"""2 % of a core, in milliseconds per second."""


def run(engine: Engine, *, busy: int, quiet: int, idle: int, seconds: float) -> Result:
    """Create the tables, run a worker on them, watch it."""
    dsn = engine.connection.info.dsn
    for number in range(max(busy, 40)):
        engine.connection.execute(
            f"create table source_{number} (id integer primary key, k integer not null)"
        )
    for number in range(busy):
        engine.create_stream_table(
            f"busy_{number}",
            f"select k, count(*) as n, max(id) as latest from source_{number} group by k",
            schedule="1s",
        )
    engine.connection.execute("create table calm (id integer primary key, k integer not null)")
    for number in range(quiet):
        engine.create_stream_table(f"quiet_{number}", "select id from calm", schedule="1s")
    with working(dsn):
        fresh = freshness(dsn, busy, seconds)
    names = [f"busy_{number}" for number in range(busy)]
    equal = all(one.error is None for one in engine.refresh_all())
    equal = equal and all(engine.verify(name).equal for name in names)
    for name in [*names, *(f"quiet_{number}" for number in range(quiet))]:
        engine.drop_stream_table(name)
    for number in range(idle):
        engine.create_stream_table(
            f"idle_{number}", f"select id, k from source_{number % 40}", schedule="1m"
        )
    with working(dsn) as worker:
        looked_at_once(engine)
        time.sleep(65)
        cost = processor_time(engine, worker, seconds)
    case = Case(f"fresh within, {busy} busy and {quiet} idle tables, 1 s schedule", {"bar": 1.0})
    case.add({"99th percentile": _percentile(fresh, 99), "bar": FRESHNESS})
    half = Case("the same, median", {"bar": 1.0})
    half.add({"median": statistics.median(fresh), "bar": FRESHNESS})
    rest = Case(f"{idle} idle tables, 1 min schedule", {"bar": 1.0})
    rest.add({"milliseconds per second": cost, "bar": IDLE})
    sizes: dict[str, object] = {"seconds": seconds, "changes followed": len(fresh)}
    return Result("worker", ABOUT, [case, half, rest], equal, sizes)


@contextmanager
def working(dsn: str) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "pgtrickle", "worker", "--dsn", dsn, "--log-level", "warning"]
    with subprocess.Popen(command) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def looked_at_once(engine: Engine) -> None:
    """Wait until each table had its first refresh by this worker, which looks closely."""
    ((started,),) = engine.session.rows("select clock_timestamp()")
    first = "select min(last_refresh_at) > %s from pgtrickle.pgt_stream_tables"
    while engine.session.rows(first, (started,)) != [(True,)]:
        time.sleep(1)


def freshness(dsn: str, busy: int, seconds: float) -> list[float]:
    """Milliseconds until each of many changes was seen, followed by four sessions."""
    found: list[float] = []
    end = time.monotonic() + 10 + seconds

    def follow(seed: int) -> None:
        chance = random.Random(seed)
        with psycopg.connect(dsn, autocommit=True) as session:
            at = seed * 10_000_000
            while time.monotonic() < end:
                table = chance.randrange(busy)
                for number in range(busy):
                    at += 1
                    session.execute(
                        f"insert into source_{number} values (%s, %s)", (at, seed * 10 + at % 10)
                    )
                    if number == table:
                        committed, sought = time.monotonic(), at
                query = f"select 1 from busy_{table} where k = %s and latest >= %s"
                while session.execute(query, (seed * 10 + sought % 10, sought)).fetchone() is None:
                    time.sleep(0.01)
                if committed > end - seconds:
                    found.append((time.monotonic() - committed) * 1000)

    threads = [threading.Thread(target=follow, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def processor_time(engine: Engine, worker: psutil.Process, seconds: float) -> float:
    """Milliseconds per second of the worker's process and of its sessions on the server."""
    sessions = [
        psutil.Process(pid)
        for (pid,) in engine.session.rows(
            "select pid from pg_stat_activity where application_name = 'pgtrickle worker'"
        )
    ]

    def used() -> float:
        times = [process.cpu_times() for process in (worker, *sessions)]
        return sum(each.user + each.system for each in times)

    before = used()
    time.sleep(seconds)
    return 1000 * (used() - before) / seconds


def _percentile(figures: list[float], percent: int) -> float:
    return statistics.quantiles(figures, n=100)[percent - 1]
