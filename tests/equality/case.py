"""A case: tables, stream tables, and what happens to them, all as SQL text.

`check` plays a case in a new database. After every refresh the stream table must equal its query
as a bag of images, and must have got there by its delta.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import psycopg

from pgtrickle.engine import Engine
from pgtrickle.errors import PgTrickleError

Databases = Callable[[], AbstractContextManager[str]]
"""Gives a new database with the runtime installed, as a DSN."""


@dataclass(frozen=True)
class StreamTable:
    """`normals` are SQL expressions over ``{}``, by column, under which the images are compared
    of columns whose equal values may print either way ('' elsewhere; () for nowhere).

    `unique` is the statement that creates a unique index on it, as users do; values that are
    swapped under it may need a recomputation. `maintained`: it must have a plan to be maintained
    by; otherwise it may have one.
    """

    name: str
    query: str
    normals: tuple[str, ...] = ()
    unique: str = ""
    maintained: bool = True

    @property
    def mode(self) -> str:
        return "DIFFERENTIAL" if self.maintained else "AUTO"

    @property
    def moves(self) -> bool:
        """Whether the query reads the time."""
        return re.search(r"\bnow\(\)|\bcurrent_date\b|\blocaltimestamp\b", self.query) is not None


@dataclass(frozen=True)
class Run:
    """A statement of one of two sessions. It may fail, and is then undone."""

    sql: str
    session: int = 0

    def __str__(self) -> str:
        return f"{self.sql};{'  -- second session' if self.session else ''}"


@dataclass(frozen=True)
class Refresh:
    """A refresh in the first session, and the comparison after it."""

    name: str

    def __str__(self) -> str:
        return f"select pgtrickle.refresh_stream_table('{self.name}');"


@dataclass(frozen=True)
class Alter:
    """Another query for the stream table of that name, in another mode if one is given."""

    stream: StreamTable
    mode: str = ""

    @property
    def name(self) -> str:
        return self.stream.name

    def __str__(self) -> str:
        mode = f", refresh_mode => '{self.mode}'" if self.mode else ""
        return (
            f"select pgtrickle.alter_stream_table('{self.name}', query => $q${self.stream.query}$q$"
            f"{mode});  -- compared under {self.stream.normals}"
        )


Step = Run | Refresh | Alter


@dataclass(frozen=True, repr=False)
class Case:
    """`redefines`: definitions of sources change, so that a table may have to begin anew, a refresh
    to wait for a lock, and a query may be none any more."""

    setup: tuple[str, ...]
    streams: tuple[StreamTable, ...]
    steps: tuple[Step, ...]
    redefines: bool = False

    def __repr__(self) -> str:
        return f"<{len(self.streams)} stream tables and {len(self.steps)} steps>"

    def __str__(self) -> str:
        creates = [
            f"select pgtrickle.create_stream_table('{s.name}', $q${s.query}$q$,"
            f" refresh_mode => '{s.mode}');  -- compared under {s.normals}"
            + (f"\n{s.unique};" if s.unique else "")
            for s in self.streams
        ]
        return "\n".join([*(f"{sql};" for sql in self.setup), *creates, *map(str, self.steps)])


class Wrong(AssertionError):  # noqa: N818 - a finding
    """What a case showed; `kind` tells one finding from another while it is being minimised."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class NotACase(Exception):  # noqa: N818
    """The case itself cannot be played: its set-up fails."""


def check(case: Case, databases: Databases) -> Counter[str]:
    """Play a case in a new database. Raises Wrong."""
    with databases() as dsn, opened(dsn) as sessions:
        return play(case, sessions)


