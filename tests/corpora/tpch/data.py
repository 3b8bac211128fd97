"""TPC-H's tables, filled by tpchgen-cli at any scale."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql
from tests.corpora.corpus import read_queries

HERE = Path(__file__).parent
TABLES = ("region", "nation", "supplier", "part", "partsupp", "customer", "orders", "lineitem")
QUERIES = read_queries(HERE.parents[1] / "query" / "corpus" / "tpch.sql")


def load(connection: psycopg.Connection, scale: float) -> None:
    """Create and fill the tables in the schema public."""
    connection.execute((HERE / "schema.sql").read_text())
    program = Path(sys.executable).parent / "tpchgen-cli"
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [program, "csv", "-s", str(scale), "-o", directory, "--quiet"],
            check=True,
            capture_output=True,
        )
        for table in TABLES:
            _copy(connection, table, (Path(directory) / f"{table}.csv").read_bytes())
    connection.execute("vacuum analyze")


def _copy(connection: psycopg.Connection, table: str, data: bytes) -> None:
    """Below scale 0.01 the generator's keys of partsupp repeat: the first row counts."""
    names = {"table": sql.Identifier(table), "loaded": sql.Identifier(f"loaded_{table}")}
    for statement in (
        "create temp table {loaded} (like {table})",
        "copy {loaded} from stdin (format csv, header)",
        "insert into {table} select * from {loaded} on conflict do nothing",
        "drop table {loaded}",
    ):
        composed = sql.SQL(statement).format(**names)
        if statement.startswith("copy"):
            with connection.cursor().copy(composed) as copy:
                copy.write(data)
        else:
            connection.execute(composed)
