"""What callers give as text: names, schedules, settings."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("s.t", ("s", "t")),
        ("t", ("public", "t")),
        ("Sales.Daily Totals", ("Sales", "Daily Totals")),
        ('"Mixed ""Case"" Name.s".t', ('Mixed "Case" Name.s', "t")),
        ('S."T"', ("s", "T")),
        ('"a.b"', ("public", "a.b")),
    ],
)
def test_names_are_literal_unless_quoted(
    owner: Connection, text: str, meant: tuple[str, str]
) -> None:
    row = owner.execute("select * from pgtrickle._parse_name(%s)", [text]).fetchone()
    assert row is not None
    assert tuple(row) == meant


@pytest.mark.parametrize(
    ("text", "sqlstate", "said"),
    [
        (None, "22004", "null"),
        ("", "42602", "not the name"),
        (".t", "42602", "not the name"),
        ("s.", "42602", "not the name"),
        ("a.b.c", "42602", "more parts"),
        ('"a"."b"."c"', "42602", "more parts"),
        ('s."t', "42602", "not a valid name"),
        ("s." + "x" * 64, "42622", "63 bytes"),
    ],
)
def test_what_is_no_name_is_refused(
    owner: Connection, text: str | None, sqlstate: str, said: str
) -> None:
    with pytest.raises(psycopg.Error, match=said) as error:
        owner.execute("select pgtrickle._parse_name(%s)", [text])
    assert error.value.sqlstate == sqlstate


def test_a_name_needs_a_schema_to_be_found_in(owner: Connection) -> None:
    owner.execute("set search_path = ''")
    with pytest.raises(psycopg.errors.InvalidSchemaName, match="no schema has been selected"):
        owner.execute("select pgtrickle._parse_name('t')")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1w", 604800),
        (" 10S ", 10),
        ("", None),
        ("five", None),
        ("1h 30m", None),
        ("-5s", None),
        ("1.5h", None),
        ("* * * * *", None),
        (None, None),
    ],
)
def test_durations(owner: Connection, text: str | None, seconds: int | None) -> None:
    row = owner.execute("select pgtrickle.parse_duration_seconds(%s)", [text]).fetchone()
    assert row is not None
    assert row[0] == seconds


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("calculated", None),
        ("CALCULATED", None),
        ("5m", "5m"),
        ("60", "60"),
        ("*/5 * * * *", "*/5 * * * *"),
        ("0 30 6 1,15 jan-jun mon-fri", "0 30 6 1,15 jan-jun mon-fri"),
        ("@hourly", "@hourly"),
    ],
)
def test_schedules(owner: Connection, text: str, stored: str | None) -> None:
    row = owner.execute("select pgtrickle._parse_schedule(%s)", [text]).fetchone()
    assert row is not None
    assert row[0] == stored


@pytest.mark.parametrize(
    ("text", "sqlstate", "said"),
    [
        (None, "22004", "must not be null"),
        ("soon", "22023", "neither a duration nor a cron"),
        ("0", "22023", "shorter than the least"),
        ("* * * *", "22023", "4 fields"),
        ("60 * * * *", "22023", "not within 0 to 59"),
        ("* * 0 * *", "22023", "not within 1 to 31"),
        ("*/0 * * * *", "22023", "steps by 0"),
        ("30-10 * * * *", "22023", "not within"),
        ("* * * foo *", "22023", "not understood as month"),
        ("@sometimes", "22023", "is not one of @yearly"),
    ],
)
def test_wrong_schedules_are_refused(
    owner: Connection, text: str | None, sqlstate: str, said: str
) -> None:
    with pytest.raises(psycopg.Error, match=said) as error:
        owner.execute("select pgtrickle._parse_schedule(%s)", [text])
    assert error.value.sqlstate == sqlstate


def test_a_session_overrides_a_setting(owner: Connection) -> None:
    assert owner.execute("select pgtrickle._setting('min_schedule_seconds')").fetchone() == ("1",)
    owner.execute("set pg_trickle.min_schedule_seconds = 60")
    assert owner.execute("select pgtrickle._setting('min_schedule_seconds')").fetchone() == ("60",)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="shorter than the least"):
        owner.execute("select pgtrickle._parse_schedule('30s')")
    assert owner.execute("select pgtrickle._setting('no_such_setting')").fetchone() == (None,)
