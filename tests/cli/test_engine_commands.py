"""What the commands ask of an engine, and what they make of its answers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

import pgtrickle
from pgtrickle import cli
from pgtrickle.explanation import Explanation, MissingIndex, SourceInfo, StateInfo
from pgtrickle.verification import Difference, Verdict

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
Run = Callable[..., int]


@dataclass(frozen=True)
class Refreshed:
    name: str
    action: str
    rows_inserted: int
    error: str | None = None


@dataclass(frozen=True)
class Installed:
    message: str = "The runtime is installed."


class Recorder:
    """An engine that notes what it is asked to do."""

    def __init__(self) -> None:
        self.dsn: str | None = None
        self.calls: list[Call] = []
        self.answers: dict[str, Callable[..., Any]] = {"install": Installed}

    def __enter__(self) -> Recorder:  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        self.calls.append(("close", (), {}))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append((name, arguments, options))
            return self.answers[name](*arguments) if name in self.answers else None

        return call


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()

    def connect(dsn: str) -> Recorder:
        recorder.dsn = dsn
        return recorder

    monkeypatch.delenv("PGTRICKLE_DSN", raising=False)
    monkeypatch.setattr(pgtrickle, "connect", connect, raising=False)
    return recorder


CREATED = {"schedule": "calculated", "refresh_mode": "AUTO", "initialize": True}


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["install"], ("install", (), {})),
        (["uninstall"], ("uninstall", (), {"force": False})),
        (["uninstall", "--force"], ("uninstall", (), {"force": True})),
        (
            ["create", "s.t", "-q", "select 1"],
            ("create_stream_table", ("s.t", "select 1"), CREATED),
        ),
        (
            [
                *("create", "t", "-q", "select 1", "--no-initialize"),
                *("--schedule", "5m", "--refresh-mode", "FULL"),
            ],
            (
                "create_stream_table",
                ("t", "select 1"),
                {"schedule": "5m", "refresh_mode": "FULL", "initialize": False},
            ),
        ),
        (
            ["alter", "t", "--schedule", "1h", "--status", "SUSPENDED"],
            ("alter_stream_table", ("t",), {"schedule": "1h", "status": "SUSPENDED"}),
        ),
        (
            ["alter", "t", "-q", "select 2"],
            ("alter_stream_table", ("t",), {"query": "select 2"}),
        ),
        (["drop", "t"], ("drop_stream_table", ("t",), {"cascade": False})),
        (["drop", "t", "--cascade"], ("drop_stream_table", ("t",), {"cascade": True})),
    ],
)
def test_a_command_asks_the_engine_once_and_closes_it(
    arguments: list[str], call: Call, engine: Recorder
) -> None:
    assert cli.run(arguments) == 0
    assert engine.calls == [call, ("close", (), {})]


def test_a_query_comes_from_a_file_or_standard_input(
    engine: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "q.sql").write_text("select 'ä'", encoding="utf-8")
    assert cli.run(["create", "t", "-f", str(tmp_path / "q.sql")]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("select 2"))
    assert cli.run(["create", "u", "-f", "-"]) == 0
    created = [arguments for name, arguments, _ in engine.calls if name == "create_stream_table"]
    assert created == [("t", "select 'ä'"), ("u", "select 2")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "t"],
        ["create", "t", "-q", "select 1", "-f", "q.sql"],
        ["create", "t", "-f", "/nonexistent"],
        ["alter", "t"],
        ["refresh"],
        ["refresh", "t", "--all"],
        ["refresh", "--all", "--with-upstreams"],
        ["verify"],
        ["verify", "t", "--all"],
        ["worker", "--poll", "0"],
        ["worker", "--log-level", "loud"],
        ["worker", "--log-format", "xml"],
    ],
)
def test_a_wrong_call_reaches_no_engine(arguments: list[str], engine: Recorder) -> None:
    assert cli.run(arguments) == 2
    assert engine.calls == []


def test_the_database_is_named_by_option_then_variable_then_libpq(
    engine: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.run(["install"])
    assert engine.dsn == ""
    monkeypatch.setenv("PGTRICKLE_DSN", "dbname=variable")
    cli.run(["install"])
    assert engine.dsn == "dbname=variable"
    cli.run(["install", "--dsn", "dbname=option"])
    assert engine.dsn == "dbname=option"


@pytest.mark.parametrize("which", [["t"], ["--all"], ["t", "--with-upstreams"]])
def test_refresh_shows_what_was_done(
    which: list[str], engine: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    done = Refreshed("t", "DIFFERENTIAL", 3)
    engine.answers = {"refresh": lambda _: done, "refresh_all": lambda *_: [done]}
    assert cli.run(["refresh", *which, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "t", "action": "DIFFERENTIAL", "rows_inserted": 3, "error": None}
    ]


def test_refresh_shows_the_others_where_one_fails(
    engine: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    done = [Refreshed("t", "NO_DATA", 0), Refreshed("u", "FULL", 0, "division by zero")]
    engine.answers = {"refresh_all": lambda: done}
    assert cli.run(["refresh", "--all"]) == 2
    shown = capsys.readouterr()
    assert "NO_DATA" in shown.out
    assert "division by zero" in shown.out
    assert "Not refreshed: u" in shown.err


@pytest.mark.parametrize(("differing", "status"), [(set(), 0), ({"b"}, 1)])
def test_verify_ends_with_1_when_a_table_differs(
    differing: set[str], status: int, engine: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.answers = {
        "status": lambda: [Verdict("a", True), Verdict("b", True)],
        "verify": lambda name: Verdict(name, name not in differing),
    }
    assert cli.run(["verify", "--all", "--json"]) == status
    assert json.loads(capsys.readouterr().out) == [
        {**asdict(Verdict("a", True)), "differences": []},
        {**asdict(Verdict("b", "b" not in differing)), "differences": []},
    ]


def test_verify_shows_the_rows_that_differ(
    engine: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    differences = (
        Difference("missing", {"id": "1", "v": None}, None, 2),
        Difference("different", {"id": "2", "v": "a"}, {"id": "2", "v": "b"}),
    )
    verdict = Verdict(
        "my t", False, 2, 0, 1, differences, "1 changed rows of u since its last refresh"
    )
    engine.answers = {"verify": lambda _: verdict}
    assert cli.run(["verify", "t"]) == 1
    assert capsys.readouterr().out == (
        "name  equal  missing  extra  different\n"
        "my t  no           2      0          1\n"
        "\n"
        "Rows of my t that differ from its query, the first of them:\n"
        "           in     copies  id  v\n"
        "missing    query       2  1   NULL\n"
        "different  query       1  2   a\n"
        "different  table       1  2   b\n"
        "\n"
        "my t awaits a refresh: 1 changed rows of u since its last refresh.\n"
        "Before you verify: pgtrickle refresh 'my t'\n"
    )


def test_status_of_a_database_without_stream_tables(
    engine: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.answers = {"status": list}
    assert cli.run(["status"]) == 0
    assert capsys.readouterr().out == "There are no stream tables.\n"
    assert cli.run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


EXPLAINED = Explanation(
    name='s."T"',
    mode="DIFFERENTIAL",
    reason=None,
    query="select 1\nfrom t",
    identity="id",
    sources=(SourceInfo("s.t", ("id", "k")),),
    tree=("group by", "  scan s.t: captured changes"),
    state=(StateInfo("s_1", ("k",), 8192, None), StateInfo("s_2", ())),
    advice=(MissingIndex("s.t", ("k",), "it is joined", "create index on s.t (k);"),),
    delta={"0": "alone", "*": "together"},
)


def test_explain_shows_operators_state_and_missing_indexes(
    engine: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.answers = {"explain": lambda _: EXPLAINED}
    assert cli.run(["explain", "t"]) == 0
    shown = capsys.readouterr().out
    assert shown == (
        'stream table     s."T"\n'
        "refresh mode     DIFFERENTIAL\n"
        "rows found by    id\n"
        "sources\n"
        "  s.t (id, k)\n"
        "operators\n"
        "  group by\n"
        "    scan s.t: captured changes\n"
        "state\n"
        "  s_1: key (k), 8 kB, unknown rows\n"
        "  s_2: no key\n"
        "missing indexes\n"
        "  create index on s.t (k);  -- it is joined\n"
        "query\n"
        "  select 1\n"
        "  from t\n"
    )


def test_explain_shows_the_sql_and_json_on_demand(
    engine: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.answers = {"explain": lambda _: EXPLAINED}
    assert cli.run(["explain", "t", "--sql"]) == 0
    shown = capsys.readouterr().out
    assert "delta for changes of s.t\nalone\n" in shown
    assert "delta for changes of several sources\ntogether\n" in shown
    assert cli.run(["explain", "t", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"][0] == {"name": "s_1", "key": ["k"], "size_bytes": 8192, "rows": None}
    assert told["delta"]["*"] == "together"


def test_a_database_that_does_not_answer_is_one_message() -> None:
    assert cli.run(["install", "--dsn", "host=/nonexistent"]) == 2
