"""Altering stream tables, and create_or_replace."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans

from .facts import call, catalog, columns, create, rows, scalar
from .test_create import full_plan

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]

TOTALS = "select customer, sum(amount) as total from src.orders group by customer"
NAME = 'marts."Mixed ""Case"" Name.s"'


@pytest.fixture
def totals(owner: Connection) -> int:
    """A stream table marts.totals; its OID."""
    create(owner, "marts.totals", TOTALS)
    return oid(owner)


def oid(owner: Connection) -> int:
    return scalar(owner, "select 'marts.totals'::regclass::oid::bigint")


def alter(owner: Connection, name: str = "marts.totals", **changes: Any) -> None:
    call(owner, "alter_stream_table", name, **changes)


def replace(owner: Connection, query: str, **options: Any) -> None:
    call(owner, "create_or_replace_stream_table", "marts.totals", query, **options)


def actions(owner: Connection) -> list[str]:
    return [
        action
        for (action,) in owner.execute(
            "select action from pgtrickle.pgt_refresh_history order by refresh_id"
        ).fetchall()
    ]


def equals_its_query(owner: Connection) -> bool:
    query = catalog(owner, "totals").defining_query
    return bool(
        scalar(
            owner,
            f"select not exists (({query}) except all table marts.totals)"
            f" and not exists (table marts.totals except all ({query}))",
        )
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            "select customer, sum(amount) * 2 as total from src.orders group by 1",
            [("customer", "integer"), ("total", "numeric")],
            id="same columns",
        ),
        pytest.param(
            "select customer, sum(amount) as total, count(*) as n from src.orders group by 1",
            [("customer", "integer"), ("total", "numeric"), ("n", "bigint")],
            id="appended",
        ),
        pytest.param(
            "select sum(amount) as total from src.orders group by customer",
            [("total", "numeric")],
            id="dropped",
        ),
        pytest.param(
            "select customer::bigint, sum(amount)::numeric(20,4) as total"
            " from src.orders group by 1",
            [("customer", "bigint"), ("total", "numeric(20,4)")],
            id="retyped",
        ),
        pytest.param(
            "select note::varchar(1) as customer, max(id) as total from src.orders group by 1",
            [("customer", "character varying(1)"), ("total", "integer")],
            id="retyped to what values cannot be cast to",
        ),
        pytest.param(
            "select count(*) as n, sum(amount) as total, customer from src.orders group by 3",
            [("n", "bigint"), ("total", "numeric"), ("customer", "integer")],
            id="reordered",
        ),
        pytest.param(
            "select id as a, note as b from src.orders",
            [("a", "integer"), ("b", "character varying(20)")],
            id="all others",
        ),
    ],
)
def test_a_new_query_changes_the_table_in_place(
    owner: Connection, totals: int, query: str, expected: list[tuple[str, str]]
) -> None:
    owner.execute("grant select on marts.totals to pgt_test_reader")
    owner.execute("comment on table marts.totals is 'by customer'")
    alter(owner, query=query)
    assert columns(owner, "marts.totals") == expected
    assert equals_its_query(owner)
    assert oid(owner) == totals
    assert scalar(owner, "select has_table_privilege('pgt_test_reader', 'marts.totals', 'select')")
    assert scalar(owner, "select obj_description('marts.totals'::regclass)") == "by customer"
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        owner.execute("delete from marts.totals")
    owner.execute("insert into src.orders values (9, 9, 9, 'z')")
    call(owner, "refresh_stream_table", "marts.totals")
    assert equals_its_query(owner)


def test_with_the_same_columns_readers_are_never_blocked(
    owner: Connection, connect: Any, totals: int
) -> None:
    owner.execute("grant select on marts.totals to pgt_test_reader")
    reader = connect("reader")
    with owner.transaction():
        alter(owner, query="select customer, -sum(amount) as total from src.orders group by 1")
        reader.execute("set lock_timeout = '2s'")
        assert len(rows(reader, "marts.totals")) == 2
        modes = owner.execute(
            "select mode from pg_locks where relation = %s and pid = pg_backend_pid()", [totals]
        ).fetchall()
    assert ("AccessExclusiveLock",) not in modes


def test_the_difference_alone_is_written(owner: Connection, totals: int) -> None:
    alter(owner, query=TOTALS + " having customer = 1")
    written = owner.execute(
        "select action, rows_inserted, rows_deleted from pgtrickle.pgt_refresh_history"
        " order by refresh_id desc limit 1"
    ).fetchone()
    assert written is not None
    assert tuple(written)[1:] == (0, 1)


def test_what_hangs_on_columns_that_come_back_is_rebuilt(owner: Connection, totals: int) -> None:
    owner.execute("create index by_total on marts.totals (total)")
    owner.execute("comment on column marts.totals.total is 'in euro'")
    owner.execute("grant select (total) on marts.totals to pgt_test_reader")
    owner.execute(
        "create view marts.v with (security_barrier = true)"
        " as select total, customer from marts.totals"
    )
    owner.execute("create view marts.w as select * from marts.v where total > 0")
    owner.execute("grant select on marts.w to pgt_test_reader with grant option")
    owner.execute("comment on column marts.w.total is 'positive'")
    alter(
        owner,
        query="select count(*) as n, sum(amount) as total, customer from src.orders group by 3",
    )
    assert oid(owner) == totals
    assert len(rows(owner, "marts.w")) == 2
    assert scalar(
        owner,
        "select has_table_privilege('pgt_test_reader', 'marts.w', 'select with grant option')",
    )
    assert scalar(
        owner, "select reloptions::text from pg_class where oid = 'marts.v'::regclass"
    ) == ("{security_barrier=true}")
    assert scalar(owner, "select col_description('marts.w'::regclass, 1)") == "positive"
    assert (
        scalar(
            owner,
            "select col_description('marts.totals'::regclass, attnum) from pg_attribute"
            " where attrelid = 'marts.totals'::regclass and attname = 'total'",
        )
        == "in euro"
    )
    assert scalar(
        owner, "select has_column_privilege('pgt_test_reader', 'marts.totals', 'total', 'select')"
    )
    assert scalar(owner, "select to_regclass('marts.by_total') is not null")


def test_views_on_columns_that_stay_are_not_touched(owner: Connection, totals: int) -> None:
    owner.execute("create view marts.v as select customer from marts.totals")
    before = scalar(owner, "select 'marts.v'::regclass::oid::bigint")
    alter(owner, query="select customer, max(note) as note from src.orders group by 1")
    assert scalar(owner, "select 'marts.v'::regclass::oid::bigint") == before


@pytest.mark.parametrize(
    ("dependent", "named"),
    [
        (
            "create materialized view marts.m as select total from marts.totals",
            "materialized view marts.m",
        ),
        ("create view marts.v as select total from marts.totals", "marts.v"),
        (
            "create function marts.f() returns numeric return (select total from marts.totals)",
            "function marts.f()",
        ),
        ("create policy p on marts.totals using (total > 0)", "policy p"),
    ],
)
def test_a_dependent_that_cannot_be_rebuilt_is_named_and_nothing_changes(
    owner: Connection, totals: int, dependent: str, named: str
) -> None:
    owner.execute(dependent)
    before = rows(owner, "marts.totals")
    with pytest.raises(psycopg.Error, match="totals") as error:
        alter(owner, query="select customer, max(note) as note from src.orders group by 1")
    assert named in str(error.value)
    assert rows(owner, "marts.totals") == before
    assert catalog(owner, "totals").original_query == TOTALS


def test_a_view_of_another_role_is_named(owner: Connection, connect: Any, totals: int) -> None:
    owner.execute("grant create on schema marts to pgt_test_reader")
    owner.execute("grant select on marts.totals to pgt_test_reader")
    connect("reader").execute("create view marts.theirs as select total from marts.totals")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match=r"marts\.theirs"):
        alter(
            owner, query="select customer, sum(amount)::float8 as total from src.orders group by 1"
        )


def test_a_failing_query_leaves_the_old_table_serving(owner: Connection, totals: int) -> None:
    before = rows(owner, "marts.totals")
    with pytest.raises(psycopg.errors.DivisionByZero):
        alter(owner, query="select customer, 1 / (id - 1) as q from src.orders")
    assert rows(owner, "marts.totals") == before
    assert catalog(owner, "totals").original_query == TOTALS
    call(owner, "refresh_stream_table", "marts.totals")
    assert equals_its_query(owner)


def test_a_table_that_was_never_filled_stays_empty(owner: Connection) -> None:
    create(owner, "marts.totals", TOTALS, initialize=False)
    alter(owner, query="select id from src.orders")
    assert columns(owner, "marts.totals") == [("id", "integer")]
    assert rows(owner, "marts.totals") == []
    assert not catalog(owner, "totals").is_populated


def test_a_cycle_is_refused(owner: Connection, totals: int) -> None:
    create(owner, "marts.b", "select total from marts.totals")
    create(owner, "marts.c", "select total from marts.b")
    with pytest.raises(psycopg.errors.InvalidRecursion, match=r"marts\.b -> marts\.totals"):
        alter(owner, query="select 1 as customer, total from marts.c")
    with pytest.raises(psycopg.errors.InvalidRecursion, match="reads the table itself"):
        alter(owner, query="select customer, total from marts.totals")


def test_a_suspended_table_gets_the_new_contents_and_stays_suspended(
    owner: Connection, totals: int
) -> None:
    call(owner, "pause_stream_table", "marts.totals")
    alter(owner, query="select id from src.orders")
    assert len(rows(owner, "marts.totals")) == 3
    assert catalog(owner, "totals").status == "SUSPENDED"


def test_options_are_changed_and_null_keeps(owner: Connection, totals: int) -> None:
    alter(owner, schedule="5m", tier="COLD", max_delta_fraction=0.5, fuse="off", partition_by="")
    alter(owner, pooler_compatibility_mode=True, diamond_consistency="none")
    row = catalog(owner, "totals")
    assert (row.schedule, row.refresh_tier, row.max_delta_fraction) == ("5m", "cold", 0.5)
    assert (row.pooler_compatibility_mode, row.diamond_consistency) == (True, "none")
    alter(owner, schedule="calculated")
    assert catalog(owner, "totals").schedule is None
    assert actions(owner) == ["FULL"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("partition_by", "customer"),
        ("post_refresh_action", "analyze"),
        ("reindex_drift_threshold", 0.1),
        ("sink", "append"),
    ],
)
def test_options_of_later_versions_are_refused_by_name(
    owner: Connection, totals: int, option: str, value: object
) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=option):
        alter(owner, **{option: value})


@pytest.mark.parametrize(
    ("given", "stored"),
    [("PAUSED", "SUSPENDED"), ("suspended", "SUSPENDED"), ("Active", "ACTIVE"), ("ERROR", "ERROR")],
)
def test_status(owner: Connection, totals: int, given: str, stored: str) -> None:
    alter(owner, status=given)
    assert catalog(owner, "totals").status == stored


def test_an_unknown_status_is_refused(owner: Connection, totals: int) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="status"):
        alter(owner, status="SLEEPING")


def test_a_table_that_does_not_exist_is_named_with_those_near(
    owner: Connection, totals: int
) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable, match="does not exist") as error:
        alter(owner, "marts.Totals", schedule="5m")
    assert "marts.totals" in (error.value.diag.message_hint or "")
    with pytest.raises(psycopg.errors.UndefinedTable, match="a table of that name does"):
        alter(owner, "src.orders", schedule="5m")


def test_only_the_owner_alters(owner: Connection, connect: Any, totals: int) -> None:
    owner.execute("grant select on marts.totals to pgt_test_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner"):
        alter(connect("reader"), schedule="5m")


def test_a_superuser_alters_as_the_owner(owner: Connection, connect: Any, totals: int) -> None:
    superuser = connect()
    superuser.execute(
        "create function src.who() returns text language sql stable as 'select current_user::text'"
    )
    alter(superuser, query="select distinct src.who() as who from src.orders")
    assert rows(owner, "marts.totals") == [("pgt_test_owner",)]
    assert scalar(superuser, "select current_user = session_user")
    assert (
        scalar(
            owner,
            "select bool_and(pg_get_userbyid(relowner) = 'pgt_test_owner') from pg_class"
            " where relnamespace = 'pgtrickle_state'::regnamespace",
        )
        is not False
    )


def test_refresh_mode_auto_and_incremental_are_accepted(owner: Connection) -> None:
    plans.totals(owner)
    alter(owner, refresh_mode="FULL")
    row = catalog(owner, "totals")
    assert (row.requested_refresh_mode, row.effective_refresh_mode) == ("FULL", "FULL")
    assert scalar(owner, "select count(*) from pgtrickle.pgt_captures") == 0
    alter(owner, refresh_mode="auto")
    row = catalog(owner, "totals")
    assert (row.requested_refresh_mode, row.refresh_mode) == ("AUTO", "FULL")
    assert scalar(owner, "select count(*) from pgtrickle._pending()") == 1
    alter(owner, refresh_mode="INCREMENTAL")
    assert catalog(owner, "totals").requested_refresh_mode == "DIFFERENTIAL"
    call(owner, "refresh_stream_table", "marts.totals")


def test_differential_is_refused_where_it_is_known_to_be_impossible(
    owner: Connection, totals: int
) -> None:
    owner.execute("select pgtrickle.install_plan('marts.totals', %s)", [full_plan(owner, TOTALS)])
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="GROUPING SETS"):
        alter(owner, refresh_mode="DIFFERENTIAL")


def test_the_plan_goes_with_the_query(owner: Connection) -> None:
    plans.totals(owner)
    owner.execute("create table src.other (a int)")
    alter(owner, query="select a from src.other")
    row = catalog(owner, "totals")
    assert (row.refresh_mode, row.effective_refresh_mode) == ("FULL", "FULL")
    assert "not compiled yet" in row.refresh_reason
    assert scalar(owner, "select count(*) from pgtrickle.pgt_captures") == 0
    assert scalar(owner, "select count(*) from pg_indexes where schemaname = 'marts'") == 0
    assert (
        scalar(
            owner,
            "select count(*) from pg_class c where relkind = 'r'"
            " and relnamespace = 'pgtrickle_state'::regnamespace",
        )
        == 0
    )


@pytest.mark.parametrize("more", [False, True])
def test_an_offered_plan_comes_with_the_query(
    owner: Connection, writer: Connection, more: bool
) -> None:
    create(owner, "marts.positive", "select id from src.orders where amount > 6", initialize=True)
    names = ["id", "amount", "note"] if more else ["id"]
    query = f"select {', '.join(names)} from src.orders where amount > 0"
    changes = f"select {', '.join(names)}, __pgt_weight from changes_0 where amount > 0"
    columns_ = ["id", "amount", "note"]
    owner.execute("select pgtrickle._ensure_capture('src.orders'::regclass, %s)", [columns_])
    with owner.transaction():
        plans.offer(
            owner,
            query,
            [("src.orders", columns_)],
            ["id"],
            {"0": plans.keyed("marts.positive", names, "id", changes)},
        )
        alter(owner, "marts.positive", query=query)
        # Committed after the new result was computed: the next refresh must see it.
        writer.execute("insert into src.orders values (6, 6, 6, 'f')")
    assert catalog(owner, "positive").effective_refresh_mode == "DIFFERENTIAL"
    assert len(rows(owner, "marts.positive")) == 3
    writer.execute("insert into src.orders values (7, 7, 7, 'g'), (8, 8, -8, 'h')")
    outcome = plans.refresh(owner, "marts.positive")
    assert (outcome.action, outcome.rows_inserted) == ("DIFFERENTIAL", 2)
    assert plans.difference(owner, "marts.positive") == []


def test_create_or_replace_creates_then_does_nothing(owner: Connection) -> None:
    replace(owner, TOTALS, schedule="5m")
    before = catalog(owner, "totals")
    replace(
        owner,
        "SELECT customer,\n       sum(amount) AS total FROM src.orders GROUP BY customer -- same",
        schedule="5m",
    )
    assert catalog(owner, "totals") == before
    assert actions(owner) == ["FULL"]


def test_create_or_replace_tells_queries_apart_that_print_alike(owner: Connection) -> None:
    ambiguous = "select a as a1, a as a2, count(*) from (select 1 as a) t group by 1, rollup (2)"
    printed = scalar(owner, "select pgtrickle._canonical_query(%s)", ambiguous)
    replace(owner, printed)
    alike = rows(owner, "marts.totals")
    replace(owner, ambiguous)
    assert rows(owner, "marts.totals") != alike
    assert rows(owner, "marts.totals") == owner.execute(ambiguous).fetchall()
    before = actions(owner)
    replace(owner, ambiguous)
    assert actions(owner) == before


def test_create_or_replace_reads_the_same_text_anew(owner: Connection) -> None:
    replace(owner, "select * from src.orders")
    owner.execute("alter table src.orders add column late integer default 1")
    replace(owner, "select * from src.orders")
    assert ("late", "integer") in columns(owner, "marts.totals")


def test_create_or_replace_alters_query_and_options(owner: Connection, totals: int) -> None:
    replace(owner, TOTALS + " having customer > 1", schedule="1h", refresh_mode="FULL")
    row = catalog(owner, "totals")
    assert (row.schedule, row.requested_refresh_mode) == ("1h", "FULL")
    assert len(rows(owner, "marts.totals")) == 1
    assert oid(owner) == totals
    replace(owner, TOTALS + " having customer > 1")
    row = catalog(owner, "totals")
    assert (row.schedule, row.requested_refresh_mode) == (None, "AUTO")


def test_create_or_replace_fills_a_table_that_was_never_filled(owner: Connection) -> None:
    create(owner, "marts.totals", TOTALS, initialize=False)
    replace(owner, TOTALS)
    assert len(rows(owner, "marts.totals")) == 2


def test_create_or_replace_makes_a_vanished_table_again(owner: Connection, totals: int) -> None:
    owner.execute("drop table marts.totals")
    replace(owner, TOTALS)
    assert len(rows(owner, "marts.totals")) == 2
    assert scalar(owner, "select count(*) from pgtrickle.pgt_stream_tables") == 1


def test_create_or_replace_does_not_take_an_ordinary_tables_name(owner: Connection) -> None:
    owner.execute("create table marts.totals (a int)")
    with pytest.raises(psycopg.errors.DuplicateTable, match="a table of that name exists"):
        replace(owner, TOTALS)


def test_a_renamed_source_column_is_no_change_of_the_query(owner: Connection, totals: int) -> None:
    owner.execute("alter table src.orders add column more int")
    replace(owner, TOTALS)
    assert actions(owner) == ["FULL"]


def test_create_or_replace_after_a_source_column_went(owner: Connection) -> None:
    replace(owner, "select id, note from src.orders")
    owner.execute("alter table src.orders drop column note")
    replace(owner, "select id from src.orders")
    assert columns(owner, "marts.totals") == [("id", "integer")]


def test_any_name_will_do(owner: Connection) -> None:
    create(owner, NAME, 'select customer as "Cust ""omer" from src.orders')
    owner.execute(f'create view marts."V ""v" as select * from {NAME}')
    alter(owner, NAME, query='select note as "N ote", customer as "Cust ""omer" from src.orders')
    assert columns(owner, NAME)[0][0] == "N ote"
    assert len(rows(owner, 'marts."V ""v"')) == 3
