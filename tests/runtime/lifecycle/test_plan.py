"""Plans for stream tables that exist already."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.waiting import PATIENCE

from .facts import call, catalog, create, rows, scalar
from .test_create import full_plan

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]

QUERY = "select id, amount from src.orders where amount > 0"
CHANGES = "select id, amount, __pgt_weight from changes_0 where amount > 0"


def plan(owner: Connection, query: str = QUERY, name: str = "marts.positive") -> str:
    return plans.plan_of(
        owner,
        query,
        [("src.orders", ["id", "amount"])],
        ["id"],
        {"0": plans.keyed(name, ["id", "amount"], "id", CHANGES)},
    )


@pytest.fixture
def positive(owner: Connection) -> None:
    create(owner, "marts.positive", QUERY)


def test_pending_tables_are_listed_for_a_compiler(owner: Connection, positive: None) -> None:
    found = owner.execute("select * from pgtrickle._pending()").fetchall()
    assert [(row.pgt_schema, row.pgt_name, row.requested_refresh_mode) for row in found] == [
        ("marts", "positive", "AUTO")
    ]
    assert found[0].query == catalog(owner, "positive").defining_query


def test_a_pending_table_becomes_differential(
    owner: Connection, writer: Connection, positive: None
) -> None:
    writer.execute("insert into src.orders values (7, 1, 7, 'g')")
    assert call(owner, "install_plan", "marts.positive", plan(owner)) == "DIFFERENTIAL"
    row = catalog(owner, "positive")
    assert (row.needs_reinit, row.refresh_mode, row.refresh_reason) == (True, "DIFFERENTIAL", None)
    assert plans.refresh(owner, "marts.positive").action == "REINITIALIZE"
    writer.execute("insert into src.orders values (8, 1, 8, 'h')")
    assert plans.refresh(owner, "marts.positive").action == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.positive") == []
    assert scalar(owner, "select count(*) from pgtrickle._pending()") == 0


def test_state_is_created_as_the_owner_and_replaced_with_the_plan(
    owner: Connection, connect: Any, positive: None
) -> None:
    document = json.loads(plan(owner))
    fill = "select id, count(*) as n from src.orders group by 1"
    for name in ("s_first", "s_second"):
        document["state"] = [{"name": name, "fill": fill, "key": ["id"]}]
        call(connect(), "install_plan", "marts.positive", json.dumps(document))
    found = owner.execute(
        "select relname::text, pg_get_userbyid(relowner)::text, relreplident::text from pg_class"
        " where relkind = 'r' and relnamespace = 'pgtrickle_state'::regnamespace"
    ).fetchall()
    assert found == [("s_second", "pgt_test_owner", "f")]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connect("reader").execute("table pgtrickle_state.s_second")


def test_a_table_asked_to_be_differential_stays_exact_where_that_is_impossible(
    owner: Connection, writer: Connection
) -> None:
    create(owner, "marts.positive", QUERY, refresh_mode="DIFFERENTIAL")
    owner.execute("listen pg_trickle_alert")
    assert call(owner, "install_plan", "marts.positive", full_plan(owner, QUERY)) == "FULL"
    events = [json.loads(event.payload) for event in owner.notifies(timeout=PATIENCE, stop_after=1)]
    assert (events[0]["event"], events[0]["pgt_name"]) == ("differential_impossible", "positive")
    row = catalog(owner, "positive")
    assert (row.refresh_mode, row.effective_refresh_mode) == ("DIFFERENTIAL", "FULL")
    assert row.refresh_reason == "it has grouping sets"
    writer.execute("insert into src.orders values (7, 1, 7, 'g')")
    call(owner, "refresh_stream_table", "marts.positive")
    assert len(rows(owner, "marts.positive")) == 4


def test_a_plan_for_another_query_is_refused(owner: Connection, positive: None) -> None:
    other = plan(owner, "select id, amount from src.orders where amount > 1")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="another query"):
        call(owner, "install_plan", "marts.positive", other)


def test_a_plan_fits_though_the_stored_text_is_of_an_older_server(
    owner: Connection, connect: Any, positive: None
) -> None:
    connect().execute(
        "update pgtrickle.pgt_stream_tables set defining_query ="
        " 'select orders.id, orders.amount from src.orders where orders.amount > 0::numeric'"
    )
    assert call(owner, "install_plan", "marts.positive", plan(owner)) == "DIFFERENTIAL"


def test_a_plan_that_captures_what_the_query_does_not_read_is_refused(
    owner: Connection, positive: None
) -> None:
    owner.execute("create table src.other (id int)")
    document = json.loads(plan(owner))
    document["sources"][0] = {
        "relid": scalar(owner, "select 'src.other'::regclass::oid::bigint"),
        "columns": ["id"],
    }
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"src\.other"):
        call(owner, "install_plan", "marts.positive", json.dumps(document))


def test_only_the_owner_installs_a_plan(owner: Connection, connect: Any, positive: None) -> None:
    owner.execute("grant select on marts.positive to pgt_test_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner"):
        call(connect("reader"), "install_plan", "marts.positive", plan(owner))


def test_create_or_replace_takes_an_offered_plan_for_a_pending_table(
    owner: Connection, positive: None
) -> None:
    with owner.transaction():
        owner.execute("select pgtrickle.offer_plan(%s, %s)", [QUERY, plan(owner)])
        call(owner, "create_or_replace_stream_table", "marts.positive", QUERY)
    assert catalog(owner, "positive").effective_refresh_mode == "DIFFERENTIAL"
    call(owner, "refresh_stream_table", "marts.positive")
    assert plans.difference(owner, "marts.positive") == []


def wants_plan(owner: Connection, query: str = QUERY, **given: str) -> bool:
    mode, compiler = given.get("mode", "AUTO"), given.get("compiler", "by hand")
    return scalar(
        owner, "select pgtrickle._wants_plan('marts.positive', %s, %s, %s)", query, mode, compiler
    )


def test_a_plan_is_wanted_until_it_is_there(owner: Connection) -> None:
    assert wants_plan(owner)
    create(owner, "marts.positive", QUERY)
    assert wants_plan(owner)
    call(owner, "install_plan", "marts.positive", plan(owner))
    assert not wants_plan(owner)
    assert wants_plan(owner, QUERY + " and true")
    assert wants_plan(owner, mode="DIFFERENTIAL")
    assert wants_plan(owner, compiler="another")
    owner.execute("set search_path = src, public")
    assert wants_plan(owner)


def test_a_plan_is_wanted_where_the_query_reads_otherwise_now(owner: Connection) -> None:
    create(owner, "marts.positive", "select * from src.orders")
    document = json.loads(plan(owner))
    document["query"] = scalar(
        owner, "select pgtrickle._canonical_query('select * from src.orders')"
    )
    call(owner, "install_plan", "marts.positive", json.dumps(document))
    assert not wants_plan(owner, "select * from src.orders")
    owner.execute("alter table src.orders add column late integer")
    assert wants_plan(owner, "select * from src.orders")
    owner.execute("drop table src.orders cascade")
    assert wants_plan(owner, "select * from src.orders")
