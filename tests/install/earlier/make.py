"""Make a fixture of an earlier runtime: its SQL, and plans as its compiler made them.

    python -m tests.install.earlier.make COMMIT NAME

writes `NAME.json.gz` beside this file, from the tree of that commit, which must be in the
repository at hand. Tests need the fixture alone.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.install.earlier.world import SOURCES, STREAM_TABLES

from pgtrickle.embedded import server

HERE = Path(__file__).parent
COMPILE = """
import json, sys, pgtrickle
from pgtrickle import install
dsn, world = sys.argv[1], json.loads(sys.argv[2])
with pgtrickle.connect(dsn) as engine:
    engine.install()
    engine.connection.execute(world["sources"])
    plans = {query: json.loads(engine.compile(query).to_json()) for query in world["queries"]}
    oids = dict(engine.session.rows("select oid::bigint, relname::text from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"))
for plan in plans.values():
    for each in (*plan["sources"], *plan.get("advice", [])):
        each["relid"] = oids[each["relid"]]
sql = [file.read_text() for file in install._files()]
print(json.dumps({"version": pgtrickle.__version__, "migration": install._last_migration(),
    "sql": sql, "plans": plans}))
"""


def main(commit: str, name: str) -> None:
    archive = subprocess.run(["git", "archive", commit, "src"], check=True, capture_output=True)
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
            tree.extractall(directory, filter="data")
        with server(Path(directory) / "server") as started:
            # One that reads a stream table is compiled where that is.
            queries = [query for name, (query, _) in STREAM_TABLES.items() if name != "summary"]
            world = {"sources": SOURCES, "queries": queries}
            made = subprocess.run(
                [sys.executable, "-c", COMPILE, started.dsn, json.dumps(world)],
                check=True,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(Path(directory) / "src")},
            )
    fixture = gzip.compress(made.stdout, mtime=0)
    (HERE / f"{name}.json.gz").write_bytes(fixture)


if __name__ == "__main__":
    main(*sys.argv[1:])
