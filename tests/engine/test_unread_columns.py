"""Rows that an UPDATE changed in columns which a query does not read are no changes for it."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

THREE = (
    "select c.region, r.manager, sum(o.amount) as s, count(*) as n"
    " from orders o join customers c on c.id = o.customer join regions r on r.name = c.region"
    " group by 1, 2"
)


@pytest.fixture
def three(engine: Engine) -> Engine:
    """A table of three sources, and others that have all their columns captured."""
    engine.connection.execute(
        "alter table customers add column note text;"
        ' alter table orders add column "No ""te" json;'
        "create table regions (name text primary key, manager text, note text);"
        "insert into regions select 'r' || i, 'm' || i from generate_series(0, 2) i;"
        "insert into orders select 100 + i, 1 + i % 9, i from generate_series(1, 6000) i"
    )
    engine.create_stream_table("three", THREE, refresh_mode="DIFFERENTIAL")
    for source in ("customers", "orders", "regions"):
        engine.create_stream_table(
            f"all_{source}", f"select * from {source}", refresh_mode="DIFFERENTIAL"
        )
    return engine


def refreshed(engine: Engine, statements: str) -> str:
    """What the table does about the statements, after which it must be exact."""
    engine.connection.execute(statements)
    action = engine.refresh("three").action
    assert engine.verify("three").equal
    return action


def programs(engine: Engine) -> set[str]:
    rows = engine.connection.execute(
        "select proname from pg_proc where proname like 'delta\\_1\\_%'"
    ).fetchall()
    return {name for (name,) in rows}


UNREAD = {
    "customers": "update customers set note = note || 'x'",
    "orders": """update orders set "No ""te" = '{"a": 1}' where id <= 50""",
    "many orders": """update orders set "No ""te" = '{"a": 1}'""",
    "regions": "update regions set note = 'x'",
}


@pytest.mark.parametrize("what", ["customers", "regions"])
def test_nothing_is_to_be_done_for_a_column_that_is_not_read(what: str, three: Engine) -> None:
    """Each customer and region has many orders; see `compiler.fan_out`."""
    assert refreshed(three, UNREAD[what]) == "NO_DATA"
    assert refreshed(three, "update orders set amount = 1 where id = 3") == "DIFFERENTIAL"


@pytest.mark.parametrize("what", ["orders", "many orders"])
def test_where_one_row_leads_to_one_they_cancel_out(what: str, three: Engine) -> None:
    three.connection.execute(UNREAD[what])
    done = three.refresh("three")
    assert (done.action, done.rows_inserted, done.rows_deleted) == ("DIFFERENTIAL", 0, 0)
    assert three.verify("three").equal
    assert refreshed(three, "update orders set amount = 1 where id = 3") == "DIFFERENTIAL"


def test_of_some_rows_those_that_changed_are_applied(three: Engine) -> None:
    half = "amount = case when id % 2 = 0 then amount + 1 else amount end"
    for where in ("id <= 50", "true"):
        unread = """ "No ""te" = '[2]' """
        changed = refreshed(three, f"update orders set {unread}, {half} where {where}")
        assert changed == "DIFFERENTIAL"
    again = refreshed(three, "update orders set amount = 5; update orders set amount = 4")
    assert again == "DIFFERENTIAL"


def test_sources_without_changes_are_left_out(three: Engine) -> None:
    for statements in (
        f"{UNREAD['customers']}; update orders set amount = 7 where id = 2",
        f"{UNREAD['customers']}; update orders set amount = 6 where id = 2; delete from regions",
        (
            "update customers set note = 'y', region = case when id = 1 then 'r2' else region end;"
            " delete from orders where id = 9; insert into regions values ('r2', 'm2')"
        ),
    ):
        assert refreshed(three, statements) == "DIFFERENTIAL"
    rows = three.connection.execute(
        "select d.source_name, d.source_number from pgtrickle.pgt_dependencies d"
        " join pgtrickle.pgt_stream_tables s using (pgt_id) where s.pgt_name = 'three'"
    ).fetchall()
    numbers = dict(rows)
    customers, orders, regions = (numbers[n] for n in ("customers", "orders", "regions"))
    pair = "_and_".join(str(n) for n in sorted((orders, regions)))
    assert programs(three) == {
        f"delta_1_{orders}_128_{customers}",
        f"delta_1_{pair}_128_{customers}",
        f"delta_1_all_128_{customers}",
    }


def test_what_arrives_in_a_source_left_out_is_noticed(three: Engine) -> None:
    """The statement itself looks, for it sees more than the one that counted."""
    three.connection.execute(UNREAD["customers"])
    overtaken = (
        "select pgtrickle._delta_sql(s.pgt_relid, p.plan, array_agg(d.source_relid order by"
        " d.source_number), (min(d.source_number) filter (where d.source_name = 'orders'))::text,"
        " '{128,128,128}', array_agg(d.source_name = 'customers' order by d.source_number)),"
        " f.snapshot::text, f.own_xid::text, f.own_seq"
        " from pgtrickle.pgt_stream_tables s join pgtrickle.pgt_plans p using (pgt_id)"
        " join pgtrickle.pgt_dependencies d using (pgt_id)"
        " join pgtrickle.pgt_frontiers f using (pgt_id)"
        " where s.pgt_name = 'three' group by s.pgt_id, p.pgt_id, f.pgt_id"
    )
    seen = []
    for change in ("", "update customers set region = 'r0' where id = 1"):
        three.connection.execute(change or "select")
        statement, snapshot, xid, seq = three.connection.execute(overtaken).fetchone() or ("",) * 4
        for parameter, value in (
            ("$1", f"'{snapshot}'::pg_snapshot"),
            ("$2", f"'{xid}'::xid8"),
            ("$3", str(seq)),
        ):
            statement = statement.replace(parameter, value)
        with three.connection.transaction(force_rollback=True):
            three.connection.execute("set local pgtrickle.internal_refresh = '1'")
            *_, found = three.connection.execute(statement).fetchone() or ()
        seen.append(found)
    assert seen == [False, True]


def test_a_statement_of_a_writer_is_followed_at_once(three: Engine) -> None:
    three.create_stream_table("at_once", THREE, refresh_mode="IMMEDIATE")
    for statements in (
        UNREAD["customers"],
        "update orders set amount = amount + 1 where id < 9",
        "update orders set amount = amount + 1 where id < 9",
        (
            "with c as (update customers set region = 'r1' where id = 2)"
            " update orders set amount = 3 where id = 4"
        ),
        UNREAD["regions"],
        "update regions set manager = 'new', note = 'new' where name = 'r1'",
    ):
        three.connection.execute(statements)
        assert three.verify("at_once").equal
