"""Capture from the write-ahead log, by a worker process on a real server."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.conftest import OTHERS, PROGRAMS, SETTINGS, restart
from tests.runtime.waiting import PATIENCE

import pgtrickle
from pgtrickle.embedded import server
from pgtrickle.engine import Engine
from pgtrickle.worker import connection, wal

from .conftest import SOURCE, Worker
from .test_worker import wait_until

StartWorker = Callable[..., Worker]

MODES = "select string_agg(distinct cdc_mode, ',') from pgtrickle.pgt_cdc_status"
LAST = (
    "select action, reason from pgtrickle.pgt_refresh_history where initiated_by = 'SCHEDULER'"
    " and action <> 'NO_DATA' order by refresh_id desc limit 1"
)


def prepare(engine: Engine) -> None:
    engine.connection.execute("alter table src replica identity full")
    engine.connection.execute("insert into src select i, i from generate_series(1, 50) i")


@pytest.fixture
def ready(own_engine: Engine) -> Engine:
    """An engine whose source can be read from the log."""
    prepare(own_engine)
    return own_engine


@pytest.fixture
def ready_alone(servers_directory: Path, server_version: str) -> Iterator[Engine]:
    """The same where nobody else works: a new slot waits for transactions of all databases."""
    home = servers_directory / f"alone-{server_version}-{uuid.uuid4().hex[:8]}"
    with (
        server(home, postgres=OTHERS.get(server_version), settings=SETTINGS) as postgres,
        pgtrickle.connect(postgres.dsn) as engine,
    ):
        engine.install()
        engine.connection.execute(SOURCE)
        prepare(engine)
        yield engine


def create(engine: Engine, name: str = "t", query: str = "select id, v from src") -> None:
    engine.create_stream_table(name, query, schedule="1s", cdc_mode="wal")


def moved(engine: Engine, mode: str = "WAL") -> None:
    wait_until(engine, MODES, mode)


def current(engine: Engine, *names: str) -> None:
    """Wait until the worker alone has brought the tables up to date."""
    for name in names:
        end = time.monotonic() + PATIENCE
        while not (verdict := engine.verify(name)).equal:
            assert time.monotonic() < end, verdict
            time.sleep(0.1)


@pytest.mark.every_server
def test_changes_come_from_the_log(ready: Engine, database: str, start_worker: StartWorker) -> None:
    create(ready)
    ready.create_stream_table(
        "sums", "select v % 7 as k, count(*) as n, sum(v) as total from src group by 1",
        schedule="1s", cdc_mode="wal",
    )  # fmt: skip
    start_worker("--dsn", database, "--poll", "0.2")
    moved(ready)
    assert ready.session.rows(
        "select count(*) from pg_trigger where tgname like 'pgtrickle_capture%'"
    ) == [(0,)]
    assert ready.session.rows(
        "select source_relid = 'src'::regclass::oid::bigint, wal_status"
        " from pgtrickle.slot_health()"
    ) == [(True, "reserved")]
    for statement in (
        "insert into src select i, i from generate_series(100, 200) i",
        "update src set v = v + 1 where id % 3 = 0",
        "update src set id = id + 1000 where id < 10",
        "delete from src where id % 5 = 0",
        (
            "begin; insert into src values (5000, 1);"
            " savepoint s; insert into src values (5001, 1); rollback to s;"
            " insert into src values (5002, 2); commit"
        ),
        "begin; delete from src; rollback",
    ):
        ready.connection.execute(statement)
        current(ready, "t", "sums")
    assert ready.session.rows(LAST) == [("DIFFERENTIAL", None)]
    ready.connection.execute("truncate src; insert into src values (1, 1)")
    current(ready, "t", "sums")


def test_a_change_in_the_log_is_seen_before_the_schedule(
    ready: Engine, database: str, start_worker: StartWorker
) -> None:
    create(ready)
    ready.session.rows("select pgtrickle.alter_stream_table('t', schedule => '1h')")
    start_worker("--dsn", database, "--on-change")
    moved(ready)
    ready.connection.execute("insert into src values (100, 1); delete from src where id < 10")
    wait_until(ready, "select (count(*), max(id))::text from t", "(42,100)")
    assert ready.session.rows(LAST) == [("DIFFERENTIAL", None)]


def reinitialised(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.session.rows(
        "select pgt_id, reason from pgtrickle.pgt_refresh_history where action = 'REINITIALIZE'"
    )


def test_every_kind_of_value_and_row_is_read(
    ready: Engine, database: str, start_worker: StartWorker
) -> None:
    """Large values that an update leaves alone, NULLs, types of every kind, partitions, 2PC."""
    ready.connection.execute(
        "create type mood as enum ('sad', 'so so');"
        "create domain small as integer check (value < 1000);"
        'create table "Mixed ""Case"" Name.s" (id integer, part integer not null, large text,'
        '  exact numeric, "At Time" timestamptz, js jsonb, flags bit(3), code char(5), arr text[],'
        "  mood mood, span int4range, raw bytea, d small, f float8) partition by list (part);"
        'create table part_1 partition of "Mixed ""Case"" Name.s" for values in (1);'
        'create table part_2 partition of "Mixed ""Case"" Name.s" default;'
        "alter table part_1 replica identity full; alter table part_2 replica identity full;"
        'alter table "Mixed ""Case"" Name.s" replica identity full'
    )
    create(ready, "t", 'select * from "Mixed ""Case"" Name.s"')
    start_worker("--dsn", database, "--poll", "0.2")
    moved(ready)
    ready.connection.execute(
        """
        insert into "Mixed ""Case"" Name.s" select i, i % 3,
            (select string_agg(md5((i * j)::text), '') from generate_series(1, 300) j),
            1.50, now(), '{"a": null}', b'101', 'ab', array['x', null, '{"'], 'so so', '[1,5)',
            '\\x00ff', 7, 'nan' from generate_series(1, 9) i;
        insert into "Mixed ""Case"" Name.s" (part) values (1), (2);
        """
    )
    current(ready, "t")
    ready.connection.execute(
        'begin; update "Mixed ""Case"" Name.s" set exact = 1.5, code = E\'\\t\\\\\', f = 0.1 + 0.2;'
        "prepare transaction 'wal test'"
    )
    ready.connection.execute("set synchronous_commit = off")
    ready.connection.execute('update "Mixed ""Case"" Name.s" set part = part + 1 where id = 20')
    time.sleep(0.5)
    ready.connection.execute("commit prepared 'wal test'")
    ready.connection.execute('update "Mixed ""Case"" Name.s" set part = part + 1 where id > 3')
    current(ready, "t")
    assert ready.session.rows(LAST) == [("DIFFERENTIAL", None)]
    assert reinitialised(ready) == []


def test_who_refreshes_by_hand_recomputes_and_nothing_is_lost_or_doubled(
    ready: Engine, database: str, start_worker: StartWorker
) -> None:
    create(ready)
    worker = start_worker("--dsn", database, "--poll", "0.2")
    moved(ready)
    worker.stop()
    connection = ready.connection
    connection.execute("insert into src values (1001, 1)")
    done = ready.refresh("t")
    assert (done.action, "log" in str(done.reason)) == ("FULL", True)
    assert ready.verify("t").equal
    with connection.transaction():  # its own changes, before and after
        connection.execute("insert into src values (1002, 1)")
        ready.refresh("t")
        connection.execute("insert into src values (1003, 1)")
    connection.execute("insert into src values (1004, 1)")
    start_worker("--dsn", database, "--poll", "0.2")
    current(ready, "t")
    connection.execute("delete from src where id > 1000")
    current(ready, "t")
    assert ready.session.rows(LAST) == [("DIFFERENTIAL", None)]


@pytest.mark.slow
def test_moving_there_and_back_under_writers_and_killed_workers(
    ready: Engine, database: str, start_worker: StartWorker
) -> None:
    create(ready)
    stop = threading.Event()
    failures: list[Exception] = []

    def write(seed: int) -> None:
        chance = random.Random(seed)
        try:
            with psycopg.connect(database, autocommit=True) as session:
                while not stop.is_set():
                    with session.transaction():
                        for _ in range(chance.randint(1, 3)):
                            session.execute(
                                chance.choice(
                                    (
                                        "insert into src values (%(n)s, 1) on conflict do nothing",
                                        "update src set v = v + 1 where id = %(n)s",
                                        "delete from src where id = %(n)s",
                                    )
                                ),
                                {"n": seed * 1000 + chance.randrange(60)},
                            )
        except psycopg.Error as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    try:
        for mode, shown in (("wal", "WAL"), ("trigger", "TRIGGER"), ("auto", "WAL")):
            ready.alter_stream_table("t", cdc_mode=mode)
            for _ in range(2):
                worker = start_worker("--dsn", database, "--poll", "0.2")
                moved(ready, shown)
                time.sleep(1)
                worker.stop(signal.SIGKILL)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert failures == []
    start_worker("--dsn", database, "--poll", "0.2")
    current(ready, "t")
    assert reinitialised(ready) == []


def test_a_lost_slot_is_made_anew_and_what_was_missed_is_found(
    ready: Engine, database: str, start_worker: StartWorker
) -> None:
    create(ready)
    worker = start_worker("--dsn", database, "--poll", "0.2")
    moved(ready)
    worker.stop()
    ready.connection.execute(
        "select pg_drop_replication_slot(slot_name) from pgtrickle.pgt_wal_slot"
    )
    ((alert,),) = ready.session.rows("select alert from pgtrickle.check_cdc_health()")
    assert alert.startswith("replication_slot_missing")
    ready.connection.execute("insert into src values (1001, 1)")
    worker = start_worker("--dsn", database, "--poll", "0.2")
    worker.logged("event=slot_lost")
    worker.logged("event=slot_created")
    current(ready, "t")
    ready.connection.execute("insert into src values (1002, 1)")
    current(ready, "t")
    assert ready.session.rows(LAST) == [("DIFFERENTIAL", None)]


def test_what_can_no_longer_be_read_from_the_log_goes_back_to_triggers(
    ready: Engine, database: str, start_worker: StartWorker
) -> None:
    create(ready)
    with psycopg.connect(database, autocommit=True) as listening:
        listening.execute("listen pg_trickle_cdc_transition")
        start_worker("--dsn", database, "--poll", "5")
        moved(ready)
        ready.connection.execute("alter table src replica identity default")
        ready.connection.execute("update src set v = v + 1")
        moved(ready, "TRIGGER")
        current(ready, "t")
        ready.connection.execute("notify pg_trickle_cdc_transition, 'null'")  # the last one
        told = []
        for one in listening.notifies(timeout=PATIENCE):
            if one.payload == "null":
                break
            told.append(json.loads(one.payload))
    assert [(one["old_mode"], one["new_mode"]) for one in told] == [
        ("TRIGGER", "WAL"),
        ("WAL", "TRIGGER"),
    ]
    assert {one["source_table"] for one in told} == {"public.src"}
    wait_until(ready, "select blocked_reason ~ 'replica identity full'"
        " from pgtrickle.wal_source_status()", True)  # fmt: skip
    ready.connection.execute("update src set v = v + 1")
    current(ready, "t")
    wait_until(ready, "select count(*) from pg_publication", 0)  # nobody needs it any more
    assert ready.session.rows("select slot_name from pgtrickle.pgt_wal_slot") == []


def test_an_immediate_reader_keeps_its_source_with_triggers(
    ready: Engine, database: str, start_worker: StartWorker
) -> None:
    create(ready)
    start_worker("--dsn", database, "--poll", "0.2")
    moved(ready)
    ready.create_stream_table("i", "select count(*) as n from src", refresh_mode="IMMEDIATE")
    with ready.connection.transaction():
        ready.connection.execute("insert into src values (1001, 1)")
        assert ready.session.rows("select n from i") == [(51,)]
    moved(ready, "TRIGGER")
    ready.connection.execute("insert into src values (1002, 1)")
    assert ready.session.rows("select n from i") == [(52,)]
    current(ready, "t")


@pytest.mark.parametrize(
    ("statement", "query", "message"),
    [
        ("", "select * from src", "alter table public.src replica identity full"),
        (
            (
                "create table g (id integer, twice integer generated always as (id * 2) stored);"
                "alter table g replica identity full"
            ),
            "select twice from g",
            "column twice of public.g is generated",
        ),
        (
            (
                "create domain small as integer check (value < 10);"
                "create table d (id integer, v small[]); alter table d replica identity full"
            ),
            "select v from d",
            r"has type public\.small\[\]",
        ),
    ],
)
def test_what_cannot_be_read_from_the_log_is_refused_with_what_mends_it(
    own_engine: Engine, statement: str, query: str, message: str
) -> None:
    own_engine.connection.execute(statement or "select")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=message):
        create(own_engine, query=query)


MEGABYTE = "select pg_logical_emit_message(true, 'ballast', repeat('x', 1 << 20))"
"""Of log, flushed."""


def set_to(engine: Engine, **settings: str) -> None:
    for name, value in settings.items():
        engine.connection.execute(
            "update pgtrickle.settings set value = %s where name = %s", (value, name)
        )


def events(listening: psycopg.Connection[Any], *wanted: str) -> list[dict[str, Any]]:
    """What was told, until each of the wanted events was."""
    found: list[dict[str, Any]] = []
    for told in listening.notifies(timeout=PATIENCE):
        found.append(json.loads(told.payload))
        if set(wanted) <= {one["event"] for one in found}:
            return found
    raise AssertionError(found)


def test_a_lag_is_alarmed_and_caught_up_with(
    ready: Engine, database: str, start_worker: StartWorker
) -> None:
    create(ready)
    worker = start_worker("--dsn", database, "--poll", "0.2")
    moved(ready)
    current(ready, "t")
    worker.stop()
    set_to(ready, slot_lag_warning_threshold_mb="1")
    ready.connection.execute("insert into src values (1001, 1)")
    ready.connection.execute(MEGABYTE)
    ((alert,),) = ready.session.rows("select alert from pgtrickle.check_cdc_health()")
    assert alert.startswith("slot_lag_exceeds_threshold")
    ((retained,),) = ready.session.rows("select retained_wal_bytes from pgtrickle.slot_health()")
    assert retained > 1 << 20
    with psycopg.connect(database, autocommit=True) as listening:
        listening.execute("listen pg_trickle_alert")
        worker = start_worker("--dsn", database, "--poll", "0.2")
        told = events(listening, "slot_lag_warning")
    (warning, *_) = (one for one in told if one["event"] == "slot_lag_warning")
    ((slot,),) = ready.session.rows("select slot_name from pgtrickle.pgt_wal_slot")
    assert (warning["slot_name"], warning["lag_bytes"] > 1 << 20) == (slot, True)
    worker.logged("event=slot_lag_warning")
    current(ready, "t")
    assert reinitialised(ready) == []


def waits_for(engine: Engine, transaction: psycopg.Connection[Any]) -> None:
    """Wait until somebody waits for the end of this transaction."""
    (xid,) = transaction.execute("select pg_current_xact_id()::xid::text").fetchone() or ()
    waiting = (
        "select exists (select from pg_locks where locktype = 'transactionid' and not granted"
        f" and transactionid::text = '{xid}')"
    )
    wait_until(engine, waiting, True)


@pytest.mark.every_server
def test_a_slot_that_cannot_be_decoded_is_made_anew(
    ready_alone: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL builds the first snapshot of a new slot without what was committed early in its
    making: a transaction that began late in it is decoded without those definitions, and fails."""
    ready, database = ready_alone, ready_alone.connection.info.dsn
    monkeypatch.setattr(wal, "CREATING", f"{PATIENCE}s")
    caplog.set_level("INFO", "pgtrickle")
    create(ready)
    ready.connection.execute("create table other (id int); create table noise (id int)")
    with (
        contextlib.closing(wal.Wal(lambda: connection.connect(database))) as log,
        pgtrickle.connect(database) as reading,
        psycopg.connect(database) as early,
        psycopg.connect(database) as middle,
        psycopg.connect(database) as late,
    ):
        early.execute("insert into noise values (1)")
        making = threading.Thread(target=log.keep, args=(reading,))
        making.start()
        waits_for(ready, early)
        middle.execute("insert into noise values (1)")
        ready.connection.execute("truncate other")
        early.rollback()
        waits_for(ready, middle)
        late.execute("insert into other values (1)")
        middle.rollback()
        making.join()
        assert ready.session.rows(MODES) == [("WAL",)]
        late.commit()
        ready.connection.execute("insert into src values (2001, 1)")
        for _ in range(wal.PERSISTENT - 1):
            with pytest.raises(psycopg.errors.InternalError_, match="could not map file"):
                log.keep(reading)
        log.keep(reading)
        assert [one.message for one in caplog.records][-2:] == ["slot_lost", "slot_created"]
        log.keep(reading)
        with log.decoded(reading):
            reading.session.rows("select pgtrickle._refresh_scheduled('t')")
        assert ready.verify("t").equal
        ready.connection.execute("insert into src values (2002, 1)")
        with log.decoded(reading):
            ((action,),) = reading.session.rows(
                "select action from pgtrickle._refresh_scheduled('t')"
            )
        assert action == "DIFFERENTIAL"
        assert ready.verify("t").equal


