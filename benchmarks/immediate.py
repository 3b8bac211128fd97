"""What a writer waits for where an IMMEDIATE stream table reads the table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.measuring import Case, Result, in_turn
from pgtrickle.engine import Engine

ABOUT = (
    "Milliseconds of writes to a table that one IMMEDIATE stream table reads, and of the same"
    " writes to one that none reads. Transactions: each a single-row statement with its commit."
)
QUERIES = {
    "filter": "select id, customer_id, amount from {table} where amount > 50",
    "aggregate, 10,000 groups": "select customer_id, sum(amount) as s, count(*) as n"
    " from {table} group by customer_id",
    "join": "select o.id, o.amount, c.region"
    " from {table} o join customers c on c.id = o.customer_id",
}
SCHEMA = """
    create table {table} (
        id integer primary key, customer_id integer not null, amount numeric(10, 2) not null
    );
    insert into {table}
    select i, 1 + i % 10000, (i * 7 % 1000) / 10.0 from generate_series(1, {rows}) i;
"""
TRANSACTIONS = 100
BULK = 10_000


def run(engine: Engine, *, rows: int, cycles: int) -> Result:
    connection = engine.connection
    connection.execute("create table customers (id integer primary key, region integer not null)")
    connection.execute("insert into customers select i, i % 20 from generate_series(1, 10000) i")
    cases, tables = [], []
    for number, (what, query) in enumerate(QUERIES.items()):
        read, plain, table = f"read_{number}", f"plain_{number}", f"st_{number}"
        for name in (read, plain):
            connection.execute(SCHEMA.format(table=name, rows=rows))
        engine.create_stream_table(table, query.format(table=read), refresh_mode="IMMEDIATE")
        connection.execute("vacuum analyze")
        tables.append(table)
        single = Case(f"{what}: {TRANSACTIONS} single-row transactions")
        bulk = Case(f"{what}: {BULK:,} rows updated")
        for cycle in range(cycles):
            for case, write in ((single, _transactions), (bulk, _bulk)):
                sides = _sides(engine, write, read, plain, cycle)
                case.add(in_turn(sides, cycle))
        cases += [single, bulk]
    equal = all(engine.verify(table).equal for table in tables)
    return Result("immediate", ABOUT, cases, equal, {"rows": rows, "cycles": cycles})


def _sides(
    engine: Engine, write: Callable[[Engine, str, int], None], read: str, plain: str, cycle: int
) -> dict[str, Callable[[], None]]:
    return {
        "immediate": partial(write, engine, read, cycle),
        "plain": partial(write, engine, plain, cycle),
    }


def _transactions(engine: Engine, table: str, cycle: int) -> None:
    first = 1 + cycle * TRANSACTIONS
    for number in range(first, first + TRANSACTIONS):
        engine.connection.execute(f"update {table} set amount = amount + 1 where id = {number}")


def _bulk(engine: Engine, table: str, cycle: int) -> None:
    first = 1 + cycle * BULK
    engine.connection.execute(
        f"update {table} set amount = amount + 1 where id between {first} and {first + BULK - 1}"
    )
