# ruff: noqa: E501 -- prose reads best on one line
"""Writes docs/sql.md, the reference of the SQL contract, from what an installed runtime says of itself.

python -m tests.runtime.reference.report
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from tests.runtime.reference import contract

import pgtrickle
from pgtrickle.embedded import server

PAGE = Path(__file__).parents[3] / "docs" / "sql.md"

HEAD = """# The SQL contract

Functions, views, settings and events of the schema `pgtrickle`. Names, arguments and columns are
those of the extension pg_trickle, so that tools made for it find what they look for; {ours} are this
engine's own. Arguments in brackets may be left out. `\\df+ pgtrickle.*` shows types and columns.

Names of stream tables are read as SQL reads them: `marts.orders`, `"Odd Name"`, or without a schema by
the search_path. Functions run with the rights of who calls them; the rows they show are those of stream
tables the caller may read. This page is written by `make sql-reference`.
"""

OFFERED = """
    select p.proname, obj_description(p.oid, 'pg_proc'), coalesce((
        select string_agg(case when number > p.pronargs - p.pronargdefaults then format('[%s]', name) else name end, ', ' order by number)
        from unnest(p.proargnames[1:p.pronargs]) with ordinality a (name, number)), '')
    from pg_proc p
    where p.pronamespace = 'pgtrickle'::regnamespace
      and p.proname !~ '^_'
    union all
    select c.relname, obj_description(c.oid, 'pg_class'), null
    from pg_class c
    where c.relnamespace = 'pgtrickle'::regnamespace
      and c.relkind = 'v'
"""
TABLES = """
    select c.relname, obj_description(c.oid, 'pg_class')
    from pg_class c
    where c.relnamespace = 'pgtrickle'::regnamespace
      and c.relkind = 'r'
      and c.relname ~ '^pgt_'
    order by 1
"""
SETTINGS = "select name, value, coalesce(unit, ''), description from pgtrickle.settings order by 1"

Connection = psycopg.Connection[Any]


def offered(connection: Connection) -> dict[str, list[tuple[str | None, str]]]:
    """Functions and views by name: arguments (None for a view) and description, an overload each."""
    found: dict[str, list[tuple[str | None, str]]] = {}
    for name, description, arguments in connection.execute(OFFERED):
        found.setdefault(name, []).append((arguments, description))
    return found


def page(connection: Connection) -> str:
    found = offered(connection)
    parts = [HEAD.format(ours=", ".join(f"`{name}`" for name in sorted(contract.OURS)))]
    for section, names in contract.SECTIONS.items():
        parts.append(f"\n## {section}\n\n| call | what it does |\n|---|---|\n")
        parts += [
            f"| `{name}{'' if arguments is None else f'({arguments})'}` | {_cell(description)} |\n"
            for name in names
            for arguments, description in sorted(found[name], key=str)
        ]
    parts.append("\n## Not offered\n\nWhat of the contract means nothing to this engine.\n\n")
    parts.append("| names | why not |\n|---|---|\n")
    parts += [
        f"| {', '.join(f'`{name}`' for name in names)} | {_cell(why)} |\n"
        for names, why in contract.NOT_OFFERED.items()
    ]
    parts.append(
        "\n## Events\n\nSent by NOTIFY on the channel `pg_trickle_alert`, as JSON with `event` and, of a"
        " stream table, `pgt_schema`, `pgt_name` and `st`. Those with a star are told once a minute by a"
        " worker, and by each `run_due`, while they last. Other channels: `pg_trickle_cdc_transition`"
        " (how a source is captured has changed), `pgtrickle_source_gate`, `pgtrickle_watermark`, and what"
        " `subscribe` names. Nothing is sent for tables in `pooler_compatibility_mode`.\n\n"
        "| event | when |\n|---|---|\n"
    )
    parts += [f"| `{event}` | {_cell(when)} |\n" for event, when in contract.EVENTS.items()]
    parts.append(
        "\n## Settings\n\nRows of `pgtrickle.settings`, which the installer may update. In a session,"
        " `set pg_trickle.<name> = ...` comes before them.\n\n"
        "| name | default | unit | meaning |\n|---|---|---|---|\n"
    )
    parts += [
        f"| `{name}` | `{value}` | {unit} | {_cell(description)} |\n"
        for name, value, unit, description in connection.execute(SETTINGS)
    ]
    parts.append(
        "\n## Catalog tables\n\nTo be read; what the functions do is not to be done by hand.\n\n"
        "| table | what it holds |\n|---|---|\n"
    )
    parts += [f"| `{name}` | {_cell(text)} |\n" for name, text in connection.execute(TABLES)]
    return "".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as directory,
        server(Path(directory) / "postgres") as postgres,
        pgtrickle.connect(postgres.dsn) as engine,
    ):
        engine.install()
        PAGE.write_text(page(engine.connection))
    return 0


if __name__ == "__main__":
    sys.exit(main())
