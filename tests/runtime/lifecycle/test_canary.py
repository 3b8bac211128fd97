"""A new query tried beside the one in use."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
NAME = 'marts."Odd ""n.ame"'
CANARY = 'marts."__pgt_canary_Odd ""n.ame"'


@pytest.fixture(autouse=True)
def live(owner: Connection) -> None:
    owner.execute("create table src.rows (id int primary key, t int)")
    owner.execute("insert into src.rows select i, i % 3 from generate_series(1, 6) i")
    owner.execute("set search_path = src")
    owner.execute(
        "select pgtrickle.create_stream_table(%s, 'select t from rows', '5m', 'FULL')", [NAME]
    )


def said(connection: Connection, query: str, *arguments: Any) -> Any:
    row = connection.execute(query, arguments or None).fetchone()
    assert row is not None
    return row[0]


def differences(connection: Connection) -> list[tuple[str, str]]:
    return sorted(connection.execute("select * from pgtrickle.canary_diff(%s)", [NAME]).fetchall())


def test_a_canary_is_compared_and_promoted(owner: Connection) -> None:
    query = "select t from rows where t > 0 union all select 7"
    begun = said(owner, "select pgtrickle.canary_begin(%s, %s)", NAME, query)
    assert begun == CANARY
    assert differences(owner) == [("canary", "(7)"), ("live", "(0)"), ("live", "(0)")]
    owner.execute("reset search_path")  # it keeps the meaning it was created with
    assert NAME in said(owner, "select pgtrickle.canary_promote(%s)", NAME)
    assert owner.execute(f"select t from {NAME} order by 1").fetchall() == [
        *[(1,)] * 2,
        *[(2,)] * 2,
        (7,),
    ]
    assert owner.execute(
        "select pgt_name, schedule, requested_refresh_mode from pgtrickle.pgt_stream_tables"
    ).fetchall() == [('Odd "n.ame', "5m", "FULL")]
    assert said(owner, "show search_path") == '"$user", public'


def test_without_a_canary_there_is_nothing_to_compare_or_promote(owner: Connection) -> None:
    for function in ("canary_diff", "canary_promote"):
        with pytest.raises(psycopg.errors.UndefinedTable, match="__pgt_canary_Odd"):
            owner.execute(f"select pgtrickle.{function}(%s)", [NAME])


def test_a_name_too_long_for_a_canary_is_refused(owner: Connection) -> None:
    name = "marts." + "x" * 60
    owner.execute("select pgtrickle.create_stream_table(%s, 'select t from rows')", [name])
    with pytest.raises(psycopg.errors.NameTooLong):
        owner.execute("select pgtrickle.canary_begin(%s, 'select t from rows')", [name])


def test_only_its_owner_begins_a_canary(owner: Connection, connect: Any) -> None:
    owner.execute(f"grant select on {NAME} to pgt_test_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connect("reader").execute("select pgtrickle.canary_begin(%s, 'select 1')", [NAME])


def test_a_canary_of_another_role_is_not_promoted(owner: Connection, connect: Any) -> None:
    superuser = connect()
    superuser.execute("select pgtrickle.canary_begin(%s, 'select 7 as t')", [NAME])
    with pytest.raises(psycopg.errors.UndefinedTable):  # nor does he see another's
        owner.execute("select pgtrickle.canary_promote(%s)", [NAME])
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="belongs to role"):
        superuser.execute("select pgtrickle.canary_promote(%s)", [NAME])
    assert said(owner, f"select count(*) from {NAME}") == 6
