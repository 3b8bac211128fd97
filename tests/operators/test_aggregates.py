"""Aggregates that are carried forward print what PostgreSQL's own do, digit by digit."""

from __future__ import annotations

import random

import psycopg
import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

SCHEMA = """
    create table t (
        g integer, i2 smallint, i4 integer, i8 bigint, n numeric, m numeric(12, 3), b boolean,
        bits bit(5), v interval, money money
    );
"""
FUNCTIONS = {
    "variance": "variance var_samp var_pop stddev stddev_samp stddev_pop",
    "bit": "bit_and bit_or bit_xor",
    "sum": "sum avg",
    "distinct": "count sum avg",
}
COLUMNS = {
    "variance": "i2 i4 i8 n m",
    "bit": "i2 i4 i8 bits",
    "sum": "i2 i4 i8 n m v",
    "distinct": "i2 i4 i8 m",
}
VALUES = (
    ("-32768", "32767", "0", "1", "-1", "7", "null"),
    ("-2147483648", "2147483647", "0", "1", "-1", "12", "null"),
    ("-9223372036854775808", "9223372036854775807", "0", "3", "-5", "null"),
    ("0", "0.000", "1.5", "-2.25", "1e20", "3.14159265358979", "100", "'NaN'", "null"),
    ("0", "1.125", "-3.3", "123456789.001", "0.001", "null", "'NaN'"),
    ("true", "false", "null"),
    ("B'00000'", "B'11111'", "B'10101'", "B'00111'", "null"),
    ("'1 day'", "'24 hours'", "'-1 mon'", "'0.000001 s'", "null"),
    ("1.10", "-2", "0", "null"),
)


def row(dice: random.Random) -> str:
    group = dice.choice(("null", "1", "2", "3"))
    # Infinities and NaN are rare, or every group would have one.
    values = [dice.choice([v for v in of if v != "'NaN'" or dice.random() < 0.05]) for of in VALUES]
    return f"({', '.join([group, *values])})"


def change(dice: random.Random) -> str:
    match dice.randrange(6):
        case 0:
            keep = dice.random()
            return f"delete from t where random() > {keep} and g = {dice.randint(1, 3)}"
        case 1:
            return f"update t set g = nullif(g % 3 + 1, {dice.randint(1, 3)}) where i4 < 2"
        case 2:
            return "update t set n = n / 3, m = m / 2, i4 = i4 / 2, i2 = i2 / 3 where i8 > 0"
        case 3:
            return "delete from t where n = 'NaN' or m = 'NaN'"
    return f"insert into t values {', '.join(row(dice) for _ in range(dice.randint(1, 6)))}"


def queries() -> dict[str, str]:
    found = {}
    for family, functions in FUNCTIONS.items():
        once = "distinct " if family == "distinct" else ""
        calls = [
            f"{function}({once}{column}) as {function}_{column}"
            for function in functions.split()
            for column in COLUMNS[family].split()
        ]
        found[family] = f"select g, {', '.join(calls)} from t group by g"
        found[f"{family} of all"] = f"select {', '.join(calls)} from t"
    found["filtered"] = (
        "select g, variance(i4) filter (where b) a, bit_or(i4) filter (where not b) b,"
        " sum(distinct i4) filter (where i8 > 0) c, stddev(n) filter (where n < 100) d,"
        " bit_xor(i8) filter (where b is null) e, sum(money) f, bit_and(distinct i2) h,"
        " regr_count(i4, i8) i, every(b) j, bool_or(distinct b) k from t group by g"
    )
    return found


@pytest.mark.parametrize("family", queries())
def test_carried_forward_and_exact(family: str, engine: Engine) -> None:
    engine.connection.execute(SCHEMA)
    dice = random.Random(family)
    engine.connection.execute(f"insert into t values {', '.join(row(dice) for _ in range(30))}")
    engine.create_stream_table("st", queries()[family], refresh_mode="DIFFERENTIAL")
    assert "carried forward from stored state" in "\n".join(engine.explain("st").tree)
    for cycle in range(15):
        for _ in range(dice.randint(1, 3)):
            engine.connection.execute(change(dice))
        if cycle == 10:
            engine.connection.execute("delete from t")
        done = engine.refresh("st")
        assert done.action in ("DIFFERENTIAL", "NO_DATA"), done
        verdict = engine.verify("st")
        assert verdict.equal, (cycle, verdict.differences)


