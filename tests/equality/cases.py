"""Random cases, put together: tables and views, stream tables over them, and their changes."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from tests.equality.case import Alter, Case, Run, Step, StreamTable
from tests.equality.changes import ChangeMaker, relation_of
from tests.equality.choosing import Chooser
from tests.equality.definitions import Redefining
from tests.equality.queries import QueryMaker, Relation, Value
from tests.equality.schema import Table, tables

CYCLES = 12


@st.composite
def cases(draw: st.DrawFn, maker: type[QueryMaker] = QueryMaker) -> Case:
    # Evenly distributed: hypothesis's own preference for small numbers makes dull cases here.
    return case(Chooser(draw(st.randoms(use_true_random=True)).randint), maker)


def case(
    choose: Chooser,
    maker: type[QueryMaker] = QueryMaker,
    *,
    most_streams: int = 4,
    cycles: int = CYCLES,
) -> Case:
    """A case whose views and stream tables have queries of `maker`."""
    found, setup = _tables(choose)
    relations = [relation_of(table) for table in found]
    for n in range(1, choose.number(0, 2) + 1):
        view = maker(choose, relations).query(1)
        setup.append(f"create view view_{n} as {view.sql}")
        relations.append(Relation(f"view_{n}", view.values, view.rows))
    streams: list[StreamTable] = []
    for n in range(1, choose.number(min(3, most_streams), most_streams) + 1):
        query = maker(choose, relations).query(2)
        name = f"stream_{n}"
        normals = tuple(value.type.normal if value.open else "" for value in query.values)
        streams.append(StreamTable(name, query.sql, normals))
        relations.append(Relation(name, query.same_table().values, min(query.rows, 100)))
    changes = ChangeMaker(choose, found, streams)
    steps: list[Step] = []
    for _ in range(cycles):
        steps += changes.cycle()
    return Case(tuple(setup), tuple(streams), tuple(steps))


def altered(choose: Chooser, maker: type[QueryMaker] = QueryMaker) -> Case:
    """A case of one stream table that gets one query after the other, of other rows and columns."""
    found, setup = _tables(choose)
    relations = [relation_of(table) for table in found]
    queries: list[StreamTable] = []
    while len(queries) < 6:
        stream, values = _resting(choose, maker, relations, "stream_1")
        queries.append(stream)
        if choose.chance(60):  # the same columns, and what was there twice is there once
            distinct = f"select distinct * from ({stream.query}) as d"
            either = tuple(value.type.normal for value in values)  # of equal ones
            other = StreamTable("stream_1", distinct, either, maintained=False)
            queries.insert(choose.number(1, len(queries)), other)
    changes = ChangeMaker(choose, found, queries[:1])
    steps: list[Step] = []
    for number, stream in enumerate(queries):
        if number:
            mode = choose.weighted(AUTO=30, FULL=20, IMMEDIATE=10, as_it_is=60)
            steps.append(Alter(stream, "" if mode == "as_it_is" else mode))
        for _ in range(2):
            steps += changes.cycle()
    alone = [step for step in steps if not (isinstance(step, Run) and _is_of_a_transaction(step))]
    return Case(tuple(setup), (queries[0],), tuple(alone))


def redefined(choose: Chooser, maker: type[QueryMaker] = QueryMaker) -> Case:
    """A case of stream tables, in any mode, whose sources get other definitions all the time."""
    found, setup = _tables(choose)
    relations = [relation_of(table) for table in found]
    streams = [_resting(choose, maker, relations, f"stream_{number}")[0] for number in (1, 2)]
    changes = Redefining(choose, found, streams)
    steps: list[Step] = []
    for stream in streams:
        mode = choose.weighted(AUTO=40, DIFFERENTIAL=40, IMMEDIATE=30, FULL=10)
        if mode != "AUTO":
            steps.append(Alter(stream, mode))
    for _ in range(6):
        steps += changes.cycle()
    return Case(tuple(setup), tuple(streams), tuple(steps), redefines=True)


def _resting(
    choose: Chooser, maker: type[QueryMaker], relations: list[Relation], name: str
) -> tuple[StreamTable, Sequence[Value]]:
    """A stream table, in any mode, of a query that does not read the time, and its columns."""
    while True:
        query = maker(choose, relations).query(2)
        normals = tuple(value.type.normal if value.open else "" for value in query.values)
        stream = StreamTable(name, query.sql, normals, maintained=False)
        if not stream.moves:
            return stream, query.values


def _is_of_a_transaction(step: Run) -> bool:
    return step.session != 0 or step.sql.split()[0] in ("begin", "commit", "savepoint", "rollback")


def _tables(choose: Chooser) -> tuple[list[Table], list[str]]:
    """Some tables, and the statements that create and fill them."""
    found = tables(choose)
    setup = ["create type mood as enum ('sad', 'ok', 'very happy')"]
    for table in found:
        setup += table.create()
        rows = [table.row(choose.number(0, 20000)) for _ in range(choose.number(0, 9))]
        setup += [f"insert into {table.sql_name} values {row}" for row in _distinct_ids(rows)]
    return found, setup


def _distinct_ids(rows: list[str]) -> list[str]:
    """The first row of each first value, for that may be a key."""
    return list({row.split(",")[0]: row for row in rows}.values())
