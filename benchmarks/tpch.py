"""TPC-H: all 22 queries as stream tables, six tables changed at once, against recomputing them."""

from __future__ import annotations

import psycopg
from tests.corpora.tpch.data import QUERIES, load

from benchmarks.measuring import Case, Result, in_turn
from pgtrickle.engine import Engine

ABOUT = (
    "Milliseconds of a refresh, and of the query into a temporary table, after 0.1 % of the orders"
    " were inserted and 0.1 % deleted with their lines, and 0.1 % of parts, suppliers and customers"
    " updated."
)
FRESH = 10_000_000
"""Added to the key of an order that is inserted again; above all keys up to scale 1."""
ORDER = (
    "o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority, o_clerk,"
    " o_shippriority, o_comment"
)
LINE = (
    "l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax,"
    " l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct,"
    " l_shipmode, l_comment"
)


def run(engine: Engine, *, scale: float, cycles: int) -> Result:
    connection = engine.connection
    load(connection, scale)
    for name, query in QUERIES.items():
        engine.create_stream_table(name, query, refresh_mode="DIFFERENTIAL")
    connection.execute("vacuum analyze")
    cases = {name: Case(name, {"recompute": 1.0}) for name in QUERIES}
    for cycle in range(cycles):
        change(connection, cycle)
        for name, query in QUERIES.items():
            sides = {
                "refresh": lambda name=name: engine.refresh(name),
                "recompute": lambda query=query: connection.execute(
                    f"create temporary table recomputed as {query}"
                ),
            }
            cases[name].add(in_turn(sides, cycle))
            connection.execute("drop table recomputed")
    equal = all(engine.verify(name).equal for name in QUERIES)
    sizes = {"scale": scale, "cycles": cycles}
    return Result("tpch", ABOUT, list(cases.values()), equal, sizes)


def change(connection: psycopg.Connection, cycle: int) -> None:
    """A thousandth of each table, another one in each cycle; new orders are copies of old ones."""
    inserted, shift = f"hashint4(o_orderkey + {cycle} + 7777) % 1000 = 0", FRESH * (cycle + 1)
    with connection.transaction():
        connection.execute(
            "create temporary table gone on commit drop as select o_orderkey from orders"
            f" where hashint4(o_orderkey + {cycle}) % 1000 = 0"
        )
        connection.execute(
            f"insert into orders select o_orderkey + {shift}, {ORDER} from orders"
            f" where o_orderkey < {FRESH} and {inserted}"
        )
        connection.execute(
            f"insert into lineitem select l_orderkey + {shift}, {LINE} from lineitem"
            f" join orders on o_orderkey = l_orderkey where o_orderkey < {FRESH} and {inserted}"
        )
        connection.execute("delete from lineitem using gone where l_orderkey = o_orderkey")
        connection.execute(
            "delete from orders using gone where orders.o_orderkey = gone.o_orderkey"
        )
        for statement in (
            (
                "update part set p_retailprice = p_retailprice + 1, p_size = p_size % 50 + 1"
                " where hashint4(p_partkey + {}) % 1000 = 0"
            ),
            (
                "update supplier set s_acctbal = s_acctbal + 1"
                " where hashint4(s_suppkey + {}) % 1000 = 0"
            ),
            (
                "update customer set c_acctbal = c_acctbal + 1"
                " where hashint4(c_custkey + {}) % 1000 = 0"
            ),
        ):
            connection.execute(statement.format(cycle))
