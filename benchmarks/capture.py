"""What capture adds to writes: the same statements on a table with and one without it."""

from __future__ import annotations

from functools import partial

from benchmarks.measuring import Case, Result, in_turn
from pgtrickle.engine import Engine

ABOUT = (
    "Milliseconds of writes to a captured table, and of the same writes to one that is not. Bulk:"
    " one statement. Transactions: each a single-row statement with its commit."
)
SCHEMA = """
    create table {name} (
        id integer primary key, customer_id integer not null, channel integer not null,
        amount numeric(10, 2) not null, quantity integer not null, note text
    );
    insert into {name}
    select i, 1 + i % 1000, i % 5, (i * 7 % 1000) / 10.0, i % 7, 'note ' || i % 4
    from generate_series(1, {rows}) i;
"""
TRANSACTIONS = 200


def run(engine: Engine, *, rows: int, cycles: int) -> Result:
    connection = engine.connection
    for name in ("captured", "plain"):
        connection.execute(SCHEMA.format(name=name, rows=rows))
    connection.execute("vacuum analyze")
    engine.create_stream_table(
        "totals",
        "select customer_id, sum(amount) as s, count(*) as n from captured group by customer_id",
    )
    bulk = rows // 10
    statements = {
        "bulk insert": f"insert into {{name}} select i + {rows}, 1, 2, 3, 4, 'new'"
        f" from generate_series(1, {bulk}) i",
        "bulk update": f"update {{name}} set amount = amount + 1 where id > {rows}",
        "bulk delete": f"delete from {{name}} where id > {rows}",
    }
    cases = {what: Case(what, {"plain": 1.25}) for what in statements}
    single = Case(f"{TRANSACTIONS} single-row transactions", {"plain": 1.2})
    for cycle in range(cycles):
        for what, statement in statements.items():
            sides = {
                name: partial(connection.execute, statement.format(name=name))
                for name in ("captured", "plain")
            }
            cases[what].add(in_turn(sides, cycle))
        single.add(in_turn({name: partial(_transactions, engine, name) for name in sides}, cycle))
        engine.refresh("totals")
    equal = engine.verify("totals").equal
    sizes = {"rows": rows, "cycles": cycles}
    return Result("capture", ABOUT, [*cases.values(), single], equal, sizes)


def _transactions(engine: Engine, name: str) -> None:
    for number in range(1, TRANSACTIONS + 1):
        engine.connection.execute(f"update {name} set amount = amount + 1 where id = {number}")
