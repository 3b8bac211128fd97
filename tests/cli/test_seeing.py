"""`pgtrickle status`, `history` and `doctor`: what people read."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

import pgtrickle
from pgtrickle import cli
from pgtrickle.cli.status import duration, trend
from pgtrickle.engine import Engine


@pytest.fixture
def engine(installed_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("PGTRICKLE_DSN", installed_database)
    with pgtrickle.connect(installed_database) as opened:
        opened.connection.execute("create table src (id integer primary key, v integer)")
        opened.create_stream_table("inverse", "select id, 1 / v as x from src", schedule="1h")
        opened.create_stream_table("ids", "select id from src", schedule="1h")
        yield opened


def failed(engine: Engine) -> None:
    engine.connection.execute("insert into src values (1, 1), (2, 0)")
    engine.session.rows("select pgtrickle.try_refresh('inverse')")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00421, "4.2 ms"), (0.0321, "32 ms"), (1.5, "1.5 s"), (119, "119 s"), (300, "5.0 min"),
     (9000, "2.5 h"), (259200, "3.0 d")],
)  # fmt: skip
def test_a_duration_is_a_number_and_a_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_trend_is_told_where_it_is_one() -> None:
    assert [trend(ratio) for ratio in (None, 1.2, 2.0, 0.25)] == [
        None,
        "steady",
        "2.0 times slower",
        "4.0 times faster",
    ]


def test_status_shows_age_duration_and_what_is_wrong(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    failed(engine)
    assert cli.run(["status"]) == 0
    head, ids, inverse = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "mode", "refreshed", "took", "rows", "trend", "problem"]
    assert ids.startswith("public.ids")
    assert "DIFFERENTIAL" in ids
    assert " ago " in ids
    assert inverse.endswith("division by zero")


def test_the_trend_compares_the_last_ten_refreshes_with_those_before(engine: Engine) -> None:
    engine.connection.execute(
        "insert into pgtrickle.pgt_refresh_history"
        " (pgt_id, data_timestamp, start_time, end_time, action, status)"
        " select pgt_id, now(), now(), now() + case when i > 30 then interval '40 ms'"
        " else interval '10 ms' end, 'DIFFERENTIAL', 'COMPLETED'"
        " from pgtrickle.pgt_stream_tables, generate_series(1, 40) i where pgt_name = 'ids'"
    )
    ids = engine.status()[0]
    assert ids.trend == pytest.approx(4.0)
    assert ids.last_duration_ms == pytest.approx(40.0)


def test_watch_keeps_the_board_live_until_it_is_interrupted(
    engine: Engine, installed_database: str
) -> None:
    outer, inner = pty.openpty()
    watching = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pgtrickle",
            "status",
            "--watch",
            "0.1",
            "--dsn",
            installed_database,
        ],
        stdout=inner,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "140"},
        start_new_session=True,
        # A run in the background ignores the signal, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        seen = b""
        while b"public.ids" not in seen:
            seen += os.read(outer, 4096)
        failed(engine)
        while b"division by zero" not in seen:
            seen += os.read(outer, 4096)
        watching.send_signal(signal.SIGINT)
        os.set_blocking(outer, False)
        assert watching.wait(120) == 0
        assert watching.stderr is not None
        assert watching.stderr.read() == b""
    finally:
        watching.kill()
        watching.wait()
        os.close(inner)
        os.close(outer)


def test_history_tells_what_was_done_and_why(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    failed(engine)
    engine.connection.execute("delete from src where v = 0")
    engine.refresh("inverse")
    assert cli.run(["history", "inverse"]) == 0
    head, done, refused, initial = capsys.readouterr().out.splitlines()
    assert head.split() == ["when", "action", "changes", "inserted", "deleted", "took", "by", "why"]
    assert "DIFFERENTIAL" in done
    assert "FAILED" in refused
    assert refused.endswith("division by zero")
    assert initial.endswith("first population")
    assert cli.run(["history", "inverse", "--limit", "1", "--json"]) == 0
    (last,) = json.loads(capsys.readouterr().out)
    assert (last["action"], last["changes"], last["initiated_by"]) == ("DIFFERENTIAL", 1, "MANUAL")


def test_doctor_finds_what_is_wrong_and_says_what_mends_it(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    failed(engine)
    engine.connection.execute("alter table src disable trigger user")
    engine.session.rows("select pgtrickle.pause_stream_table('ids')")
    assert cli.run(["doctor"]) == 1
    said = capsys.readouterr().out
    for finding in (
        "ERROR  capture: public.src: capture_triggers_changed",
        "select pgtrickle.rebuild_cdc_triggers()",
        "ERROR  failed_refresh: public.inverse: division by zero",
        "The query itself fails on the data its sources have now",
        "ERROR  suspended_tables: public.ids",
        "WARN   scheduler_running: ",
    ):
        assert finding in said
    assert said.index("ERROR") < said.index("WARN ")


def test_doctor_is_content_with_a_database_that_is_well(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.session.rows("select pg_advisory_lock(1885829237, 1)")  # as a worker does
    assert cli.run(["doctor"]) == 0
    assert capsys.readouterr().out == "Nothing is wrong.\n"
    assert cli.run(["doctor", "--all"]) == 0
    assert "OK     capture: changes of every source are captured" in capsys.readouterr().out
