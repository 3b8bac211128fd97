"""What a refresh costs however little there is to do."""

from __future__ import annotations

from functools import partial

from benchmarks.measuring import Case, Result, in_turn, timed
from benchmarks.ten_queries import QUERIES, load
from pgtrickle.engine import Engine

ABOUT = (
    "Milliseconds as the client waits for them, against an UPDATE of one row: both end with a"
    " commit, which waits for the disk. Creating a stream table, of an empty table that nobody else"
    " reads, takes several commits."
)
CHAIN = 10


def run(engine: Engine, *, rows: int, cycles: int) -> Result:
    connection = engine.connection
    load(connection, rows)
    connection.execute("create table one (id integer primary key, n integer not null)")
    connection.execute("insert into one values (1, 0)")
    names = ("aggregate, 10,000 groups", "join")
    for number, query in enumerate(names):
        engine.create_stream_table(f"st_{number}", QUERIES[query])
        engine.refresh(f"st_{number}")
    engine.create_stream_table("chain_1", "select id, customer_id, amount from orders")
    for number in range(2, CHAIN + 1):
        engine.create_stream_table(
            f"chain_{number}",
            f"select id, customer_id, amount + 1 as amount from chain_{number - 1}",
        )

    def update() -> object:
        return connection.execute("update one set n = n + 1")

    def refresh(table: str) -> object:
        return connection.execute(f"select pgtrickle.refresh_stream_table('{table}')")

    def chain() -> object:
        with connection.transaction():
            for number in range(1, CHAIN + 1):
                refresh(f"chain_{number}")
        return None

    cases = []
    for number, query in enumerate(names):
        nothing = Case(f"{query}: nothing changed")
        few = Case(f"{query}: 20 rows changed")
        for cycle in range(cycles):
            table = f"st_{number}"
            nothing.add(in_turn({"refresh": partial(refresh, table), "update": update}, cycle))
            _touch(engine, rows, cycle, 20)
            few.add(in_turn({"refresh": partial(refresh, table), "update": update}, cycle))
        cases += [nothing, few]
    ten = Case(f"a chain of {CHAIN}, one row changed, one transaction")
    for cycle in range(cycles):
        _touch(engine, rows, cycle, 1)
        ten.add(in_turn({"refresh": chain, "update": update}, cycle))
    cases.append(ten)
    cases.append(_creation(engine, cycles))
    tables = ["st_0", "st_1", "chain_1", f"chain_{CHAIN}"]
    for table in tables:
        refresh(table)
    equal = all(engine.verify(table).equal for table in tables)
    return Result("fixed costs", ABOUT, cases, equal, {"rows": rows, "cycles": cycles})


def _creation(engine: Engine, cycles: int) -> Case:
    """Of a source without rows, so that the query itself takes nothing; capture included."""
    engine.connection.execute(
        "create table few (id integer primary key, customer_id integer not null, amount numeric)"
    )
    query = "select customer_id, sum(amount) as s, count(*) as n from few group by customer_id"

    def create() -> None:
        engine.create_stream_table("created", query)

    case = Case("a stream table created")
    for _ in range(cycles):
        case.add({"refresh": timed(create)})
        engine.drop_stream_table("created")
    return case


def _touch(engine: Engine, rows: int, cycle: int, number: int) -> None:
    step = rows // number
    engine.connection.execute(
        "update orders set amount = amount + 1 where id in"
        f" (select 1 + (i * {step} + {cycle}) % {rows} from generate_series(1, {number}) i)"
    )
