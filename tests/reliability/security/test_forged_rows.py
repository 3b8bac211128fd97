"""Rows of the catalog that a role writes by hand: it may, for its own stream tables. None makes
anything of another one's, or holds it up."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgtrickle.engine import Engine

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
EngineAs = Callable[..., Engine]

pytestmark = [pytest.mark.every_server, pytest.mark.one_in(3)]
DENIED = psycopg.errors.InsufficientPrivilege
STILL_READ = psycopg.errors.DependentObjectsStillExist

SOURCE = """
    create table src.item (id integer primary key, v integer);
    create table src.other (id integer primary key, v integer);
    insert into src.item values (1, 1);
    insert into src.other values (1, 1);
"""
QUERY = "select i.id, o.v from src.item i join src.other o on o.id = i.id"


@pytest.fixture
def victim(owner: Connection, engine_as: EngineAs) -> Engine:
    owner.execute(SOURCE)
    engine = engine_as("owner")
    engine.create_stream_table("marts.t", QUERY, refresh_mode="DIFFERENTIAL")
    return engine


@pytest.fixture
def stranger(victim: Engine, connect: Connect, engine_as: EngineAs) -> Connection:
    """Owns a stream table of its own, `reader.t`, and may read nothing of the victim's."""
    connect().execute("create schema reader authorization pgt_test_reader")
    reader = connect("reader")
    reader.execute("create table reader.s (id integer primary key)")
    engine_as("reader").create_stream_table("reader.t", "select id from reader.s")
    return reader


def goes_on(victim: Engine, owner: Connection) -> None:
    owner.execute("update src.item set v = v + 1; update src.other set v = v + 1")
    refreshed = victim.refresh("marts.t")
    assert (refreshed.action, refreshed.error) == ("DIFFERENTIAL", None)
    assert victim.verify("marts.t").equal


