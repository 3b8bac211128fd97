"""Several sessions whose steps are played in an order that is given, as PostgreSQL's own isolation
tests do: a step either ends or is seen to wait for another session, before the next one begins.

Nothing depends on the clock. Whether a step waits is asked of the server (`pg_blocking_pids`), and
whom it waits for must be one of the sessions played.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import psycopg

STUCK = 60.0
"""Seconds after which a step that neither ends nor waits for anybody fails the test."""


@dataclass(frozen=True)
class Step:
    """One statement of a session."""

    session: str
    text: str


@dataclass
class Played:
    """What became of an interleaving."""

    order: tuple[Step, ...]
    waited: list[Step] = field(default_factory=list)
    errors: dict[str, psycopg.Error] = field(default_factory=dict)

    def code(self, session: str) -> str:
        """SQLSTATE of the session's first error; an empty text where it had none."""
        error = self.errors.get(session)
        return "" if error is None else str(error.sqlstate)

    def __str__(self) -> str:
        waited = [f"{step.session}: {step.text}" for step in self.waited]
        errors = {name: f"{error.sqlstate} {error}" for name, error in self.errors.items()}
        order = [f"{step.session}: {step.text}" for step in self.order]
        return f"order {order}, waited {waited}, errors {errors}"


def orders(one: Sequence[Step], other: Sequence[Step]) -> Iterator[tuple[Step, ...]]:
    """Every order of the steps of two sessions in which each session's own stay in order."""
    if not one or not other:
        yield (*one, *other)
        return
    for rest in orders(one[1:], other):
        yield (one[0], *rest)
    for rest in orders(one, other[1:]):
        yield (other[0], *rest)


def distinct(orders: Iterable[tuple[Step, ...]], *, keeps_snapshot: bool) -> list[tuple[Step, ...]]:
    """One of each of the orders that differ only in when a transaction begins.

    Its first step, BEGIN, touches nothing and only takes the snapshot, where one is kept. So it can
    be exchanged with any step of the other session but, where a snapshot is kept, with the commit,
    which that snapshot sees or does not.
    """
    return list(dict.fromkeys(_begun_late(order, keeps_snapshot) for order in orders))


def _begun_late(order: tuple[Step, ...], keeps_snapshot: bool) -> tuple[Step, ...]:
    steps = list(order)
    for begin in {step.session: step for step in reversed(order)}.values():
        at = steps.index(begin)
        while steps[at + 1].session != begin.session and not (
            keeps_snapshot and steps[at + 1].text == "commit"
        ):
            steps[at : at + 2] = reversed(steps[at : at + 2])
            at += 1
    return tuple(steps)


class Session:
    """A connection whose statements run in a thread of their own."""

    def __init__(self, dsn: str, name: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True, application_name=name)
        # Deadlocks are looked for at once: what they are does not depend on how long one waits.
        self.connection.execute("set deadlock_timeout = '50ms'; set client_min_messages = error")
        self.pid = self.connection.info.backend_pid
        self.waiting: tuple[Step, Future[None]] | None = None
        self._thread = ThreadPoolExecutor(1)

    def start(self, step: Step) -> None:
        def run() -> None:
            self.connection.execute(step.text)

        self.waiting = (step, self._thread.submit(run))

    def close(self) -> None:
        self._thread.shutdown()
        self.connection.close()


def play(
    dsn: str, order: Iterable[Step], *, after_step: Callable[[Step], None] = lambda step: None
) -> Played:
    """Play the steps in this order. A session that waits is passed over until it goes on; after
    an error it takes no part any more but for its last step, which ends its transaction.

    `after_step` is called whenever a step has ended or waits.
    """
    played = Played(tuple(order))
    with ExitStack() as closing, psycopg.connect(dsn, autocommit=True) as control:
        sessions: dict[str, Session] = {}
        for name in dict.fromkeys(step.session for step in played.order):
            sessions[name] = Session(dsn, name)
            closing.callback(sessions[name].close)
        pending = list(played.order)
        while pending:
            _settle(control, sessions, played)
            ready = (step for step in pending if sessions[step.session].waiting is None)
            step = next(ready, None)
            if step is None:
                _settle(control, sessions, played, until_one_goes_on=True)
                continue
            pending.remove(step)
            if step.session in played.errors and step.text != "commit":
                continue
            sessions[step.session].start(step)
            _settle(control, sessions, played)
            after_step(step)
        while any(session.waiting for session in sessions.values()):
            _settle(control, sessions, played, until_one_goes_on=True)
    return played


def _settle(
    control: psycopg.Connection,
    sessions: dict[str, Session],
    played: Played,
    *,
    until_one_goes_on: bool = False,
) -> None:
    """Wait until each statement under way has ended, or waits for another session."""
    begun = [session for session in sessions.values() if session.waiting]
    until = time.monotonic() + STUCK
    while True:
        for session in begun:
            _collect(session, played)
        open_ones = [session for session in begun if session.waiting]
        blocked = _blocked(control, open_ones, sessions)
        if len(blocked) == len(open_ones) and not (
            until_one_goes_on and len(open_ones) == len(begun)
        ):
            for session in open_ones:
                assert session.waiting is not None
                if session.waiting[0] not in played.waited:
                    played.waited.append(session.waiting[0])
            return
        assert time.monotonic() < until, f"stuck: {played}"
        time.sleep(0.002)


def _collect(session: Session, played: Played) -> None:
    if session.waiting is None or not session.waiting[1].done():
        return
    step, future = session.waiting
    session.waiting = None
    error = future.exception()
    if isinstance(error, psycopg.Error):
        played.errors.setdefault(step.session, error)
    elif error is not None:
        raise error


def _blocked(
    control: psycopg.Connection, open_ones: list[Session], sessions: dict[str, Session]
) -> list[Session]:
    if not open_ones:
        return []
    pids = [session.pid for session in sessions.values()]
    rows = control.execute(
        "select pid from unnest(%s::int[]) pid where pg_blocking_pids(pid) && %s::int[]",
        [[session.pid for session in open_ones], pids],
    ).fetchall()
    waiting = {pid for (pid,) in rows}
    return [session for session in open_ones if session.pid in waiting]
