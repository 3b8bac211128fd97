"""The things that may happen at once, each a transaction of its own."""

from __future__ import annotations

from pathlib import Path

from pgtrickle.engine import Engine
from pgtrickle.query.names import quote_literal

from .driver import Step

TOTALS = (
    "select a.region, count(*) as n, sum(e.amount) as total"
    " from account a join entry e on e.account = a.id group by a.region"
)
STREAM_TABLES = {
    "totals": (TOTALS, "DIFFERENTIAL"),
    "summary": ("select count(*) as regions, sum(total) as total from totals", "DIFFERENTIAL"),
    "live": ("select account, sum(amount) as total from entry group by account", "IMMEDIATE"),
}
FRESH = "select a.id, e.amount from account a join entry e on e.account = a.id where e.amount > 2"
ALTERED = (
    "select a.region, count(*) as n, sum(e.amount) as total, max(a.balance) as richest"
    " from account a join entry e on e.account = a.id group by a.region"
)

LEVELS = ("read committed", "repeatable read", "serializable")

ACTIONS: dict[str, tuple[str, ...]] = {
    "write": ("update account set balance = balance + 1 where id in (1, 3)",),
    "long write": (
        "insert into account values ({new}, 'north', 7)",
        "update account set region = 'south' where id = 1",
    ),
    "immediate write": ("insert into entry values ({new}, 1, 100), ({new} + 1, 3, 200)",),
    "refresh": ("select pgtrickle.refresh_stream_table('totals')",),
    "full refresh": ("select pgtrickle.try_refresh('totals', mode => 'FULL')",),
    "create": ("select pgtrickle.create_stream_table('fresh', {fresh})",),
    "alter query": ("select pgtrickle.alter_stream_table('totals', query => {altered})",),
    "drop": ("select pgtrickle.drop_stream_table('totals', cascade => true)",),
    "truncate": ("truncate account",),
    "DDL on source": ("alter table account alter column balance type numeric(14,3)",),
    "attach": ("alter table account attach partition account_west for values in ('west')",),
    "purge": ("select pgtrickle._purge(p) from pgtrickle._purgeable(1) p",),
}
"""`{new}` is a number of the session's own; the queries are literals, their plans are offered."""

ENGINE = ("refresh", "full refresh", "create", "alter query", "drop", "purge")
"""What the engine does by itself, so that no two of them may ever deadlock."""
BLOCKS_READERS = {
    "drop": "DROP TABLE does",
    "alter query": "columns are added or dropped",
}
"""What keeps readers of the stream table out until its commit, and why."""


def build(engine: Engine) -> dict[str, str]:
    """Make the world; returns the plans of the queries that actions bring, by query."""
    engine.install()
    engine.connection.execute(Path(__file__).with_name("world.sql").read_text())
    for name, (query, mode) in STREAM_TABLES.items():
        engine.create_stream_table(name, query, refresh_mode=mode)
    # Something to refresh: buffered changes of both sources.
    engine.connection.execute("insert into account values (8, 'south', 80)")
    engine.connection.execute("update entry set amount = amount + 1 where id < 5")
    return {query: engine.compile(query).to_json() for query in (FRESH, ALTERED)}


def steps(name: str, session: str, level: str, number: int, plans: dict[str, str]) -> list[Step]:
    """The action as steps: begin (which takes the snapshot, where one is kept), its statements,
    and the commit."""
    texts = [f"begin isolation level {level}; select 1"]
    for text in ACTIONS[name]:
        filled = text.format(
            new=1000 * number, fresh=quote_literal(FRESH), altered=quote_literal(ALTERED)
        )
        for query, plan in plans.items():
            if quote_literal(query) in filled:
                filled = (
                    f"select pgtrickle.offer_plan({quote_literal(query)},"
                    f" {quote_literal(plan)}); {filled}"
                )
        texts.append(filled)
    return [Step(session, text) for text in (*texts, "commit")]