ROW = (
    "insert into pgtrickle.pgt_stream_tables (pgt_relid, pgt_name, pgt_schema, defining_query,"
    " defining_search_path, pgt_owner) values ({relid}, {name}, {schema}, 'select 1 as id, 1 as v',"
    " '', 'pgt_test_reader'::regrole)"
)
ROWS = {
    "another one's table": ROW.format(relid="'src.item'::regclass", name="'item'", schema="'src'"),
    "a table to come": ROW.format(relid="4000000000", name="'item'", schema="'src'"),
    "a name to come": ROW.format(relid="'reader.s'::regclass", name="'next'", schema="'marts'"),
    "its own row, turned to another one's table": (
        "update pgtrickle.pgt_stream_tables set pgt_relid = 'src.item'::regclass"
        " where pgt_schema = 'reader'"
    ),
    "its own row, named as another one's table": (
        "update pgtrickle.pgt_stream_tables set pgt_schema = 'src', pgt_name = 'item'"
        " where pgt_schema = 'reader'"
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_that_of_a_table_of_ones_own(
    stranger: Connection, victim: Engine, owner: Connection, row: str
) -> None:
    with pytest.raises(DENIED):
        stranger.execute(ROWS[row])  # type: ignore[arg-type]
    goes_on(victim, owner)
    owner.execute("select pgtrickle.create_stream_table('marts.next', 'select id from src.item')")


def test_a_row_that_claims_to_come_from_a_dump_takes_over_no_table(
    stranger: Connection, owner: Connection, connect: Connect
) -> None:
    stranger.execute("create table reader.lure (id integer, v integer)")
    connect().execute("grant create on schema marts to pgt_test_reader")
    stranger.execute(
        "create table marts.prey (id integer, v integer);"
        "select pgtrickle.create_stream_table('reader.bait', 'select 1 as id, 1 as v')"
    )
    stranger.execute("drop table marts.prey; alter table reader.bait rename to prey")
    stranger.execute("alter table reader.prey set schema marts")
    stranger.execute("select pgtrickle._follow_renames()")
    stranger.execute(
        "update pgtrickle.pgt_frontiers f set cluster_id = 'another'"
        " from pgtrickle.pgt_stream_tables s"
        " where s.pgt_id = f.pgt_id and s.pgt_name = 'prey'; drop table marts.prey"
    )
    owner.execute("create table marts.prey (id integer, v integer)")
    owner.execute("insert into marts.prey values (7, 7)")
    connect().execute("select pgtrickle.restore_stream_tables()")
    assert owner.execute("select * from marts.prey").fetchall() == [(7, 7)]


HOLDS = {
    "a gate under a name of one's own": (
        "insert into pgtrickle.pgt_source_gates (source_relid, source_schema, source_name)"
        " values ('src.item'::regclass, 'reader', 's')"
    ),
    "a gate on a table of one's own under another name": (
        "insert into pgtrickle.pgt_source_gates (source_relid, source_schema, source_name)"
        " values ('reader.s'::regclass, 'src', 'item')"
    ),
    "a watermark group": (
        "select pgtrickle.create_watermark_group('w', array['src.item', 'src.other'])"
    ),
    "a watermark group by hand": (
        "insert into pgtrickle.pgt_watermark_groups (group_name, source_relids)"
        " values ('w', array['src.item'::regclass, 'src.other'::regclass])"
    ),
}


@pytest.mark.parametrize("hold", HOLDS)
def test_who_may_not_write_a_source_holds_nothing_back(
    stranger: Connection, victim: Engine, owner: Connection, hold: str
) -> None:
    owner.execute("select pgtrickle.advance_watermark('src.item', '2024-01-01')")
    owner.execute("select pgtrickle.advance_watermark('src.other', '2025-01-01')")
    with contextlib.suppress(DENIED):
        stranger.execute(HOLDS[hold])  # type: ignore[arg-type]
    goes_on(victim, owner)


def test_a_group_of_another_ones_tables_does_not_count(
    stranger: Connection, victim: Engine, connect: Connect
) -> None:
    stranger.execute(
        "insert into pgtrickle.pgt_refresh_groups (group_name, member_oids, isolation)"
        " values ('g', array['marts.t'::regclass, 'reader.t'::regclass], 'repeatable_read')"
    )
    superuser = connect()
    assert superuser.execute("select name from pgtrickle._groups()").fetchall() == [("reader.t",)]


def test_a_name_without_end_stops_no_alert(stranger: Connection, connect: Connect) -> None:
    stranger.execute("create table reader.r (id integer)")
    stranger.execute(
        "insert into pgtrickle.pgt_watermark_groups (group_name, source_relids)"
        " values (repeat('x', 9000), array['reader.s'::regclass, 'reader.r'::regclass])"
    )
    stranger.execute(
        "insert into pgtrickle.pgt_watermarks (source_relid, watermark, updated_at)"
        " values ('reader.s'::regclass, '2024-01-01', '2024-01-01'),"
        " ('reader.r'::regclass, '2025-01-01', '2024-01-01')"
    )
    superuser = connect()
    superuser.execute("listen pgtrickle_alert")
    assert superuser.execute("select pgtrickle._alert_states() > 0").fetchone() == (True,)
    assert "watermark_stuck" in [
        json.loads(told.payload)["event"] for told in superuser.notifies(timeout=5, stop_after=1)
    ]


SET = "update pgtrickle.pgt_stream_tables set {} where pgt_schema = 'reader'"
HISTORY = (
    "insert into pgtrickle.pgt_refresh_history (pgt_id, data_timestamp, start_time, end_time,"
    " action, status, initiated_by) select pgt_id, now(), {}, {}, 'FULL', 'COMPLETED', 'SCHEDULER'"
    " from pgtrickle.pgt_stream_tables where pgt_schema = 'reader'"
)
POISON = {
    "a schedule without end": SET.format("schedule = '999999999w'"),
    "a schedule that is none": SET.format("schedule = 'x y z'"),
    "a deadline before all time": SET.format("freshness_deadline_ms = -9223372036854775808"),
    "a refresh at no time": SET.format("last_refresh_at = 'infinity'"),
    "an error at no time": SET.format(
        "status = 'ERROR', consecutive_errors = 2147483647, last_error_at = '-infinity'"
    ),
    "history without end": HISTORY.format("'-infinity'", "'infinity'"),
    "long history": HISTORY.format("'4713-01-01 BC'", "'294276-01-01'"),
    "a watermark at no time": (
        "create table reader.r (id integer);"
        "insert into pgtrickle.pgt_watermark_groups (group_name, source_relids, tolerance_secs)"
        " values ('w', array['reader.s'::regclass, 'reader.r'::regclass], 'NaN')"
    ),
    "a plan that is none": "update pgtrickle.pgt_plans set plan = '[]', plan_status = 'COMPILED'",
}


@pytest.mark.parametrize("poison", POISON)
def test_no_value_of_one_owner_stops_the_scheduler_of_all(
    stranger: Connection, victim: Engine, owner: Connection, connect: Connect, poison: str
) -> None:
    victim.alter_stream_table("marts.t", schedule="1s")
    with contextlib.suppress(psycopg.errors.CheckViolation):
        stranger.execute(POISON[poison])  # type: ignore[arg-type]
    owner.execute("insert into src.item values (2, 1); insert into src.other values (2, 1)")
    owner.execute("update pgtrickle.pgt_stream_tables set last_refresh_at = '2024-01-01'")
    superuser = connect()
    superuser.execute("call pgtrickle.run_due()")
    superuser.execute("select pgtrickle._alert_states()")
    for summary in ("health_check", "sla_summary", "schedule_recommendations", "refresh_timeline"):
        superuser.execute(f"select * from pgtrickle.{summary}()")  # type: ignore[arg-type]
    assert owner.execute("select count(*) from marts.t").fetchone() == (2,)


@pytest.mark.parametrize(
    "choice",
    [
        "refresh_mode = 'SOMETIMES'",
        "requested_refresh_mode = 'auto'",
        "diamond_consistency = ''",
        "diamond_schedule_policy = 'fast'",
        "requested_cdc_mode = 'log'",
        "refresh_tier = 'lukewarm'",
        "fuse_mode = 'blown', requested_cdc_mode = null",
        "fuse_state = 'on'",
        "post_refresh_action = 'vacuum'",
        "freshness_deadline_ms = 0",
        "status = 'WELL'",
    ],
)
def test_a_choice_that_there_is_not_is_refused(
    victim: Engine, owner: Connection, choice: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        owner.execute(f"update pgtrickle.pgt_stream_tables set {choice}")  # type: ignore[arg-type]


CLAIMED = (
    "insert into pgtrickle.pgt_dependencies"
    " (pgt_id, source_relid, source_type, source_schema, source_name, source_number)"
    " select pgt_id, 'src.item'::regclass, 'TABLE', 'src', 'item', {number}"
    " from pgtrickle.pgt_stream_tables where pgt_schema = 'reader'"
)


def test_who_may_not_read_a_source_keeps_none_of_its_changes(
    stranger: Connection, victim: Engine, owner: Connection
) -> None:
    with pytest.raises(DENIED):
        stranger.execute(CLAIMED.format(number=0))  # type: ignore[arg-type]
    with pytest.raises(DENIED):
        stranger.execute(
            "update pgtrickle.pgt_dependencies set source_relid = 'src.item'::regclass"
        )
    goes_on(victim, owner)


def test_who_may_not_put_triggers_on_a_source_is_not_called_by_its_writers(
    stranger: Connection,
    owner: Connection,
    writer: Connection,
    connect: Connect,
    engine_as: EngineAs,
) -> None:
    engine_as("owner").create_stream_table(
        "marts.live", "select id, v from src.item", refresh_mode="IMMEDIATE"
    )
    stranger.execute("create table reader.called (query text)")
    # As a version before this one let it be written.
    connect().execute(CLAIMED.format(number="null"))  # type: ignore[arg-type]
    stranger.execute(
        "update pgtrickle.pgt_stream_tables set refresh_mode = 'IMMEDIATE'"
        " where pgt_schema = 'reader'"
    )
    (number,) = stranger.execute(
        "select pgt_id from pgtrickle.pgt_stream_tables where pgt_schema = 'reader'"
    ).fetchone() or (0,)
    stranger.execute(
        f"create function pgtrickle_state.maintain_{number}(boolean) returns void"  # type: ignore[arg-type]
        " language sql security definer as 'insert into reader.called select current_query()';"
        f"grant execute on function pgtrickle_state.maintain_{number}(boolean) to public"
    )
    writer.execute("insert into src.item values (2, 2)")
    assert stranger.execute("select * from reader.called").fetchall() == []
    assert owner.execute("select id from marts.live order by id").fetchall() == [(1,), (2,)]


def test_who_may_not_read_a_stream_table_does_not_keep_it_from_being_dropped(
    stranger: Connection, victim: Engine, connect: Connect
) -> None:
    claimed = CLAIMED.format(number="null").replace("src.item", "marts.t")
    claimed = claimed.replace("'src', 'item'", "'marts', 't'")
    with pytest.raises(DENIED):
        stranger.execute(claimed)  # type: ignore[arg-type]
    with pytest.raises(DENIED):
        stranger.execute("update pgtrickle.pgt_dependencies set source_relid = 'marts.t'::regclass")
    stranger.execute("grant select on reader.t to public")  # so that its owner sees it
    # As a version before this one let it be written.
    superuser = connect()
    superuser.execute(claimed)  # type: ignore[arg-type]
    victim.drop_stream_table("marts.t")
    assert stranger.execute("select id from reader.t").fetchall() == []


def test_who_may_no_longer_read_a_stream_table_does_not_keep_it_from_being_dropped(
    stranger: Connection, victim: Engine, owner: Connection
) -> None:
    owner.execute("grant select on marts.t to pgt_test_reader")
    stranger.execute("select pgtrickle.create_stream_table('reader.of_t', 'select v from marts.t')")
    stranger.execute("grant select on reader.of_t to public")
    with pytest.raises(STILL_READ, match=r"stream tables read it: reader\.of_t"):
        victim.drop_stream_table("marts.t")
    owner.execute("revoke select on marts.t from pgt_test_reader")
    victim.drop_stream_table("marts.t")


VIEWS = {
    "a view": "create view marts.seen as select id from src.item",
    "a view of a view": (
        "create view src.beneath as select id from src.item;"
        "create view marts.seen as select id from src.beneath"
    ),
    "an invoker's view of a view": (
        "create view src.beneath as select id from src.item;"
        "grant select on src.beneath to pgt_test_reader;"
        "create view marts.seen with (security_invoker) as select id from src.beneath"
    ),
}


@pytest.mark.parametrize("view", VIEWS)
def test_who_may_read_a_view_has_stream_tables_of_what_it_reads(
    stranger: Connection, victim: Engine, owner: Connection, view: str
) -> None:
    owner.execute(VIEWS[view])  # type: ignore[arg-type]
    owner.execute("grant select on marts.seen to pgt_test_reader")
    stranger.execute(
        "select pgtrickle.create_stream_table('reader.v', 'select id from marts.seen')"
    )
    owner.execute("insert into src.item values (2, 2)")
    stranger.execute("select pgtrickle.refresh_stream_table('reader.v')")
    assert stranger.execute("select id from reader.v order by 1").fetchall() == [(1,), (2,)]
    goes_on(victim, owner)


BLIND_VIEWS = {
    "of one's own": "create view reader.blind as select id from marts.t",
    "of an invoker's view": (
        "create view reader.beneath with (security_invoker) as select id from marts.t;"
        "create view reader.blind as select id from reader.beneath"
    ),
    "an invoker's": "create view reader.blind with (security_invoker) as select id from marts.t",
}


@pytest.mark.parametrize("view", BLIND_VIEWS)
def test_a_view_that_may_not_read_a_table_gives_no_claim_to_it(
    stranger: Connection, victim: Engine, view: str
) -> None:
    stranger.execute(BLIND_VIEWS[view])  # type: ignore[arg-type]
    claimed = CLAIMED.format(number="null").replace("src.item", "marts.t")
    with pytest.raises(DENIED):
        stranger.execute(claimed)  # type: ignore[arg-type]
