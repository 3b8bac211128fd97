"""Pausing everything and bringing it back."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server


def statuses(engine: Engine) -> dict[str, str]:
    return dict(engine.session.rows("select pgt_name, status from pgtrickle.pgt_stream_tables"))


def test_all_are_paused_and_resumed(engine: Engine) -> None:
    for name in "ab":
        engine.create_stream_table(name, "select id from src", schedule="1s")
    engine.connection.execute("select pgtrickle.pause_all()")
    assert statuses(engine) == {"a": "SUSPENDED", "b": "SUSPENDED"}
    assert engine.session.rows("select * from pgtrickle._due_times()") == []
    engine.connection.execute("select pgtrickle.resume_all()")
    assert statuses(engine) == {"a": "ACTIVE", "b": "ACTIVE"}
    assert len(engine.session.rows("select * from pgtrickle._due_times()")) == 2


def test_what_is_behind_a_blown_fuse_is_not_resumed(engine: Engine) -> None:
    engine.create_stream_table("a", "select id from src")
    engine.connection.execute(
        "update pgtrickle.pgt_stream_tables set fuse_state = 'blown', status = 'SUSPENDED';"
        "select pgtrickle.resume_all()"
    )
    assert statuses(engine) == {"a": "SUSPENDED"}


def test_tables_of_others_are_left_alone(engine: Engine) -> None:
    engine.create_stream_table("a", "select id from src")
    engine.connection.execute("create role pgt_pausing_nobody")
    engine.connection.execute("grant select on a to pgt_pausing_nobody")
    engine.connection.execute("set local role pgt_pausing_nobody")
    engine.connection.execute("select pgtrickle.pause_all()")
    engine.connection.execute("reset role")
    assert statuses(engine) == {"a": "ACTIVE"}
