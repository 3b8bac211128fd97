"""TPC-DS's tables filled by its own generator, and how they change."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql
from tests.corpora.tpcds import data as corpus

HERE = Path(__file__).parent
FRESH = 100_000_000
"""Added to the number of a ticket or an order that is sold again."""
CHANNELS = {
    "store": ("ss_ticket_number", "sr_ticket_number"),
    "catalog": ("cs_order_number", "cr_order_number"),
    "web": ("ws_order_number", "wr_order_number"),
}
"""Channel: what numbers its sales, and its returns."""
UPDATES = {
    "item": ("i_item_sk", "i_current_price = i_current_price + 0.01"),
    "customer": ("c_customer_sk", "c_birth_year = c_birth_year + 1"),
    "customer_address": ("ca_address_sk", "ca_gmt_offset = -5 - (ca_address_sk % 3)"),
    "inventory": (
        "inv_date_sk + inv_item_sk * 31 + inv_warehouse_sk * 7919",
        "inv_quantity_on_hand = inv_quantity_on_hand + 1",
    ),
}
"""Table: by what its rows are chosen, and what happens to them."""


def load(connection: psycopg.Connection, scale: float) -> None:
    """Create and fill the tables in the schema public, with indexes on what joins."""
    connection.execute((corpus.HERE / "schema.sql").read_text())
    with tempfile.TemporaryDirectory(prefix="pgtrickle-tpcds-") as directory:
        _generate(Path(directory), scale)
        for file in sorted(Path(directory).glob("*.csv")):
            _copy(connection, file)
    connection.execute((HERE / "indexes.sql").read_text())
    connection.execute("vacuum analyze")


def _generate(directory: Path, scale: float) -> None:
    uv = [str(Path(sys.executable).parent / "uv"), "run", "--quiet", "--isolated", "--no-project"]
    environment = ["--with-requirements", str(HERE / "requirements.lock")]
    program = ["python", str(HERE / "generate.py"), str(directory), str(scale)]
    subprocess.run([*uv, *environment, *program], check=True)


def _copy(connection: psycopg.Connection, file: Path) -> None:
    """Fill the table that a file is named for with those of its columns that the table has."""
    with file.open(encoding="utf-8", newline="") as lines:
        header = next(csv.reader(lines))
    wanted = connection.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0",
        [file.stem],
    ).fetchall()
    if not wanted:
        return  # one that no query reads
    table, loaded = sql.Identifier(file.stem), sql.Identifier(f"loaded_{file.stem}")
    connection.execute(
        sql.SQL("create temporary table {} ({})").format(
            loaded, sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(n)) for n in header)
        )
    )
    with (
        file.open("rb") as data,
        connection.cursor().copy(
            sql.SQL("copy {} from stdin (format csv, header)").format(loaded)
        ) as copy,
    ):
        while part := data.read(1 << 20):
            copy.write(part)
    connection.execute(
        sql.SQL("insert into {} ({}) select {} from {}").format(
            table,
            sql.SQL(", ").join(sql.Identifier(name) for name, _ in wanted),
            sql.SQL(", ").join(
                sql.SQL("{}::{}").format(sql.Identifier(name), sql.SQL(type))
                for name, type in wanted
            ),
            loaded,
        )
    )
    connection.execute(sql.SQL("drop table {}").format(loaded))


def change(connection: psycopg.Connection, cycle: int) -> None:
    """A thousandth of each table, another one in each cycle.

    Of each channel's tickets or orders, with their returns, a thousandth is sold again under a
    number of its own and a thousandth is deleted; items, customers, addresses and stocks are
    updated.
    """
    with connection.transaction():
        for channel, numbers in CHANNELS.items():
            tables = (f"{channel}_sales", f"{channel}_returns")
            for table, number in zip(tables, numbers, strict=True):
                columns = _columns(connection, table)
                fresh = [
                    f"{number} + {FRESH * (cycle + 1)}" if name == number else name
                    for name in columns
                ]
                connection.execute(
                    f"insert into {table} ({', '.join(columns)}) select {', '.join(fresh)}"
                    f" from {table} where {number} < {FRESH} and {_chosen(number, cycle + 7777)}"
                )
                connection.execute(
                    f"delete from {table} where {number} < {FRESH} and {_chosen(number, cycle)}"
                )
        for table, (key, assignment) in UPDATES.items():
            connection.execute(f"update {table} set {assignment} where {_chosen(key, cycle)}")


def _columns(connection: psycopg.Connection, table: str) -> list[str]:
    rows = connection.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0", [table]
    )
    return [name for (name,) in rows]


def _chosen(key: str, turn: int) -> str:
    return f"hashint4({key} + {turn}) % 1000 = 0"
