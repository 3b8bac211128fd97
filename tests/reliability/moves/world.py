"""A server with stream tables that is copied, restored or brought to a newer PostgreSQL."""

from __future__ import annotations

from psycopg.conninfo import make_conninfo
from tests.reliability.soundness import assert_heals

from pgtrickle.embedded import Server
from pgtrickle.engine import Engine

SCHEMA = """
    create table item (id integer primary key, kind text, v numeric);
    insert into item select n, 'k' || n % 5, n from generate_series(1, 100) n;
"""
STREAM_TABLES = {
    "kinds": ("select kind, count(*) as n, sum(v) as v from item group by kind", "DIFFERENTIAL"),
    "total": ("select sum(n) as n from kinds", "DIFFERENTIAL"),
    "live": ("select id, v from item where v > 50", "IMMEDIATE"),
}


def build(engine: Engine) -> None:
    engine.install()
    engine.connection.execute(SCHEMA)
    for name, (query, mode) in STREAM_TABLES.items():
        engine.create_stream_table(name, query, refresh_mode=mode)
    change(engine, 1000)  # captured, and not consumed yet


def change(engine: Engine, number: int) -> None:
    engine.connection.execute(
        "insert into item values (%s, 'k1', 70); update item set v = v + 1 where id %% 7 = 3;"
        " delete from item where id = %s - 990".replace("%s", str(number)).replace("%%", "%")  # type: ignore[arg-type]
    )


def goes_on(engine: Engine) -> list[str]:
    """The actions of a refresh of everything, which leaves all in order."""
    actions = [refresh.action for refresh in engine.refresh_all()]
    assert_heals(engine)
    return actions


def database_of(server: Server) -> str:
    dsn = server.status().dsn
    assert dsn is not None
    return make_conninfo(dsn, dbname="moved")
