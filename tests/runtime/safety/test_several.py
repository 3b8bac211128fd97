# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Bulk operations, refresh groups, snapshots, publications."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from tests.runtime import plans

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
ODD = 'marts."Odd ""n.ame"'


@pytest.fixture(autouse=True)
def orders(owner: Connection) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null)"
    )
    owner.execute("insert into src.orders select i, i % 10, i from generate_series(1, 100) i")


def value(connection: Connection, query: str, *arguments: Any) -> Any:
    row = connection.execute(query, arguments or None).fetchone()
    return row[0] if row else None


def names(connection: Connection) -> list[str]:
    return [
        row[0]
        for row in connection.execute("select pgt_name from pgtrickle.pgt_stream_tables order by 1")
    ]


def bulk_create(connection: Connection, *definitions: dict[str, Any]) -> Any:
    return value(connection, "select pgtrickle.bulk_create(%s)", json.dumps(definitions))


def two(connection: Connection) -> Any:
    return bulk_create(
        connection,
        {
            "name": ODD,
            "query": "select customer, amount from src.orders",
            "schedule": "5m",
            "initialize": True,
        },
        {
            "name": "marts.sums",
            "query": f"select customer, sum(amount) as total from {ODD} group by 1",
            "refresh_mode": "FULL",
        },
    )


def test_several_are_created_altered_and_dropped(owner: Connection) -> None:
    created = two(owner)
    assert [(c["name"], c["status"]) for c in created] == [
        (ODD, "created"),
        ("marts.sums", "created"),
    ]
    assert created[0]["pgt_id"] == value(
        owner, "select pgt_id from pgtrickle.pgt_stream_tables where schedule = '5m'"
    )
    assert (
        value(
            owner,
            "select pgtrickle.bulk_alter_stream_tables(%s, %s)",
            [ODD, "marts.sums"],
            json.dumps({"schedule": "7m", "fuse_ceiling": 9}),
        )
        == 2
    )
    assert value(
        owner,
        "select array_agg(distinct (schedule, fuse_ceiling)::text) from pgtrickle.pgt_stream_tables",
    ) == ["(7m,9)"]
    assert value(owner, "select pgtrickle.bulk_drop_stream_tables(%s)", [ODD, "marts.sums"]) == 2
    assert names(owner) == []


