"""ANY and ALL of a subquery with every operator that compares, asked of PostgreSQL's catalog."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgtrickle.engine import Engine

COLUMNS = {
    "smallint": "a % 3",
    "integer": "a % 4",
    "bigint": "a % 5",
    "numeric": "(a % 4) / 2.0",
    "real": "a % 3",
    "double precision": "a % 4",
    "money": "(a % 3)::money",
    "text": "chr(97 + a % 4)",
    "bpchar": "chr(97 + a % 3)",
    "name": "('n' || a % 3)::name",
    '"char"': 'chr(97 + a % 3)::"char"',
    "boolean": "a % 2 = 0",
    "date": "date '2024-01-01' + a % 3",
    "time": "time '10:00' + a % 3 * interval '1 h'",
    "timestamp": "timestamp '2024-01-01' + a % 3 * interval '1 h'",
    "timestamptz": "timestamptz '2024-01-01 00:00Z' + a % 3 * interval '1 h'",
    "interval": "a % 4 * interval '1 h'",
    "uuid": "('00000000-0000-0000-0000-00000000000' || a % 4)::uuid",
    "bytea": "decode('0' || a % 4, 'hex')",
    "bit": "(a % 2)::bit(1)",
    "varbit": "(a % 4)::bit(4)::varbit",
    "inet": "('10.0.0.' || a % 3)::inet",
    "macaddr": "('08:00:2b:01:02:0' || a % 3)::macaddr",
    "oid": "(a % 4)::oid",
    "jsonb": "jsonb_build_object(chr(97 + a % 3), a % 2)",
    "jsonpath": "('$.' || chr(97 + a % 3))::jsonpath",
    "tsvector": "to_tsvector(chr(97 + a % 4))",
    "tsquery": "to_tsquery(chr(97 + a % 4))",
    "point": "point(a % 3, a % 2)",
    "box": "box(point(0, 0), point(a % 3, a % 2))",
    "circle": "circle(point(0, 0), 1 + a % 3)",
    "polygon": "polygon(box(point(0, 0), point(a % 3, 1)))",
    "lseg": "lseg(point(0, 0), point(a % 3, 1))",
    "integer[]": "array[a % 3, a % 2]",
    "text[]": "array[chr(97 + a % 3)]",
    "int4range": "int4range(a % 3, a % 5 + 3)",
    "int4multirange": "int4multirange(int4range(a % 3, a % 5 + 3))",
    "mood": "(array['sad', 'ok', 'glad'])[1 + a % 3]::mood",
    "pair": "row(a % 3, 'x')::pair",
}
POLYMORPHIC = {
    "anyarray": "integer[] text[]",
    "anycompatiblearray": "integer[] text[]",
    "anyelement": "integer",
    "anyenum": "mood",
    "anyrange": "int4range",
    "anymultirange": "int4multirange",
    "record": "pair",
}


def column(type: str) -> str:
    return "c_" + "".join(each if each.isalnum() else "_" for each in type)


def comparisons(engine: Engine) -> Iterator[tuple[str, str, str]]:
    """Every operator of pg_catalog that gives a boolean, between two columns.

    Not ``text @@ ...``, which reads a configuration that can be altered, and is recomputed.
    """
    rows = engine.connection.execute(
        "select distinct oprname, format_type(oprleft, null), format_type(oprright, null)"
        " from pg_catalog.pg_operator where oprresult = 'boolean'::regtype"
        " and oprcode::text not like 'ts_match_t_' and oprleft <> 0"
        " and oprnamespace = 'pg_catalog'::regnamespace order by 1, 2, 3"
    ).fetchall()
    types = {name: known for name in COLUMNS for known in [_spelled(engine, name)]}
    by_type = {known: name for name, known in types.items()}
    for operator, left, right in rows:
        for a in _columns(left, by_type):
            for b in _columns(right, by_type):
                if a == b or left not in POLYMORPHIC or right not in POLYMORPHIC:
                    yield column(a), operator, column(b)


def _spelled(engine: Engine, type: str) -> str:
    ((known,),) = engine.connection.execute(f"select format_type('{type}'::regtype, null)")
    return str(known)


def _columns(type: str, by_type: dict[str, str]) -> list[str]:
    if type in POLYMORPHIC:
        return POLYMORPHIC[type].split()
    return [by_type[type]] if type in by_type else []


def create(engine: Engine) -> None:
    engine.connection.execute(
        "create type mood as enum ('sad', 'ok', 'glad'); create type pair as (x integer, y text)"
    )
    columns = ", ".join(f"{column(type)} {type}" for type in COLUMNS)
    engine.connection.execute(f"create table l (id integer primary key, {columns})")
    engine.connection.execute(f"create table r (id integer, {columns})")
    insert(engine, "l", "generate_series(1, 7) a")
    insert(engine, "r", "generate_series(2, 4) a")
    engine.connection.execute("insert into l values (0); insert into r values (0)")


def insert(engine: Engine, table: str, numbers: str) -> None:
    values = ", ".join(COLUMNS.values())
    engine.connection.execute(f"insert into {table} select a, {values} from {numbers}")


CHANGES = (
    ("l", "delete from r where id in (0, 2)", "generate_series(8, 9) a"),
    ("r", "delete from l where id = 3; delete from r", "generate_series(3, 5) a"),
)


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, 16))]
)
def test_any_and_all_and_their_negations_are_exact(part: int, engine: Engine) -> None:
    create(engine)
    found = sorted(set(comparisons(engine)))
    assert len(found) > 340
    queries = []
    mine = found[part::16]
    for pack in (mine[start : start + 10] for start in range(0, len(mine), 10)):
        values = [
            f"{a} operator(pg_catalog.{sign}) {how} (select {b} from r) as v{i}_{how}"
            for i, (a, sign, b) in enumerate(pack)
            for how in ("any", "all")
        ]
        queries.append(f"select id, {', '.join(values)} from l")
        rows = [
            f"select id, {i} as i, '{negated} {how}' as how from l"
            f" where {negated} {a} operator(pg_catalog.{sign}) {how} (select {b} from r)"
            for i, (a, sign, b) in enumerate(pack)
            for negated in ("", "not")
            for how in ("any", "all")
        ]
        queries.append(" union all ".join(rows))
    for i, query in enumerate(queries):
        engine.create_stream_table(f"st_{i}", query, refresh_mode="DIFFERENTIAL")
    for table, sql, numbers in CHANGES:
        engine.connection.execute(sql)
        insert(engine, table, numbers)
        for i, query in enumerate(queries):
            assert engine.refresh(f"st_{i}").action == "DIFFERENTIAL", query
            verdict = engine.verify(f"st_{i}")
            assert verdict.equal, (query, verdict.differences)
