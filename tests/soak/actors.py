"""Who works on the database during a soak: writers, and those who change the sources' definition.

Each has a session of its own, and a new one after the server was restarted. What goes wrong for
a reason that an application expects is repeated; anything else is kept in `errors`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from threading import Event, Lock, Thread

import psycopg

from .graph import ROWS, SOURCE_NAMES, Graph

RETRYABLE = {
    "40001": "serialization failure",
    "40P01": "deadlock, of transactions that write several sources in different orders",
    "55P03": "a definition is not changed when its lock is not there in time",
    "57P01": "the server is shutting down",
    "57P02": "another session crashed",
    "57P03": "the server is starting",
    None: "the connection is gone",
}


def is_retryable(error: psycopg.Error) -> bool:
    """Whether an application repeats what it did: for such a reason, or because two MERGE found no
    row and both inserted it, which PostgreSQL leaves to the key of the table they write."""
    of_the_writer = error.sqlstate == "23505" and (error.diag.table_name or "") in SOURCE_NAMES
    return error.sqlstate in RETRYABLE or of_the_writer


Work = Callable[[psycopg.Connection, Random], str]


class Actors:
    def __init__(self, dsn: str, seed: int) -> None:
        self.dsn = dsn
        self.seed = seed
        self.done: Counter[str] = Counter()
        self.errors: list[str] = []
        self._stop = Event()
        self._counting = Lock()

    @contextmanager
    def working(self, works: dict[str, Work]) -> Iterator[None]:
        threads = [
            Thread(target=self._repeat, args=(name, work, Random(f"{self.seed} {name}")))
            for name, work in works.items()
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(60)
            assert not any(thread.is_alive() for thread in threads)

    def _repeat(self, name: str, work: Work, random: Random) -> None:
        while not self._stop.is_set():
            with suppress(psycopg.OperationalError), self._session() as session:
                while not self._stop.is_set():
                    self._once(name, work, session, random)
            self._stop.wait(0.1)

    def _session(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn, autocommit=True)

    def _once(self, name: str, work: Work, session: psycopg.Connection, random: Random) -> None:
        try:
            did = work(session, random)
        except psycopg.Error as error:
            if not is_retryable(error):
                self.errors.append(f"{name}: {error.sqlstate} {error}")
            did = f"repeated {error.sqlstate}"
            session.rollback()
        with self._counting:
            self.done[did] += 1


_STATEMENTS = """
    insert into {t} (id, k, v) select {id}, {k}, {v}
        where not exists (select from {t} where id = {id}) on conflict do nothing;
    insert into {t} (id, k, v) select {id} + n, {k}, {v} + n from generate_series(0, 9) n
        where not exists (select from {t} where id = {id} + n) on conflict do nothing;
    update {t} set v = v + {v} where id = {id};
    update {t} set k = {k} where id = {id};
    update {t} set v = case when {id} % 5 = 0 then null else {v} end where k = {k};
    update {t} set note = '{k}' where id between {id} and {id} + 20;
    delete from {t} where id = {id};
    delete from {t} where id between {id} and {id} + 4;
    merge into {t} using (values ({id}, {k}, {v})) s (id, k, v) on s.id = {t}.id
        when matched then update set v = s.v
        when not matched then insert (id, k, v) values (s.id, s.k, s.v)
"""
"""Separated by semicolons."""


def writer(graph: Graph, pause: float) -> Work:
    """Transactions of every kind, with a pause after each."""

    def write(session: psycopg.Connection, random: Random) -> str:
        kind = random.choice(_KINDS)
        kind(session, random, graph)
        time.sleep(random.uniform(0, 2 * pause))
        return kind.__name__.strip("_")

    return write


def _statement(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    session.execute(
        random.choice(_STATEMENTS.split(";")).format(
            t=random.choice(graph.sources),
            id=random.randrange(ROWS),
            k=random.randrange(ROWS // 5),
            v=random.choice(("1.0", "1.00", "-2.5", "17")),
        )
    )


def _single(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    _statement(session, random, graph)


def _several(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    with session.transaction():
        for _ in range(random.randint(2, 4)):
            _statement(session, random, graph)
            with session.transaction(force_rollback=random.random() < 0.5):
                _statement(session, random, graph)


def _long(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    with session.transaction():
        _statement(session, random, graph)
        time.sleep(random.uniform(0.2, 1.5))
        _statement(session, random, graph)


def _rolled_back(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    with session.transaction(force_rollback=True):
        _statement(session, random, graph)


def _copied(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    name = random.choice(graph.keyless or graph.sources)
    with session.transaction():
        session.execute(f"delete from {name} where id < 20")
        with session.cursor().copy(f"copy {name} (id, k, v) from stdin") as copy:
            for number in range(20):
                copy.write_row((number, random.randrange(ROWS // 5), number / 2))


_KINDS = (_single, _single, _single, _several, _several, _long, _rolled_back, _copied)


def definer(graph: Graph, pause: float) -> Work:
    """Changes definitions of sources, as people and tools do."""

    def define(session: psycopg.Connection, random: Random) -> str:
        time.sleep(random.uniform(0, 2 * pause))
        kind = random.choice(_DEFINITIONS)
        with session.transaction():
            session.execute(
                "set local lock_timeout = '3s'; set local client_min_messages = warning"
            )
            kind(session, random, graph)
        return kind.__name__.strip("_")

    return define


def _column(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    name = random.choice(graph.sources)
    session.execute(f"alter table {name} drop column if exists extra")
    session.execute(f"alter table {name} add column extra integer default 7")


def _wider(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    name = random.choice(graph.sources)
    session.execute(f"alter table {name} alter column note type varchar({random.randint(9, 999)})")


def _index(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    session.execute("drop index if exists soaked")
    session.execute(f"create index soaked on {random.choice(graph.sources)} (k)")


def _truncation(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    name = random.choice(graph.sources)
    session.execute(f"truncate {name}")
    session.execute(
        f"insert into {name} (id, k, v) select n, n % 9, n from generate_series(1, 50) n"
    )


def _swap(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    """What dbt does to rebuild a table."""
    name = random.choice(graph.plain)
    session.execute(f"create table rebuilt (like {name} including all)")
    session.execute(f"insert into rebuilt select * from {name} where id % 10 <> 0")
    session.execute(f"alter table {name} rename to former")
    session.execute(f"alter table rebuilt rename to {name}")
    session.execute("drop table former")


def _partition(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    if graph.partitioned:
        name = random.choice(graph.partitioned)
        session.execute(f"alter table {name} detach partition {name}_low")
        session.execute(f"update {name}_low set v = 3")
        session.execute(f"alter table {name} attach partition {name}_low for values in (0, 1, 2)")


def _tampering(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    name = random.choice(graph.plain)
    session.execute(f"alter table {name} disable trigger all")
    session.execute(f"update {name} set v = 1 where k = 1")
    session.execute(f"alter table {name} enable trigger all")


def _replica(session: psycopg.Connection, random: Random, graph: Graph) -> None:
    """As a subscriber of logical replication writes: no ordinary trigger fires, and so none may be
    missed without a trace: a TRUNCATE leaves one."""
    name = random.choice(graph.plain)
    session.execute("set local session_replication_role = replica")
    session.execute(f"truncate {name}")


_DEFINITIONS = (*(_column, _wider, _index, _truncation, _swap, _partition, _tampering, _replica),)
