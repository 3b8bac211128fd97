"""The fixtures every other test stands on."""

from __future__ import annotations

import psycopg
import pytest


@pytest.mark.every_server
def test_a_test_gets_a_database_of_its_own_on_each_server(
    connection: psycopg.Connection, server_version: str
) -> None:
    row = connection.execute(
        "select current_database(), current_setting('server_version_num')::int / 10000"
    ).fetchone()
    assert row is not None
    assert row[0].startswith("test_")
    assert str(row[1]) == server_version
    connection.execute("create table t (a int)")


def test_a_database_can_be_a_copy_of_a_prepared_one(fresh_database) -> None:
    with fresh_database() as prepared:
        with psycopg.connect(prepared) as connection:
            connection.execute("create table t as select 1 as a")
        name = psycopg.conninfo.conninfo_to_dict(prepared)["dbname"]
        with fresh_database(template=name) as copy, psycopg.connect(copy) as connection:
            assert connection.execute("select a from t").fetchall() == [(1,)]
