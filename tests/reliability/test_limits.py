"""At the limits: each is kept or refused with a word, and what failed changes nothing."""

from __future__ import annotations

import psycopg
import pytest

from pgtrickle.engine import Engine, RefreshFailed

ALPHABETS = {
    "latin": "a" * 63,
    "umlauts": "ü" * 31 + "x",
    "greek": "λ" * 31 + "x",
    "hebrew": "ש" * 31 + "x",
    "han": "表" * 21,
    "emoji": "🎉" * 15 + "xyz",
}


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_names_of_63_bytes(engine: Engine, alphabet: str) -> None:
    name = ALPHABETS[alphabet]
    assert len(name.encode()) == 63
    engine.connection.execute(f'create schema "{name}"')  # type: ignore[arg-type]
    engine.connection.execute(
        f'create table "{name}"."{name}" ("{name}" integer, "{name[:-1]}" integer)'  # type: ignore[arg-type]
    )
    table = f'"{name}"."{name[1:]}"'
    query = f'select "{name}", count(*) as "{name[:-1]}" from "{name}"."{name}" group by "{name}"'
    engine.create_stream_table(table, query, refresh_mode="DIFFERENTIAL")
    engine.connection.execute(f'insert into "{name}"."{name}" values (1, 1), (1, 2)')  # type: ignore[arg-type]
    assert engine.refresh(table).action == "DIFFERENTIAL"
    assert engine.verify(table).equal
    for call in ("snapshot_stream_table", "stream_table_to_publication"):
        engine.session.rows(f"select pgtrickle.{call}(%s)", (table,))
    ((snapshot, kept),) = engine.session.rows(
        "select format('%%I.%%I', snapshot_schema, snapshot_table),"
        " to_regclass(format('%%I.%%I', snapshot_schema, snapshot_table)) is not null"
        " from pgtrickle.pgt_snapshots".replace("%%", "%"),
    )
    assert kept, snapshot
    engine.session.rows("select pgtrickle.drop_stream_table_publication(%s)", (table,))
    engine.drop_stream_table(table)


@pytest.mark.parametrize(
    ("number", "key"),
    [(800, True), pytest.param(1590, True, marks=pytest.mark.slow), (1600, False)],
)
def test_many_columns(engine: Engine, number: int, key: bool) -> None:
    columns = ", ".join(f"c{n} integer" for n in range(number))
    engine.connection.execute(
        f"create table wide ({columns} {', primary key (c0)' if key else ''})"  # type: ignore[arg-type]
    )
    last = f"c{number - 1}"
    engine.connection.execute(f"insert into wide (c0, {last}) values (1, 2)")  # type: ignore[arg-type]
    engine.create_stream_table("few", f"select {last}, count(*) as n from wide group by 1")
    engine.create_stream_table("all_of_it", "select * from wide")
    engine.connection.execute(f"insert into wide (c0, {last}) values (3, 4), (5, 4)")  # type: ignore[arg-type]
    assert engine.refresh("few").action == "DIFFERENTIAL"
    done = engine.refresh("all_of_it")
    assert done.action == ("DIFFERENTIAL" if number < 1600 else "FULL"), done
    assert engine.verify("few").equal
    assert engine.verify("all_of_it").equal


@pytest.fixture
def sums(engine: Engine) -> Engine:
    engine.connection.execute(
        "create table item (id integer primary key, kind integer, v numeric);"
        "insert into item select n, n % 100, n from generate_series(1, 5000) n"
    )
    engine.create_stream_table(
        "sums", "select kind, sum(v) as v from item group by kind", refresh_mode="DIFFERENTIAL"
    )
    engine.connection.execute("update item set v = v + 1 where id % 3 = 0")
    return engine


@pytest.mark.parametrize(
    ("setting", "code"),
    [("statement_timeout = '1ms'", "57014"), ("lock_timeout = '10ms'", "55P03")],
)
def test_a_timeout_leaves_the_table_as_it_was(
    sums: Engine, other_engine: Engine, setting: str, code: str
) -> None:
    before = sums.session.rows("select * from sums order by 1")
    with other_engine.connection.transaction():
        other_engine.session.rows("select from pgtrickle.pgt_frontiers for update")
        sums.connection.execute(f"set {setting}")  # type: ignore[arg-type]
        with pytest.raises((psycopg.Error, RefreshFailed)) as failed:
            sums.refresh("sums")
        assert failed.value.sqlstate == code  # type: ignore[attr-defined]
        sums.connection.execute("reset statement_timeout; reset lock_timeout")
    assert sums.session.rows("select * from sums order by 1") == before
    assert sums.refresh("sums").action == "DIFFERENTIAL"
    assert sums.verify("sums").equal


