"""What others lock, drop or refresh meanwhile: a worker waits for none of it where it need not, and
what it could not do is done soon after."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any

import psycopg
import pytest

import pgtrickle
from pgtrickle.engine import Engine
from pgtrickle.worker import units, work
from pgtrickle.worker.chores import HINDERED_OFTEN, Chore, Chores
from pgtrickle.worker.connection import connect
from pgtrickle.worker.cron import store_next_times
from pgtrickle.worker.wal import Wal

Session = psycopg.Connection[Any]

SOURCES = """
    create table tree (id integer, v integer) partition by list (id);
    create table tree_low partition of tree for values in (0, 1, 2);
    create table tree_rest partition of tree default;
    insert into tree select n, n from generate_series(0, 9) n;
    insert into src select n, n from generate_series(0, 9) n;
"""
TABLES = {
    "of_tree": ("select v, count(*) as n from tree group by v", {"schedule": "1s"}),
    "of_src": ("select id, v from src where v > 2", {"schedule": "1s", "cdc_mode": "auto"}),
    "at_once": ("select v, sum(id) as s from tree group by v", {"refresh_mode": "IMMEDIATE"}),
}

LOCK = (
    "select from pgtrickle.pgt_frontiers join pgtrickle.pgt_stream_tables using (pgt_id)"
    " where pgt_name = '{}' for update of pgt_frontiers"
)
"""As refresh and drop begin."""


@pytest.fixture
def served(own_engine: Engine) -> Engine:
    own_engine.connection.execute(SOURCES)
    for name, (query, options) in TABLES.items():
        own_engine.create_stream_table(name, query, **options)
    return own_engine


@pytest.fixture
def other(database: str) -> Iterator[Session]:
    """Somebody else's session; its transaction is open until it is ended."""
    with closing(psycopg.connect(database)) as session:
        yield session


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def wait_until_blocked(engine: Engine, by: Session, waiting: Future[Any]) -> None:
    """Until somebody waits for the session."""
    end = time.monotonic() + 60
    blocked = "select exists (select from pg_stat_activity where %s = any (pg_blocking_pids(pid)))"
    while engine.session.rows(blocked, (by.info.backend_pid,)) != [(True,)]:
        assert time.monotonic() < end
        if waiting.done():
            pytest.fail(f"did not wait: {waiting.result()}")
        time.sleep(0.01)


def pass_idle(engine: Engine) -> object:
    return engine.session.rows("select pgtrickle._pass_idle('{}')")


def seconds_until_due(engine: Engine) -> object:
    return engine.session.rows("select pgtrickle._seconds_until_due('{}')")


def keep_wal(engine: Engine, connect: Callable[[], Session]) -> None:
    with closing(Wal(connect)) as wal:
        wal.keep(engine)


def test_who_changes_a_source_holds_up_neither_rounds_nor_chores(
    served: Engine, other: Session, database: str
) -> None:
    other.execute("lock table tree, src in access exclusive mode")
    served.connection.execute("set lock_timeout = '2s'")
    session = served.session
    for do in (
        work.tidy,
        work.alert,
        work.empty_buffers,
        work.purge_history,
        partial(keep_wal, connect=lambda: connect(database)),
        pass_idle,
        seconds_until_due,
    ):
        do(served)  # type: ignore[operator]
    store_next_times(session)
    assert units.groups(session) is not None
    assert units.due(session) is not None
    assert units.adrift(session) == []


def test_a_refresh_locks_a_partitioned_source_before_its_partitions(
    served: Engine, other: Session, thread: ThreadPoolExecutor, database: str
) -> None:
    """As TRUNCATE, ATTACH and DROP do: who locked a partition first would deadlock with them."""
    served.connection.execute("insert into tree values (1, 7)")
    other.execute("lock table only tree in access exclusive mode")

    def refresh() -> str:
        with pgtrickle.connect(database) as engine:
            return engine.refresh("of_tree").action

    waiting = thread.submit(refresh)
    wait_until_blocked(served, other, waiting)
    other.execute("set local lock_timeout = '10s'; lock table tree_low in access exclusive mode")
    other.commit()
    assert waiting.result() == "DIFFERENTIAL"


def test_nor_does_one_that_finds_nothing_to_do_lock_any(served: Engine, other: Session) -> None:
    served.refresh("of_tree")
    other.execute("lock table tree in access exclusive mode")
    served.connection.execute("set lock_timeout = '2s'")
    assert served.refresh("of_tree").action == "NO_DATA"


def test_a_dropped_table_that_is_being_refreshed_is_forgotten_later(
    served: Engine, other: Session
) -> None:
    served.connection.execute("drop table of_src")
    named = "select count(*) from pgtrickle.pgt_stream_tables where pgt_name = 'of_src'"
    other.execute(LOCK.format("of_src"))
    served.connection.execute("set lock_timeout = '2s'")
    work.tidy(served)
    assert served.session.rows(named) == [(1,)]
    other.rollback()
    work.tidy(served)
    assert served.session.rows(named) == [(0,)]


