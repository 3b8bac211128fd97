"""Chores: each has its turn, whatever the others do; and compiling, which is one of them."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

import pgtrickle
from pgtrickle.engine import Engine
from pgtrickle.worker.chores import Chore, Chores
from pgtrickle.worker.connection import connect
from pgtrickle.worker.work import Compiler


class Done:
    """Counts what was done; waits until it was done so often."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.times: dict[str, int] = {}

    def note(self, name: str) -> None:
        with self._changed:
            self.times[name] = self.times.get(name, 0) + 1
            self._changed.notify_all()

    def wait(self, name: str, times: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.times.get(name, 0) >= times, 60), self.times


@pytest.fixture
def done() -> Done:
    return Done()


def chore(
    done: Done, name: str, seconds: float = 3600, does: str = "select 1", more: bool = False
) -> Chore:
    def do(engine: Engine) -> bool:
        done.note(name)
        engine.session.rows(does)
        return more

    return Chore(name, seconds, do)


def test_each_has_its_turn_though_one_has_always_more_to_do_and_one_fails(
    database: str, done: Done
) -> None:
    chores = Chores(
        "test",
        lambda: connect(database),
        [
            chore(done, "endless", more=True),
            chore(done, "failing", 0.05, "select 1 / 0"),
            chore(done, "often", 0.05),
            chore(done, "seldom"),
        ],
    )
    chores.start()
    for name in ("endless", "failing", "often"):
        done.wait(name, 5)
    assert done.times["seldom"] == 1
    chores.stir("seldom")
    done.wait("seldom", 2)
    chores.close()


def test_a_lost_connection_is_made_anew_and_a_long_chore_cut_off(database: str, done: Done) -> None:
    opened: list[psycopg.Connection[Any]] = []

    def open_one() -> psycopg.Connection[Any]:
        opened.append(connect(database))
        return opened[-1]

    chores = Chores("test", open_one, [chore(done, "short", 0.05), chore(done, "long", 3600)])
    chores.start()
    done.wait("long", 1)
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("select pg_terminate_backend(%s)", (opened[0].info.backend_pid,))
    done.wait("short", done.times["short"] + 3)
    assert len(opened) == 2
    chores.close()
    sleeping = Chores("test", open_one, [chore(done, "sleeping", does="select pg_sleep(600)")])
    sleeping.start()
    done.wait("sleeping", 1)
    sleeping.close()  # returns


def test_one_that_cannot_be_compiled_stops_no_other(own_engine: Engine) -> None:
    for name in "abc":
        own_engine.session.rows(
            "select pgtrickle.create_stream_table(%s, 'select id from src', initialize => false)",
            (name,),
        )

    class Full(Engine):
        """Finds no room when it compiles b."""

        def compile_if_pending(self, name: str, *, lock_timeout: str | None = None) -> bool:
            if name == "public.b":
                raise psycopg.errors.DiskFull("no space left")
            return super().compile_if_pending(name, lock_timeout=lock_timeout)

    compiler = Compiler()
    assert not compiler.compile(Full(own_engine.connection))
    assert own_engine.session.rows("select pgt_name from pgtrickle._pending()") == [("b",)]
    assert not compiler.compile(own_engine)  # left alone for a while
    assert own_engine.session.rows("select pgt_name from pgtrickle._pending()") == [("b",)]


def test_compiling_does_not_wait_for_a_writer_that_does_not_end(
    own_engine: Engine, database: str
) -> None:
    own_engine.session.rows(
        "select pgtrickle.create_stream_table('t', 'select id from src', initialize => false)"
    )
    compiler = Compiler()
    with psycopg.connect(database) as writing:
        writing.execute("insert into src values (1)")
        with pgtrickle.connect(database) as other:
            assert not compiler.compile(other)
            assert other.session.rows("select count(*) from pgtrickle._pending()") == [(1,)]
