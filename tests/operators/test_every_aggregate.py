"""Every aggregate that PostgreSQL has, asked of its own catalog, over every type it takes."""

from __future__ import annotations

import random

import psycopg
import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

COLUMNS = {
    "smallint": "a % 7",
    "integer": "nullif(a, 3)",
    "bigint": "a * 3000000000",
    "real": "a / 4.0",
    "double precision": "a * 0.1",
    "numeric": "a / 3.0",
    "money": "a::money",
    "boolean": "a % 2 = 0",
    "bit": "(a % 2)::bit(1)",
    "text": "'t' || a % 5",
    "bpchar": "'c' || a % 4",
    "bytea": "decode(lpad((a % 10)::text, 2, '0'), 'hex')",
    "date": "date '2020-01-01' + a",
    "time without time zone": "time '10:00' + a * interval '1 min'",
    "time with time zone": "timetz '10:00+02' + a * interval '1 min'",
    "timestamp without time zone": "timestamp '2020-01-01' + a * interval '1 day'",
    "timestamp with time zone": "timestamptz '2020-01-01 00:00+00' + a * interval '1 h'",
    "interval": "a * interval '1 day'",
    "oid": "(a % 9)::oid",
    "pg_lsn": "('0/' || a % 9)::pg_lsn",
    "tid": "('(0,' || 1 + a % 9 || ')')::tid",
    "inet": "('10.0.0.' || a % 9)::inet",
    "xid8": "(a % 9)::text::xid8",
    "json": "json_build_object('k', a)",
    "jsonb": "jsonb_build_object('k', a % 3)",
    "xml": "xmlelement(name x, a)",
    "int4range": "int4range(a, a + 2)",
    "int4multirange": "int4multirange(int4range(a, a + 2))",
    "integer[]": "array[a, a % 3]",
    "mood": "(array['sad', 'ok', 'glad'])[1 + a % 3]::mood",
    "pair": "row(a % 3, 'x')::pair",
}
POLYMORPHIC = {
    "anyelement": "integer",
    "anycompatible": "integer",
    "anynonarray": "text",
    "anycompatiblenonarray": "text",
    "any": "integer",
    '"any"': "integer",
    "anyarray": "integer[]",
    "anycompatiblearray": "integer[]",
    "anyenum": "mood",
    "anyrange": "int4range",
    "anymultirange": "int4multirange",
    "record": "pair",
}
BY_ORDER = ("array_agg", "string_agg", "xmlagg", "json", "jsonb", "any_value")
"""Aggregates, or how their names begin, whose value depends on the order of the rows."""
CARRIED = frozenset(
    [
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "variance",
        "var_samp",
        "var_pop",
        "stddev",
        "stddev_samp",
        "stddev_pop",
        "bool_and",
        "every",
        "bool_or",
        "bit_and",
        "bit_or",
        "bit_xor",
        "regr_count",
    ]
)
FLOATS = ("real", "double precision")


def column(type: str) -> str:
    return "c_" + type.replace(" ", "_").replace("[]", "_array")


def calls(engine: Engine) -> dict[str, str]:
    """Every aggregate of pg_catalog by its signature, as a call over the columns."""
    found = {}
    rows = engine.connection.execute(
        "select p.proname, a.aggkind, a.aggnumdirectargs,"
        " array(select format_type(t, null) from unnest(p.proargtypes::oid[])"
        " with ordinality x (t, n) order by n)"
        " from pg_catalog.pg_aggregate a join pg_catalog.pg_proc p on p.oid = a.aggfnoid"
        " where p.pronamespace = 'pg_catalog'::regnamespace order by p.oid"
    ).fetchall()
    for name, kind, direct, types in rows:
        known = [POLYMORPHIC.get(type, type) for type in types]
        if any(type not in COLUMNS for type in known) or not _exist(engine, known):
            continue
        arguments = [column(type) for type in known]
        if name.startswith(("json_object", "jsonb_object")):
            arguments[0] = "'k' || a"  # some want different keys
        signature = f"{name}({', '.join(types)})"
        if kind == "n":
            inside = ", ".join(arguments) or "*"
            order = " order by a" if name.startswith(BY_ORDER) else ""
            found[signature] = f"{name}({inside}{order})"
        elif kind == "h":
            found[signature] = f"{name}(5) within group (order by c_integer)"
        else:
            of = {"double precision[]": "array[0.25, 0.5]::float8[]"}
            given = ["0.5" if t == "double precision" else of.get(t, "") for t in types[:direct]]
            found[signature] = f"{name}({', '.join(given)}) within group (order by {arguments[-1]})"
    return found