@pytest.mark.parametrize("mode", ["DIFFERENTIAL", "IMMEDIATE"])
def test_a_capture_that_found_a_consumer_meanwhile_is_not_dropped(
    served: Engine, thread: ThreadPoolExecutor, database: str, mode: str
) -> None:
    served.connection.execute("drop table of_src")
    served.session.rows("select pgtrickle._forget_dropped()")
    ((source,),) = served.session.rows("select 'src'::regclass::oid")

    def drop() -> object:
        with pgtrickle.connect(database) as engine:
            return engine.session.rows(
                "select pgtrickle._drop_capture_if_unused(%s),"
                " pgtrickle._drop_maintenance_if_unused(%s)",
                (source, source),
            )

    with pgtrickle.connect(database) as creating:
        with creating.connection.transaction():
            creating.session.rows("select pgtrickle._lock_capture(%s)", (source,))
            waiting = thread.submit(drop)
            wait_until_blocked(served, creating.connection, waiting)
            creating.create_stream_table("later", "select id, v from src", refresh_mode=mode)
        assert waiting.result() == [(False, False)]
    served.connection.execute("insert into src values (77, 77)")
    assert served.refresh("later").action in ("DIFFERENTIAL", "NO_DATA")
    assert served.session.rows("select v from later where id = 77") == [(77,)]


def test_what_another_has_just_dropped_is_no_error(
    served: Engine, other: Session, thread: ThreadPoolExecutor, database: str
) -> None:
    ((source,),) = served.session.rows("select 'tree'::regclass::oid")
    other.execute("select from tree")
    served.alter_stream_table("at_once", refresh_mode="DIFFERENTIAL")  # its triggers stay
    other.commit()
    drop = "select pgtrickle._drop_maintenance_if_unused(%s)"
    assert other.execute(drop, (source,)).fetchall() == [(True,)]

    def drop_too() -> object:
        with pgtrickle.connect(database) as engine:
            return engine.session.rows(drop, (source,))

    waiting = thread.submit(drop_too)
    wait_until_blocked(served, other, waiting)
    other.commit()
    assert waiting.result() == [(False,)]


def test_captures_nobody_uses_are_dropped_one_in_a_transaction(served: Engine) -> None:
    """Who writes a source would else wait for the dropping of another's."""
    served.connection.execute("drop table of_tree, of_src, at_once")
    served.session.rows("select pgtrickle._forget_dropped()")
    served.connection.execute(
        "update pgtrickle.settings set value = '0' where name = 'unused_capture_seconds'"
    )
    captures = "select count(*) from pgtrickle.pgt_captures"
    assert served.session.rows(captures) == [(2,)]
    assert served.session.rows("select pgtrickle._drop_unused()") == [(True,)]
    assert served.session.rows(captures) == [(1,)]
    work.tidy(served)
    assert served.session.rows(captures) == [(0,)]
    left = "select count(*) from pg_proc where pronamespace = 'pgtrickle_changes'::regnamespace"
    assert served.session.rows(left) == [(0,)]


def test_one_of_its_name_is_created_when_that_has_ended(
    served: Engine, other: Session, thread: ThreadPoolExecutor, database: str
) -> None:
    served.connection.execute("drop table of_src")
    other.execute(LOCK.format("of_src"))

    def create() -> None:
        with pgtrickle.connect(database) as engine:
            engine.create_stream_table("of_src", "select v from src")

    waiting = thread.submit(create)
    wait_until_blocked(served, other, waiting)
    other.rollback()
    waiting.result()
    assert served.verify("of_src").equal


LATER = "select pgtrickle.create_stream_table('later', 'select id from src', initialize => false)"


def test_what_is_being_refreshed_is_compiled_as_soon_as_that_has_ended(
    served: Engine, other: Session
) -> None:
    served.session.rows(LATER)
    compiler = work.Compiler()
    pending = "select pgt_name from pgtrickle._pending()"
    other.execute(LOCK.format("later"))
    compiler.compile(served)
    assert served.session.rows(pending) == [("later",)]
    other.rollback()
    compiler.compile(served)
    assert served.session.rows(pending) == []


def test_who_drops_a_table_does_not_deadlock_with_who_compiles_it(
    served: Engine, other: Session, thread: ThreadPoolExecutor, database: str
) -> None:
    served.session.rows(LATER)
    other.execute(LOCK.format("later"))

    def compile_it() -> bool:
        with pgtrickle.connect(database) as engine:
            return engine.compile_if_pending("later")

    waiting = thread.submit(compile_it)
    wait_until_blocked(served, other, waiting)
    other.execute("select pgtrickle.drop_stream_table('later')")
    other.commit()
    assert waiting.result() is False


@pytest.mark.parametrize(
    ("sqlstate", "said"), [("40P01", "chore_hindered"), ("42P01", "chore_failed")]
)
def test_a_chore_that_others_hindered_comes_again_soon_and_is_no_warning(
    database: str, caplog: pytest.LogCaptureFixture, sqlstate: str, said: str
) -> None:
    caplog.set_level(logging.INFO, "pgtrickle.worker")
    attempts = 0

    def hindered(engine: Engine) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            engine.connection.execute(f"do $$ begin raise sqlstate '{sqlstate}'; end $$")

    chores = Chores("test", lambda: connect(database), [Chore("hindered", 3600, hindered)])
    chores.start()
    end = time.monotonic() + 60
    while not any(one.message == said for one in caplog.records) and time.monotonic() < end:
        time.sleep(0.01)
    if said == "chore_hindered":
        while attempts < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
    chores.close()
    assert [(one.message, one.levelname) for one in caplog.records] == [
        (said, "INFO" if said == "chore_hindered" else "WARNING")
    ]
    assert attempts == (2 if said == "chore_hindered" else 1)


def test_one_that_is_hindered_again_and_again_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "pgtrickle.worker")
    chore = Chore("hindered", 3600, lambda engine: None)
    for _ in range(HINDERED_OFTEN + 1):
        Chores._note(chore, psycopg.errors.lookup("55P03")("locked"))
    assert [one.levelname for one in caplog.records] == ["INFO"] * HINDERED_OFTEN + ["WARNING"]
