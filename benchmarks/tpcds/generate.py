"""``python generate.py DIRECTORY SCALE``: TPC-DS's tables as CSV files, with a header each.

Runs in an environment of its own, which has DuckDB and its generator (`requirements.lock`) and
nothing of ours.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb  # type: ignore[import-not-found]
import duckdb_extension_tpcds  # type: ignore[import-not-found]


def main() -> None:
    directory, scale = Path(sys.argv[1]), float(sys.argv[2])
    (extension,) = Path(duckdb_extension_tpcds.__file__).parent.rglob("tpcds.duckdb_extension")
    connection = duckdb.connect()
    connection.execute(f"load '{extension}'")
    connection.execute(f"call dsdgen(sf = {scale})")
    for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
        connection.execute(f"copy {table} to '{directory / table}.csv' (header)")


if __name__ == "__main__":
    main()
