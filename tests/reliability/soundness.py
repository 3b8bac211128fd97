"""Whether a database is in order: the catalog agrees with what is there, and nothing is left over.

Asked after everything that may go wrong in the middle: crashes, interleavings, wrong calls.
"""

from __future__ import annotations

from pathlib import Path

import psycopg

from pgtrickle.engine import Engine

_PROBLEMS = Path(__file__).with_name("soundness.sql").read_text()


def problems(connection: psycopg.Connection) -> list[str]:
    """What is wrong with catalog, captures, triggers, state and locks, in words; [] if nothing."""
    return [text for (text,) in connection.execute(_PROBLEMS).fetchall()]


def differences(engine: Engine) -> list[str]:
    """Names of the stream tables that, refreshed, do not equal their query."""
    names = engine.session.rows("select pgtrickle._in_dependency_order()")
    return [name for (name,) in names if not engine.verify(name).equal]


def assert_heals(engine: Engine) -> None:
    """One ordinary run brings everything in order: tidy, compile, refresh, compare."""
    engine.session.rows("select pgtrickle._cleanup_dropped()")
    engine.compile_pending()
    failed = [refresh for refresh in engine.refresh_all() if refresh.error is not None]
    assert failed == []
    assert differences(engine) == []
    assert problems(engine.connection) == []