class Clock:
    """One that goes on when it is told."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.slow
def test_a_transaction_that_stays_open_has_the_log_read_less_often(
    ready_alone: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All since its beginning is read each time, what was decoded before as well."""
    ready, database = ready_alone, ready_alone.connection.info.dsn
    clock = Clock()
    decode = wal.decoding.decode

    def decode_for_a_second(*given: Any) -> Any:
        clock.now += 1
        return decode(*given)

    monkeypatch.setattr(wal, "time", clock)
    monkeypatch.setattr(wal.decoding, "decode", decode_for_a_second)
    create(ready)
    with (
        contextlib.closing(wal.Wal(lambda: connection.connect(database))) as log,
        pgtrickle.connect(database) as reading,
        psycopg.connect(database) as open_transaction,
    ):
        log.keep(reading)
        assert ready.session.rows(MODES) == [("WAL",)]
        open_transaction.execute("insert into src values (2001, 1)")
        set_to(ready, slot_lag_warning_threshold_mb="1")
        ready.connection.execute(MEGABYTE)
        ready.connection.execute(MEGABYTE)
        with log.decoded(reading):
            pass
        with log.decoded(reading):
            pass
        assert log.rests
        ready.connection.execute("insert into src values (2002, 1)")
        log.keep(reading)  # leaves the log alone
        assert ready.session.rows("select pending_rows from pgtrickle.change_buffer_sizes()") == [
            (0,)
        ]
        ((alert,),) = ready.session.rows("select alert from pgtrickle.check_cdc_health()")
        assert alert.startswith("slot_lag_held")
        assert f"session {open_transaction.info.backend_pid}" in alert
        clock.now += 1 / wal.SHARE
        assert not log.rests
        with log.decoded(reading):
            pass
        assert ready.session.rows("select pending_rows from pgtrickle.change_buffer_sizes()") == [
            (1,)
        ]