def test_float_aggregates_are_aggregated_afresh(engine: Engine) -> None:
    """They round at every row: what is carried forward is no result that PostgreSQL may give."""
    engine.connection.execute(
        "create table f (g integer, x float8, y float8);"
        "insert into f select i % 3, 0.1 * i, 1e15 / i from generate_series(1, 50) i"
    )
    calls = "sum(x) a, avg(y) b, variance(x) c, stddev_pop(y) d, covar_pop(x, y) e,"
    calls += " corr(x, y) f, regr_slope(x, y) h, regr_r2(y, x) i, regr_sxx(x, y) j"
    engine.create_stream_table(
        "st", f"select g, {calls} from f group by g", refresh_mode="DIFFERENTIAL"
    )
    assert "aggregated afresh" in "\n".join(engine.explain("st").tree)
    for sql in ("delete from f where x < 1", "insert into f values (1, 1e30, 1), (4, 1, null)"):
        engine.connection.execute(sql)
        assert engine.refresh("st").action == "DIFFERENTIAL"
        assert engine.verify("st").equal


SCALES = "select g, sum(n) s, avg(n) a, var_pop(n) v, stddev(n) d from t group by g"


def test_a_scale_beyond_what_a_power_of_ten_can_tell(engine: Engine) -> None:
    engine.connection.execute("create table t (g integer, n numeric)")
    engine.create_stream_table("st", SCALES, refresh_mode="DIFFERENTIAL")
    for sql in (
        "insert into t values (1, 1.50), (1, 2), (2, 1e-12000)",
        "insert into t values (1, 3e-11000), (1, 4.125)",
        "update t set n = n / 7 where n > 2",
        "delete from t where scale(n) > 100",
        "insert into t values (1, 5e-5000), (2, 1)",
        "delete from t where scale(n) > 100",
    ):
        engine.connection.execute(sql)
        assert engine.refresh("st").action == "DIFFERENTIAL"
        assert engine.verify("st").equal


INFINITE = (
    "select g, sum(v) s, avg(v) a from t group by g",
    "select sum(v) s, avg(v) filter (where g > 1) a from t",
)


def test_intervals_come_to_be_infinite_and_finite_again(engine: Engine) -> None:
    if engine.connection.info.server_version < 170000:
        infinite, error = "2000 days", None
    else:
        infinite, error = "infinity", psycopg.errors.DatetimeFieldOverflow
    engine.connection.execute("create table t (id serial, g integer, v interval)")
    for i, query in enumerate(INFINITE):
        engine.create_stream_table(f"st_{i}", query, refresh_mode="DIFFERENTIAL")
    for sql in (
        f"insert into t (g, v) values (1, '1 day'), (2, '{infinite}'), (2, null), (3, '1 mon')",
        f"update t set v = '{infinite}' where g = 1; update t set v = '2 days' where g = 2",
        f"insert into t (g, v) values (1, '{infinite}'), (1, '3 h'); delete from t where id = 1",
        f"delete from t where v = '{infinite}'; insert into t (g, v) values (3, '-{infinite}')",
        "delete from t where g = 3",
    ):
        engine.connection.execute(sql)
        for i in range(len(INFINITE)):
            assert engine.refresh(f"st_{i}").action == "DIFFERENTIAL"
            assert engine.verify(f"st_{i}").equal
    if error is not None:
        engine.connection.execute("insert into t (g, v) values (5, 'infinity'), (5, '-infinity')")
        with pytest.raises(error):
            engine.connection.execute("select pgtrickle.refresh_stream_table('st_0')")
        engine.connection.execute("delete from t where v = '-infinity'")
        assert engine.refresh("st_0").action == "DIFFERENTIAL"
        assert engine.verify("st_0").equal