def _exist(engine: Engine, types: list[str]) -> bool:
    if "xml" not in types:
        return True
    try:
        engine.connection.execute("select xmlelement(name x)")
    except psycopg.errors.FeatureNotSupported:
        return False
    return True


def create(engine: Engine) -> None:
    engine.connection.execute(
        "create type mood as enum ('sad', 'ok', 'glad'); create type pair as (x integer, y text)"
    )
    with_xml = _exist(engine, ["xml"])
    columns = [f"{column(type)} {type}" for type in COLUMNS if type != "xml" or with_xml]
    engine.connection.execute(
        f"create table t (g integer, a integer primary key, {', '.join(columns)})"
    )
    insert(engine, 1, 40)


def insert(engine: Engine, first: int, last: int) -> None:
    values = [value for type, value in COLUMNS.items() if type != "xml" or _exist(engine, ["xml"])]
    engine.connection.execute(
        f"insert into t select nullif(a % 4, 3), a, {', '.join(values)}"
        f" from generate_series({first}, {last}) a on conflict do nothing"
    )


def value(signature: str, sql: str) -> str:
    """A call as a value that a table can hold: rows of no named type as text."""
    return f"({sql})::text" if "record" in signature else sql


def is_carried(signature: str) -> bool:
    """Whether its groups are carried forward from stored state, as README of `delta` tells."""
    name, types = signature.removesuffix(")").split("(")
    rounds = types in FLOATS and name not in ("min", "max", "count")
    return name in CARRIED and not rounds


def change(engine: Engine, dice: random.Random, cycle: int) -> None:
    first = dice.randint(1, 60)
    insert(engine, first, first + 5)
    engine.connection.execute(f"delete from t where a % 11 = {dice.randint(0, 10)}")
    engine.connection.execute(f"update t set g = nullif(g + 1, 3) where a % 9 = {cycle}")
    if cycle == 5:
        engine.connection.execute("delete from t where g = 1")


@pytest.fixture
def every(engine: Engine) -> Engine:
    create(engine)
    return engine


def test_each_is_carried_forward_or_aggregated_afresh_and_says_so(every: Engine) -> None:
    found = calls(every)
    assert len(found) > 140
    for signature, call in found.items():
        plan = every.compile(f"select g, {value(signature, call)} as v from t group by g")
        name = signature.split("(")[0]
        if "record" in signature:  # PostgreSQL 18: the result has no type that a table can keep
            assert "pseudo-type record" in str(plan.reason), signature
            continue
        how = "carried forward" if is_carried(signature) else f"aggregated afresh ({name})"
        assert plan.mode == "DIFFERENTIAL", (signature, plan.reason)
        assert how in "\n".join(plan.tree), (signature, plan.tree)


@pytest.mark.parametrize("kind", ["carried", "afresh", "of all rows", "window"])
def test_all_are_exact(kind: str, every: Engine) -> None:
    found = {s: call for s, call in calls(every).items() if "record" not in s}
    match kind:
        case "window":
            over = "over (partition by g order by a rows between 2 preceding and current row)"
            plain = {s: c.replace(" order by a)", ")") for s, c in found.items()}
            calls_of = {s: f"{c} {over}" for s, c in plain.items() if "within group" not in c}
            query = "select a, g, {} from t"
        case "of all rows":
            calls_of, query = found, "select {} from t"
        case _:
            calls_of = {s: c for s, c in found.items() if is_carried(s) is (kind == "carried")}
            query = "select g, {} from t group by g"
    columns = ", ".join(f"{call} as v{i}" for i, call in enumerate(calls_of.values()))
    every.create_stream_table("st", query.format(columns), refresh_mode="DIFFERENTIAL")
    dice = random.Random(kind)
    for cycle in range(8):
        change(every, dice, cycle)
        done = every.refresh("st")
        assert done.action == "DIFFERENTIAL", done
        verdict = every.verify("st")
        assert verdict.equal, (cycle, verdict.differences)