@pytest.mark.slow
def test_a_lag_past_bearing_gives_the_slot_up_and_tables_are_recomputed(
    ready: Engine, database: str, start_worker: StartWorker
) -> None:
    create(ready)
    worker = start_worker("--dsn", database, "--poll", "0.2")
    moved(ready)
    current(ready, "t")
    worker.stop()
    set_to(ready, slot_lag_critical_threshold_mb="1")
    ready.connection.execute("insert into src values (1001, 1)")
    ready.connection.execute(MEGABYTE)
    with psycopg.connect(database, autocommit=True) as listening:
        listening.execute("listen pg_trickle_alert")
        worker = start_worker("--dsn", database, "--poll", "0.2")
        told = events(listening, "slot_lost", "reinitialize_needed")
    # Others write the log of this server too: it would be given up again and again.
    set_to(ready, slot_lag_critical_threshold_mb="1024")
    of_event = {one["event"]: one for one in told}
    assert "bytes of log wait" in of_event["slot_lost"]["reason"]
    assert of_event["reinitialize_needed"]["st"] == "public.t"
    worker.logged("event=slot_created")
    current(ready, "t")
    assert "may have been missed" in str(reinitialised(ready)[0][1])
    ready.connection.execute("insert into src values (1002, 1)")
    current(ready, "t")
    assert ready.session.rows(LAST) == [("DIFFERENTIAL", None)]


