"""The floor under a refresh: statements written by hand for each of the ten queries."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from benchmarks.ten_queries import QUERIES

STATEMENTS = dict(
    re.findall(
        r"^-- (\d+(?: state)?)\n(.*?)(?=^-- \d|\Z)",
        Path(__file__).with_suffix(".sql").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)
CAPTURE = """
    create table changes (like orders, weight integer not null);
    create function note_changes() returns trigger language plpgsql as $$
    begin
        if tg_op <> 'INSERT' then
            insert into changes select *, -1 from old_table;
        end if;
        if tg_op <> 'DELETE' then
            insert into changes select *, 1 from new_table;
        end if;
        return null;
    end $$;
    create trigger noted_i after insert on orders referencing new table as new_table
        for each statement execute function note_changes();
    create trigger noted_u after update on orders
        referencing old table as old_table new table as new_table
        for each statement execute function note_changes();
    create trigger noted_d after delete on orders referencing old table as old_table
        for each statement execute function note_changes();
"""


class Floor:
    """Tables `floor_1` to `floor_10`, brought up to date by the statements of floor.sql."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        connection.execute(CAPTURE)
        for number, query in enumerate(QUERIES.values(), 1):
            connection.execute(
                STATEMENTS.get(f"{number} state", f"create table floor_{number} as {query}")
            )
            key = _columns(connection, f"select * from floor_{number}")[0]
            unique = "" if number == 9 else "unique"  # its rows are exchanged in one statement
            connection.execute(f"create {unique} index on floor_{number} ({key})")
        connection.execute("create index on floor_9 (customer_id)")
        connection.execute("analyze")

    def apply(self, number: int) -> None:
        self.connection.execute(STATEMENTS[str(number)])

    def consume(self) -> None:
        self.connection.execute("truncate changes")

    def differs(self, number: int, query: str) -> bool:
        """Whether the table differs from its query; a yardstick that is wrong measures nothing."""
        columns = ", ".join(_columns(self.connection, query))
        ours = f"select {columns} from floor_{number}"
        ((differ,),) = self.connection.execute(
            f"select exists (({ours} except all {query}) union all ({query} except all {ours}))"
        ).fetchall()
        return bool(differ)


def _columns(connection: psycopg.Connection, query: str) -> list[str]:
    description = connection.execute(f"{query} limit 0").description
    return [column.name for column in description or ()]