@pytest.mark.slow
def test_no_room_for_temporary_files(engine: Engine) -> None:
    """More than a refresh allows itself in memory, however little is allowed."""
    run = engine.connection.execute
    run("create table note (id integer primary key, body text)")
    run("insert into note select n, n from generate_series(1, 100) n")
    engine.create_stream_table("bodies", "select body, count(*) as n from note group by body")
    before = engine.session.rows("select * from bodies order by 1")
    run("insert into note select n, lpad(n::text, 1000, 'x') from generate_series(101, 200000) n")
    run("set temp_file_limit = 0; set work_mem = '64kB'")
    with pytest.raises((RefreshFailed, psycopg.errors.ConfigurationLimitExceeded)) as failed:
        engine.session.rows("select pgtrickle.refresh_stream_table('bodies')")
    assert failed.value.sqlstate == "53400"  # type: ignore[attr-defined]
    run("reset temp_file_limit; reset work_mem")
    assert engine.session.rows("select * from bodies order by 1") == before
    engine.refresh("bodies")
    assert engine.verify("bodies").equal


@pytest.mark.slow
def test_a_million_changes_in_one_transaction(sums: Engine) -> None:
    with sums.connection.transaction():
        sums.connection.execute(
            "insert into item select n, n % 1000, n from generate_series(10000, 509999) n;"
            "update item set v = v - 1 where id >= 260000"
        )
    done = sums.refresh("sums")
    assert done.changes >= 1_000_000
    assert done.action == "DIFFERENTIAL"
    assert sums.verify("sums").equal
    print(f"{done.changes} changes in {done.duration_ms:.0f} ms")


@pytest.mark.slow
def test_a_thousand_partitions(engine: Engine) -> None:
    engine.connection.execute(
        "create table event (id integer, kind integer) partition by list (kind)"
    )
    engine.connection.execute(
        "do $$ begin for n in 0 .. 999 loop execute format("
        "'create table event_%s partition of event for values in (%s)', n, n); end loop; end $$"
    )
    engine.connection.execute(
        "insert into event select n, n % 1000 from generate_series(1, 3000) n"
    )
    engine.create_stream_table("kinds", "select kind, count(*) as n from event group by kind")
    engine.connection.execute("insert into event values (1, 7), (2, 8)")
    done = engine.refresh("kinds")
    assert done.action == "DIFFERENTIAL"
    assert engine.verify("kinds").equal
    print(f"refresh over 1,000 partitions: {done.duration_ms:.0f} ms")


@pytest.mark.slow
def test_500_stream_tables_on_one_source(engine: Engine) -> None:
    engine.connection.execute(
        "create table item (id integer primary key, v integer);"
        "insert into item select n, n from generate_series(1, 100) n"
    )
    for n in range(500):
        engine.create_stream_table(f"t{n}", f"select id, v from item where v > {n % 90}")
    engine.connection.execute("update item set v = v + 1")
    done = engine.refresh_all()
    assert len(done) == 500
    assert {refresh.action for refresh in done} == {"DIFFERENTIAL"}
    assert all(engine.verify(f"t{n}").equal for n in range(0, 500, 50))


@pytest.mark.soak
def test_values_of_100_megabytes(engine: Engine) -> None:
    engine.connection.execute("create table blob (id integer primary key, v text)")
    engine.connection.execute(
        "insert into blob select n, repeat(md5(n::text), 3276800) from generate_series(1, 2) n"
    )
    engine.create_stream_table("copy", "select id, v from blob", refresh_mode="DIFFERENTIAL")
    engine.connection.execute("update blob set v = 'x' || v where id = 2")
    assert engine.refresh("copy").action == "DIFFERENTIAL"
    ((same,),) = engine.session.rows(
        "select bool_and(b.v = c.v) from blob b full join copy c using (id)"
    )
    assert same


@pytest.mark.soak
def test_ten_million_pending_changes(sums: Engine) -> None:
    sums.connection.execute(
        "insert into item select n, n % 1000, n from generate_series(10000, 5009999) n"
    )
    sums.connection.execute("update item set v = v - 1 where id >= 2510000")
    done = sums.refresh("sums")
    assert done.changes >= 10_000_000
    assert sums.verify("sums").equal
    print(f"{done.changes} changes: {done.action} in {done.duration_ms:.0f} ms")
