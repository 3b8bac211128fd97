#!/usr/bin/env bash
# Waits until a stream table is populated: wait_for_populated.sh NAME SECONDS
# NAME is schema.table, or a table of any schema. The server is named by the usual PG* variables.
# Exit status 1 when the time is over, 2 when called wrongly.
set -euo pipefail

[[ $# -eq 2 && $2 =~ ^[0-9]+$ ]] || { echo "usage: wait_for_populated.sh NAME SECONDS" >&2; exit 2; }
bin=${DBT_BIN:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.venv/bin}

exec "$bin/python" - "$1" "$2" <<'PYTHON'
import sys
import time

import psycopg

name, seconds = sys.argv[1], int(sys.argv[2])
query = """
    select bool_and(is_populated)
    from pgtrickle.pgt_stream_tables
    where %(name)s in (pgt_name, pgt_schema || '.' || pgt_name)
"""
end = time.monotonic() + seconds
try:
    with psycopg.connect("", autocommit=True) as connection:
        while not connection.execute(query, {"name": name}).fetchone()[0]:
            if time.monotonic() > end:
                sys.exit(f"{name} was not populated within {seconds} s")
            time.sleep(0.2)
except psycopg.Error as error:
    sys.exit(f"wait_for_populated.sh: {error}")
PYTHON