def test_a_server_that_is_restarted_or_crashes_loses_and_doubles_nothing(
    servers_directory: Path, start_worker: StartWorker
) -> None:
    settings = {**SETTINGS, "fsync": "on", "wal_level": "logical"}
    with server(servers_directory / "log", postgres=PROGRAMS, settings=settings) as postgres:
        with pgtrickle.connect(postgres.dsn) as engine:
            engine.install()
            engine.connection.execute(SOURCE)
            engine.connection.execute("alter table src replica identity full")
            create(engine)
            engine.create_stream_table(
                "sums", "select v % 3 as k, count(*) as n from src group by 1",
                schedule="1s", cdc_mode="wal",
            )  # fmt: skip
            worker = start_worker("--dsn", postgres.dsn, "--poll", "0.2")
            moved(engine)
        for life, crash in enumerate((False, True), start=1):
            with pgtrickle.connect(postgres.dsn) as engine:
                engine.connection.execute(
                    "insert into src select 1000 * %s + i, i from generate_series(1, 500) i",
                    (life,),
                )
                if crash:
                    engine.connection.execute("set synchronous_commit = off")
                engine.connection.execute("update src set v = v + 1")
            restart(postgres, crash=crash)
            worker.logged("event=serving", times=1 + life, seconds=60)
            with pgtrickle.connect(postgres.dsn) as engine:
                current(engine, "t", "sums")
                engine.connection.execute("delete from src where id % 2 = 0")
                current(engine, "t", "sums")
                assert engine.session.rows(LAST) == [("DIFFERENTIAL", None)]
                assert reinitialised(engine) == []