def test_one_failure_leaves_nothing_done(owner: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        bulk_create(
            owner,
            {"name": "marts.a", "query": "select id from src.orders"},
            {"name": "marts.b", "query": "select 1 as a from src.nothing"},
        )
    assert names(owner) == []
    two(owner)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        owner.execute("select pgtrickle.bulk_drop_stream_tables(%s)", [[ODD]])
    assert len(names(owner)) == 2


@pytest.mark.parametrize(
    "given",
    [
        "[]",
        "{}",
        '[{"name": "marts.a"}]',
        '[{"name": "marts.a", "query": "select 1 as a", "shedule": "5m"}]',
    ],
)
def test_what_bulk_create_does_not_understand_is_refused(owner: Connection, given: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        owner.execute("select pgtrickle.bulk_create(%s)", [given])


def test_a_write_and_its_refresh_go_together(owner: Connection) -> None:
    plans.totals(owner)
    owner.execute(
        "select pgtrickle.write_and_refresh('insert into src.orders values (1000, 77, 5)', 'marts.totals')"
    )
    assert value(owner, "select total from marts.totals where customer = 77") == 5


def test_a_refresh_only_where_the_last_one_is_old(owner: Connection) -> None:
    plans.totals(owner)
    owner.execute("insert into src.orders values (1000, 77, 5)")
    assert value(owner, "select pgtrickle.refresh_if_stale('marts.totals')") is False
    assert value(owner, "select count(*) from marts.totals where customer = 77") == 0
    assert value(owner, "select pgtrickle.refresh_if_stale('marts.totals', '0 s')") is True
    assert value(owner, "select count(*) from marts.totals where customer = 77") == 1


def test_refresh_groups_are_declared_and_listed(owner: Connection) -> None:
    two(owner)
    id_ = value(
        owner,
        "select pgtrickle.create_refresh_group('g', %s, 'REPEATABLE_READ')",
        [ODD, "marts.sums"],
    )
    (row,) = owner.execute("select * from pgtrickle.refresh_groups()").fetchall()
    assert (row.group_id, row.group_name, row.member_count, row.isolation) == (
        id_,
        "g",
        2,
        "repeatable_read",
    )
    with pytest.raises(psycopg.errors.DuplicateObject):
        owner.execute("select pgtrickle.create_refresh_group('g', %s)", [[ODD, "marts.sums"]])
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        owner.execute(
            "select pgtrickle.create_refresh_group('h', %s, 'serializable')", [[ODD, "marts.sums"]]
        )
    owner.execute("select pgtrickle.drop_refresh_group('g')")
    with pytest.raises(psycopg.errors.UndefinedObject):
        owner.execute("select pgtrickle.drop_refresh_group('g')")


def test_a_snapshot_is_taken_and_brought_back(owner: Connection) -> None:
    plans.totals(owner)
    before = owner.execute("table marts.totals order by 1").fetchall()
    taken = value(owner, "select pgtrickle.snapshot_stream_table('marts.totals')")
    owner.execute("delete from src.orders where customer = 3")
    plans.refresh(owner, "marts.totals")
    owner.execute("select pgtrickle.restore_from_snapshot('marts.totals', %s)", [taken])
    assert owner.execute("table marts.totals order by 1").fetchall() == before
    assert plans.refresh(owner, "marts.totals").action == "REINITIALIZE"
    assert plans.difference(owner, "marts.totals") == []
    (row,) = owner.execute("select * from pgtrickle.list_snapshots('marts.totals')").fetchall()
    assert (row.snapshot_table, row.row_count) == (taken, 10)
    assert row.size_bytes > 0
    owner.execute("select pgtrickle.drop_snapshot(%s)", [taken])
    assert owner.execute("select * from pgtrickle.list_snapshots('marts.totals')").fetchall() == []
    assert value(owner, "select to_regclass(%s)", taken) is None


def test_only_snapshots_are_dropped_and_only_fitting_ones_restored(owner: Connection) -> None:
    plans.totals(owner)
    with pytest.raises(psycopg.errors.UndefinedTable):
        owner.execute("select pgtrickle.drop_snapshot('src.orders')")
    with pytest.raises(psycopg.errors.DatatypeMismatch):
        owner.execute("select pgtrickle.restore_from_snapshot('marts.totals', 'src.orders')")
    assert value(owner, "select pgtrickle.snapshot_stream_table('marts.totals', %s)", ODD) == ODD


def test_a_stream_table_is_published_and_no_more(owner: Connection, connect: Any) -> None:
    two(owner)
    superuser = connect()
    superuser.execute(
        "do $$ begin execute format('grant create on database %I to pgt_test_owner', current_database()); end $$"
    )
    owner.execute("select pgtrickle.stream_table_to_publication(%s)", [ODD])
    assert (
        value(owner, "select pubname from pg_publication_tables where tablename = 'Odd \"n.ame'")
        == 'pgt_pub_Odd "n.ame'
    )
    assert (
        value(
            owner,
            "select downstream_publication from pgtrickle.st_refresh_stats() where pgt_name like 'Odd%'",
        )
        == 'pgt_pub_Odd "n.ame'
    )
    with pytest.raises(psycopg.errors.DuplicateObject):
        owner.execute("select pgtrickle.stream_table_to_publication(%s)", [ODD])
    owner.execute("select pgtrickle.drop_stream_table_publication(%s)", [ODD])
    assert value(owner, "select count(*) from pg_publication") == 0
    with pytest.raises(psycopg.errors.UndefinedObject):
        owner.execute("select pgtrickle.drop_stream_table_publication(%s)", [ODD])
