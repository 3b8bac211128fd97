"""Writers for a minute: every way in which a transaction can come to be visible."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from threading import Event, Lock, Thread

import psycopg

from pgtrickle.engine import RefreshFailed

RETRYABLE = ("40001", "40P01")
"""Serialization failure and deadlock among the writers' own row locks: an application retries."""

SCHEMA = """
    create table account (id integer primary key, region text, balance numeric);
    create table entry (account integer, amount numeric(10,2), note text);
    create table region (name text, weight integer);
    insert into account select n, 'r' || n % 5, n * 1.0 from generate_series(1, 60) n;
    insert into entry select n % 60, n, null from generate_series(1, 300) n;
    insert into region select 'r' || n, n from generate_series(0, 4) n;
"""

STREAM_TABLES = {
    "rich": "select id, region, balance from account where balance > 10",
    "by_region": "select region, count(*) as n, sum(balance) as total,"
    " max(trim_scale(balance)) as most from account group by region",
    "statement": "select a.id, a.region, e.amount, e.note, r.weight"
    " from account a join entry e on e.account = a.id join region r on r.name = a.region",
    "turnover": "select r.weight, count(*) as n, sum(e.amount) as total, min(e.amount) as least,"
    " count(distinct e.note) as notes"
    " from entry e join account a on a.id = e.account join region r on r.name = a.region"
    " group by r.weight",
    "summary": "select count(*) as n, sum(total) as total from turnover where weight > 1",
}
"""The last one reads another stream table."""


class Traffic:
    """Sessions that write, and sessions that refresh, until they are told to stop."""

    def __init__(self, dsn: str, seed: int) -> None:
        self.dsn = dsn
        self.seed = seed
        self.done: Counter[str] = Counter()
        self.errors: list[str] = []
        self._stop = Event()
        self._counting = Lock()
        self._threads: list[Thread] = []

    @contextmanager
    def running(
        self, workers: dict[str, Callable[[psycopg.Connection, Random], str]]
    ) -> Iterator[None]:
        """Every worker in a session of its own, again and again; its answer is counted."""
        for number, (name, work) in enumerate(workers.items()):
            arguments = (name, work, Random(self.seed * 1000 + number))
            self._threads.append(Thread(target=self._repeat, args=arguments, name=name))
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(60)

    @property
    def is_stuck(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _repeat(
        self, name: str, work: Callable[[psycopg.Connection, Random], str], random: Random
    ) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as session:
            while not self._stop.is_set():
                try:
                    did = work(session, random)
                except (psycopg.Error, RefreshFailed) as error:
                    did = self._failed(name, error)
                    session.rollback()
                with self._counting:
                    self.done[did] += 1

    def _failed(self, name: str, error: psycopg.Error | RefreshFailed) -> str:
        if error.sqlstate not in RETRYABLE or not name.startswith("writer"):
            self.errors.append(f"{name}: {error.sqlstate} {error}")
        return f"retried {error.sqlstate}"


def write(session: psycopg.Connection, random: Random) -> str:
    """One transaction of one of many kinds."""
    kind = random.choice(_KINDS)
    kind(session, random)
    return kind.__name__.strip("_")


def _statement(session: psycopg.Connection, random: Random) -> None:
    at, by = random.randint(1, 90), random.choice(("1.0", "1.00", "-2.5", "0.125"))
    statement = random.choice(_STATEMENTS.split(";"))
    session.execute(statement.format(at=at, by=by, region=f"r{random.randint(0, 5)}"))


_STATEMENTS = """
    insert into account values ({at}, '{region}', {by}) on conflict (id) do nothing;
    insert into account values ({at}, '{region}', {by})
        on conflict (id) do update set balance = account.balance + excluded.balance;
    update account set balance = balance + {by} where id = {at};
    update account set region = nullif('{region}', 'r5') where id = {at};
    update account set id = id + 100 where id = {at}
        and not exists (select from account where id = {at} + 100);
    delete from account where id in ({at}, {at} + 100);
    insert into entry select {at}, n * {by}, '{region}' from generate_series(1, 3) n;
    insert into entry values ({at}, {by}, null), ({at}, {by}, null);
    update entry set amount = amount + {by} where account = {at};
    update entry set note = '{region}' where account = {at} and note is null;
    delete from entry where account = {at};
    insert into region values ('{region}', {at} % 3);
    update region set weight = {at} % 4 where name = '{region}';
    delete from region where ctid = (select ctid from region where name = '{region}' limit 1)
        and (select count(*) from region) > 6
"""
"""Separated by semicolons."""


def _single(session: psycopg.Connection, random: Random) -> None:
    _statement(session, random)


def _several(session: psycopg.Connection, random: Random) -> None:
    with session.transaction():
        for _ in range(random.randint(2, 5)):
            _statement(session, random)


def _long(session: psycopg.Connection, random: Random) -> None:
    """Writes first and commits much later, when others have written and refreshed."""
    with session.transaction():
        _statement(session, random)
        time.sleep(random.uniform(0.1, 1.5))
        _statement(session, random)


def _rolled_back(session: psycopg.Connection, random: Random) -> None:
    with session.transaction(force_rollback=True):
        _statement(session, random)
        time.sleep(random.uniform(0, 0.2))


def _savepoint(session: psycopg.Connection, random: Random) -> None:
    with session.transaction():
        _statement(session, random)
        with session.transaction(force_rollback=True):
            _statement(session, random)
        with session.transaction():
            _statement(session, random)


def _two_phase(session: psycopg.Connection, random: Random) -> None:
    name = f"transaction {random.random()}"
    session.execute("begin")
    _statement(session, random)
    _statement(session, random)
    session.execute(f"prepare transaction '{name}'")
    time.sleep(random.uniform(0, 0.5))
    session.execute(f"{random.choice(('commit', 'commit', 'rollback'))} prepared '{name}'")


def _repeatable(session: psycopg.Connection, random: Random) -> None:
    with session.transaction():
        session.execute("set transaction isolation level repeatable read")
        _statement(session, random)
        time.sleep(random.uniform(0, 0.3))
        _statement(session, random)


_KINDS = (
    *(_single, _single, _single, _several, _several),
    *(_long, _rolled_back, _savepoint, _two_phase, _repeatable),
)