@contextlib.contextmanager
def opened(dsn: str) -> Iterator[list[psycopg.Connection]]:
    """The two sessions of a case, or of several, whose columns have other types each time."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(psycopg.connect(dsn, autocommit=True, prepare_threshold=None))
            for _ in range(2)
        ]


def play(case: Case, sessions: list[psycopg.Connection]) -> Counter[str]:
    """Play a case; counts of what refreshes did, by action. Raises Wrong."""
    for session in sessions:
        session.execute("set lock_timeout = '150ms'")
        session.execute("set timezone = 'Europe/Berlin'")
    return _Play(case, sessions).run()


class _Play:
    def __init__(self, case: Case, sessions: list[psycopg.Connection]) -> None:
        self.case = case
        self.sessions = sessions
        self.engine = Engine(sessions[0])
        self.streams = {stream.name: stream for stream in case.streams}
        self.truncated: dict[str, bool] = dict.fromkeys(self.streams, False)
        self.modes: dict[str, str] = {}
        self.actions: Counter[str] = Counter()

    def run(self) -> Counter[str]:
        for sql in self.case.setup:
            self._set_up(sql)
        for stream in self.case.streams:
            self._create(stream)
        for step in self.case.steps:
            if isinstance(step, Run):
                self._run(step)
            elif isinstance(step, Alter):
                self._alter(step)
            else:
                self._refresh(step.name)
        for session in self.sessions:
            session.rollback()
        for stream in self.case.streams:
            self._refresh(stream.name)
        return self.actions

    def _set_up(self, sql: str) -> None:
        try:
            self.sessions[0].execute(sql)
        except psycopg.Error as error:
            raise NotACase(f"{sql}: {error}") from error

    def _create(self, stream: StreamTable) -> None:
        self._set_up(f"explain {stream.query}")
        try:
            self.engine.create_stream_table(stream.name, stream.query, refresh_mode=stream.mode)
        except (psycopg.Error, PgTrickleError) as error:
            raise Wrong("create", f"{stream.query}\ncannot be created: {error}") from error
        self._note_mode(stream)
        if stream.maintained and self.modes[stream.name] != "DIFFERENTIAL":
            raise Wrong("mode", f"{stream.query}\nhas no plan to be maintained by")
        if stream.unique:
            self.sessions[0].execute(stream.unique)
        if not self._moves(stream):  # else time has passed since
            self._compare(stream, "creation")

    def _note_mode(self, stream: StreamTable) -> None:
        ((self.modes[stream.name],),) = self.sessions[0].execute(
            "select plan ->> 'mode' from pgtrickle.pgt_plans join pgtrickle.pgt_stream_tables"
            " using (pgt_id) where pgt_name = %s",
            [stream.name],
        )

    def _alter(self, step: Alter) -> None:
        try:
            self.sessions[0].execute(f"explain {step.stream.query}")
        except psycopg.Error:
            return  # it is none
        changes = {"query": step.stream.query} | ({"refresh_mode": step.mode} if step.mode else {})
        try:
            self.engine.alter_stream_table(step.name, **changes)
        except psycopg.errors.FeatureNotSupported:
            return  # not in this mode
        except (psycopg.Error, PgTrickleError) as error:
            raise Wrong("alter", f"{step.stream.query}\nis not taken: {error}") from error
        self.streams[step.name] = step.stream
        self._note_mode(step.stream)
        self.truncated[step.name] = True  # it may begin anew
        self._compare(step.stream, "another query")

    def _moves(self, stream: StreamTable) -> bool:
        """Whether the query reads the time, or a view that does."""
        views = [sql for sql in self.case.setup if sql.startswith("create view")]
        return StreamTable("", "; ".join([stream.query, *views])).moves

    def _run(self, step: Run) -> None:
        session = self.sessions[step.session]
        controls = step.sql.split()[0] in ("begin", "commit", "rollback", "savepoint")
        redefines = self.case.redefines and step.sql.startswith("alter ")
        try:
            if _in_transaction(session) and not controls:
                with session.transaction():
                    session.execute(step.sql)
            else:
                session.execute(step.sql)
        except psycopg.Error as error:
            state = error.sqlstate or ""
            gone = self.case.redefines and state == "42P10"  # the key that ON CONFLICT names
            if (
                state[:2] not in _EXPECTED
                and not gone
                and not (redefines and state[:2] in ("0A", "42"))
            ):
                raise Wrong("statement", f"{step.sql}\nfailed: {error.sqlstate} {error}") from error
        if step.sql.startswith("truncate"):
            self.truncated = dict.fromkeys(self.truncated, True)

    def _refresh(self, name: str) -> None:
        stream = self.streams[name]
        if self._moves(stream) and not _in_transaction(self.sessions[0]):
            with self.sessions[0].transaction():
                self._refresh_and_compare(stream)
            self.truncated[name] = False
        else:
            self._refresh_and_compare(stream)

    def _refresh_and_compare(self, stream: StreamTable) -> None:
        name = stream.name
        alone = self.case.redefines and _in_transaction(self.sessions[0])
        try:
            with self.sessions[0].transaction() if alone else contextlib.nullcontext():
                done = self.engine.refresh(name)
        except (psycopg.Error, PgTrickleError) as error:
            if self.case.redefines and self._is_to_be_expected(error, stream):
                return
            raise Wrong("refresh", f"{stream.query}\n{error}") from error
        if done.action not in ("DIFFERENTIAL", "NO_DATA") and not (
            self.truncated[name]
            or self.case.redefines
            or stream.unique
            or self.modes[name] != "DIFFERENTIAL"
        ):
            raise Wrong("fallback", f"{stream.query}\nwas recomputed: {done.action}, {done.reason}")
        if not _in_transaction(self.sessions[0]):  # else the truncation may have to be seen again
            self.truncated[name] = False
        self.actions[done.action] += 1
        self.actions["rows changed"] += bool(done.rows_inserted or done.rows_deleted)
        self._compare(stream, done.action)

    def _is_to_be_expected(self, error: Exception, stream: StreamTable) -> bool:
        """Whether a refresh may fail so where a source's definition has changed: over a lock, a
        snapshot that is older than the change, or a query that is none any more."""
        if getattr(error, "sqlstate", None) in ("40001", "55P03"):
            return True
        try:
            with self.sessions[0].transaction():
                self.sessions[0].execute(stream.query)
        except psycopg.Error:
            return True
        return False

    def _compare(self, stream: StreamTable, after: str) -> None:
        expected, found = (
            self._images(stream, f"({stream.query})"),
            self._images(stream, stream.name),
        )
        missing, extra = expected - found, found - expected
        if missing or extra:
            raise Wrong(
                "difference",
                f"{stream.query}\nafter {after}: missing {dict(missing)}, too many {dict(extra)}",
            )
        if any(stream.normals):
            return
        verdict = self.engine.verify(stream.name)
        if not verdict.equal:
            raise Wrong("verify", f"{stream.query}\nafter {after}: {verdict.differences}")

    def _images(self, stream: StreamTable, relation: str) -> Counter[tuple[str | None, ...]]:
        """The rows, each column as text."""
        empty = self.sessions[0].execute(f"select * from {relation} as q limit 0")
        width = len(empty.description or ())
        normals = stream.normals or ("",) * width
        names = [f"c{i}" for i in range(1, width + 1)]
        items = [
            f"({(normal or '{}').format(name)})::text"
            for name, normal in zip(names, normals, strict=True)
        ]
        rows = self.sessions[0].execute(
            f"select {', '.join(items)} from {relation} as q ({', '.join(names)})"
        )
        return Counter(rows.fetchall())


def _in_transaction(session: psycopg.Connection) -> bool:
    return session.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS


_EXPECTED = {"21", "22", "23", "25", "3B", "40", "55"}
"""A row affected twice, data out of range, a constraint, a failed transaction, a savepoint that is
gone, a conflict of snapshots, a lock held by the other session."""


def minimised(case: Case, wrong: Wrong, databases: Databases, tries: int = 250) -> Case:
    """The smallest case found that still shows the same kind of finding."""

    def still_wrong(candidate: Case) -> bool:
        nonlocal tries
        tries -= 1
        try:
            check(candidate, databases)
        except Wrong as found:
            return found.kind == wrong.kind
        except (NotACase, psycopg.Error):
            return False
        return False

    for candidate in _with_one_stream(case):
        if still_wrong(candidate):
            case = candidate
            break
    while tries > 0:
        for candidate in _smaller(case):
            if tries <= 0:
                break
            if still_wrong(candidate):
                case = candidate
                break
        else:
            break
    return case


def _with_one_stream(case: Case) -> Iterator[Case]:
    for stream in case.streams:
        steps = tuple(s for s in case.steps if isinstance(s, Run) or s.name == stream.name)
        yield replace(case, streams=(stream,), steps=steps)


def _smaller(case: Case) -> Iterator[Case]:
    for steps in _without_a_run(case.steps):
        yield replace(case, steps=steps)
    for setup in _without_a_run(case.setup):
        yield replace(case, setup=setup)
    for streams in _without_a_run(case.streams):
        names = {stream.name for stream in streams}
        steps = tuple(s for s in case.steps if isinstance(s, Run) or s.name in names)
        yield replace(case, streams=streams, steps=steps)


def _without_a_run(items: tuple) -> Iterable[tuple]:  # type: ignore[type-arg]
    """`items` without each half, quarter, … down to each single one, from the end."""
    size = len(items)
    while size >= 1:
        for start in range(len(items) - 1, -1, -size):
            low = max(0, start - size + 1)
            yield items[:low] + items[start + 1 :]
        size //= 2
