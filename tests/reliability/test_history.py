"""A stream table does not depend on how it came about: two databases that see the same changes in
other transactions, and refresh at other times, end with the same tables."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random

import pytest

import pgtrickle
from pgtrickle.engine import Engine

SCHEMA = """
    create table account (id integer primary key, region text, balance numeric);
    create table entry (id integer primary key, account integer, amount numeric, note text);
    insert into account select n, 'r' || n % 5, n from generate_series(1, 40) n;
    insert into entry select n, n % 50, n % 7, 'n' || n % 3 from generate_series(1, 200) n;
"""
STREAM_TABLES = {
    "rich": "select id, balance from account where balance > 10",
    "by_region": "select region, count(*) as n, sum(balance) as total, max(balance) as most,"
    " min(balance) as least, count(distinct balance) as levels from account group by region",
    "statement": "select a.id, a.region, e.amount from account a left join entry e"
    " on e.account = a.id",
    "bag": "select note, amount from entry",
    "orphans": "select e.id from entry e"
    " where not exists (select from account a where a.id = e.account)",
    "ranked": "select id, row_number() over (partition by account order by amount, id) as r"
    " from entry",
    "largest": "select id, amount from entry order by amount desc, id limit 5",
    "notes": "select note from entry where amount > 2 union select region from account",
    "summary": "select count(*) as n, sum(total) as total from by_region where n > 1",
}
PURGE = "select pgtrickle._purge(source_relid, 0) from pgtrickle.pgt_captures"
MODES = ("DIFFERENTIAL", "AUTO", "FULL")


def changes(random: Random, number: int) -> list[str]:
    """Statements whose effect does not depend on what is read in between."""
    made = []
    for n in range(number):
        at, by = random.randint(1, 60), random.choice((-3, 1, 2, 11))
        made.append(
            random.choice(
                (
                    f"insert into account values ({at}, 'r', {by}) on conflict do nothing",
                    f"update account set region = 'r{by % 4}' where id % 9 = {at % 9}",
                    f"update account set balance = balance + {by} where id = {at}",
                    f"delete from account where id = {at}",
                    f"insert into entry values ({1000 + n}, {at}, {by}, 'n{by % 3}')",
                    f"update entry set amount = amount + {by} where account = {at}",
                    f"update entry set account = {at} where id % 11 = {at % 11}",
                    f"delete from entry where id % 13 = {at % 13} and amount < {by}",
                    "truncate entry" if random.random() < 0.1 else "select",
                )
            )
        )
    return made


def played(
    engine: Engine, statements: list[str], random: Random
) -> dict[str, list[tuple[str, ...]]]:
    """The contents of all stream tables after the changes, batched and refreshed as it comes."""
    engine.install()
    engine.connection.execute(SCHEMA)
    for name, query in STREAM_TABLES.items():
        mode = random.choice(MODES) if name != "bag" else "IMMEDIATE"
        engine.create_stream_table(name, query, refresh_mode=mode)
    left = list(statements)
    while left:
        batch = random.choice((1, 1, 2, 5, 20))
        with engine.connection.transaction():
            for statement in left[:batch]:
                engine.connection.execute(statement)  # type: ignore[arg-type]
            if random.random() < 0.2:
                engine.refresh(random.choice(list(STREAM_TABLES)))
        left = left[batch:]
        match random.randrange(5):
            case 0:
                engine.refresh_all()
            case 1:
                engine.refresh(random.choice(list(STREAM_TABLES)))
            case 2:
                engine.session.rows(
                    "select pgtrickle._purge(source_relid, 0) from pgtrickle.pgt_captures"
                )
    engine.refresh_all()
    for name in STREAM_TABLES:
        assert engine.verify(name).equal, name
    return {
        name: engine.session.rows(f"select t::text from {name} t order by 1")
        for name in STREAM_TABLES
    }


def play(
    fresh_database: Callable[..., AbstractContextManager[str]], seed: int, number: int
) -> None:
    statements = changes(Random(seed), number)
    found = []
    for history in range(2):
        with fresh_database() as dsn, pgtrickle.connect(dsn) as engine:
            found.append(played(engine, statements, Random(f"{seed} {history}")))
    assert found[0] == found[1], f"seed {seed}"


def test_two_histories(fresh_database: Callable[..., AbstractContextManager[str]]) -> None:
    play(fresh_database, seed=1, number=60)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 42))
def test_many_histories(
    fresh_database: Callable[..., AbstractContextManager[str]], seed: int
) -> None:
    play(fresh_database, seed, number=200)
