"""What is killed: a process that does, on an engine, what it is told by name on its input.

    python -m tests.reliability.crashes.operations DSN

prints "ready", then "done NAME" after each operation. Every operation can follow any other, ended
or not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pgtrickle
from pgtrickle.engine import Engine

TOTALS = (
    "select a.region, count(*) as n, sum(e.amount) as total"
    " from account a join entry e on e.account = a.id group by a.region"
)
WIDER = (
    "select a.region, count(*) as n, sum(e.amount) as total, max(a.balance) as richest"
    " from account a join entry e on e.account = a.id group by a.region"
)
MADE = "select e.id, a.region, e.amount from entry e join account a on a.id = e.account"
LIVE = "select account % 10 as bucket, count(*) as n from entry group by 1"

WRITES = """
    update entry set amount = amount + 1 where id % 40 = 3;
    delete from entry where id = (select max(id) from entry);
    insert into entry select (select max(id) from entry) + n, n, n from generate_series(1, 200) n;
    update account set region = 'r' || (random() * 7)::integer where id % 100 = 0;
"""


def build(engine: Engine) -> None:
    """The stream tables there are from the start."""
    engine.create_stream_table("totals", TOTALS, schedule="1s")
    engine.create_stream_table(
        "summary", "select count(*) as regions, sum(total) as total from totals", schedule="1s"
    )
    engine.create_stream_table("live", LIVE, refresh_mode="IMMEDIATE")


def _exists(engine: Engine, name: str) -> bool:
    return bool(engine.session.rows("select to_regclass(%s) is not null", (name,))[0][0])


def create(engine: Engine) -> None:
    if _exists(engine, "made"):
        drop(engine)
    engine.create_stream_table("made", MADE, refresh_mode="DIFFERENTIAL")


def populate(engine: Engine) -> None:
    if _exists(engine, "made"):
        drop(engine)
    engine.create_stream_table("made", MADE, initialize=False)
    engine.refresh("made")


def drop(engine: Engine) -> None:
    if _exists(engine, "made"):
        engine.drop_stream_table("made")


def write(engine: Engine) -> None:
    engine.connection.execute(WRITES)


def refresh(engine: Engine) -> None:
    engine.connection.execute(WRITES)
    engine.refresh("totals")
    engine.refresh_all()


def recompute(engine: Engine) -> None:
    engine.connection.execute(WRITES)
    engine.session.rows("select pgtrickle.try_refresh('totals', mode => 'FULL')")


def alter(engine: Engine) -> None:
    ((columns,),) = engine.session.rows(
        "select count(*) from pg_attribute where attrelid = 'totals'::regclass"
        " and attnum > 0 and not attisdropped"
    )
    engine.alter_stream_table("totals", query=TOTALS if columns == 4 else WIDER)


def purge(engine: Engine) -> None:
    engine.connection.execute(WRITES)
    engine.refresh_all()
    engine.session.rows("select pgtrickle._purge(source_relid, 0) from pgtrickle.pgt_captures")


def immediate(engine: Engine) -> None:
    ((mode,),) = engine.session.rows(
        "select requested_refresh_mode from pgtrickle.pgt_stream_tables where pgt_name = 'live'"
    )
    engine.alter_stream_table("live", refresh_mode="AUTO" if mode == "IMMEDIATE" else "IMMEDIATE")


def upgrade(engine: Engine) -> None:
    """Install again, as an upgrade to another build of the version does."""
    engine.connection.execute("update pgtrickle.pgt_schema_version set fingerprint = 'former'")
    engine.install()


OPERATIONS: dict[str, Callable[[Engine], None]] = {
    operation.__name__: operation
    for operation in (
        *(create, populate, drop, write, refresh, recompute),
        *(alter, purge, immediate, upgrade),
    )
}


def main() -> None:
    with pgtrickle.connect(sys.argv[1]) as engine:
        print("ready", flush=True)
        for line in sys.stdin:
            OPERATIONS[line.strip()](engine)
            print("done", line.strip(), flush=True)


if __name__ == "__main__":
    main()
