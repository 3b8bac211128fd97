"""The statements of small refreshes are functions, which a session plans once."""

from __future__ import annotations

from itertools import combinations

import psycopg
import pytest

from pgtrickle.engine import Engine

TOTALS = "select customer, sum(amount) as s, count(*) as n from orders group by 1"
BOTH = (
    "select c.region, sum(o.amount) as s from orders o join customers c on c.id = o.customer"
    " group by 1"
)


def programs(engine: Engine) -> dict[str, int]:
    """Names of the programs there are, with the versions of their catalog rows."""
    rows = engine.connection.execute(
        "select proname, xmin::text::bigint from pg_proc"
        " where pronamespace = 'pgtrickle_state'::regnamespace and proname ~ '^(delta|pending)_'"
    ).fetchall()
    return dict(rows)


def touch(engine: Engine, rows: int = 3) -> None:
    engine.connection.execute(f"update orders set amount = amount + 1 where id <= {rows}")


def test_programs_are_made_once_and_used_again(engine: Engine) -> None:
    engine.create_stream_table("totals", TOTALS, refresh_mode="DIFFERENTIAL")
    touch(engine)
    engine.refresh("totals")
    made = programs(engine)
    assert sorted(made) == ["delta_1_0_128", "pending_1"]
    for _ in range(3):
        touch(engine)
        assert engine.refresh("totals").action == "DIFFERENTIAL"
    assert programs(engine) == made
    assert engine.verify("totals").equal


def test_there_is_one_for_each_set_of_changed_sources(engine: Engine) -> None:
    engine.create_stream_table("both", BOTH, refresh_mode="DIFFERENTIAL")
    run = engine.connection.execute
    for statements in (
        ["update customers set region = 'r9' where id = 1"],
        ["update orders set amount = 5 where id = 1"],
        ["update customers set region = 'r8' where id = 2", "delete from orders where id = 3"],
    ):
        for statement in statements:
            run(statement)
        assert engine.refresh("both").action == "DIFFERENTIAL"
        assert engine.verify("both").equal
    assert sorted(programs(engine)) == [
        "delta_1_0_128",
        "delta_1_1_128",
        "delta_1_all_128",
        "pending_1",
    ]


@pytest.mark.parametrize(("customers", "ordered"), [(3, "12"), (14, "8")])
def test_fewer_tables_are_ordered_at_a_time_where_a_join_has_many(
    engine: Engine, customers: int, ordered: str
) -> None:
    names = [f"c{i}" for i in range(customers)]
    joins = " ".join(f"join customers {c} on {c}.id = o.customer" for c in names)
    query = (
        f"select o.amount, {', '.join(f'{c}.region as {c}' for c in names)} from orders o {joins}"
    )
    engine.create_stream_table("regions", query, refresh_mode="DIFFERENTIAL")
    touch(engine)
    assert engine.refresh("regions").action == "DIFFERENTIAL"
    (settings,) = engine.connection.execute(
        "select proconfig from pg_proc where proname ~ '^delta_1_'"
    ).fetchone() or ([],)
    assert f"join_collapse_limit={ordered}" in settings
    assert f"from_collapse_limit={ordered}" in settings
    assert engine.verify("regions").equal


def test_many_changes_that_are_few_of_the_table_have_a_program(engine: Engine) -> None:
    run = engine.connection.execute
    run("insert into orders select 100 + i, 1 + i % 9, i from generate_series(1, 200000) i")
    engine.create_stream_table("totals", TOTALS, refresh_mode="DIFFERENTIAL")
    run("analyze orders")
    touch(engine, 1700)  # each goes and comes
    assert engine.refresh("totals").action == "DIFFERENTIAL"
    assert sorted(programs(engine)) == ["delta_1_0_16384", "pending_1"]
    assert engine.verify("totals").equal


@pytest.mark.parametrize(("inserted", "made"), [(1000, "delta_1_0_2048"), (5000, None)])
def test_many_changes_are_planned_for_what_they_are(
    engine: Engine, inserted: int, made: str | None
) -> None:
    engine.create_stream_table("totals", TOTALS, refresh_mode="DIFFERENTIAL")
    engine.connection.execute(
        f"insert into orders select 100 + i, 1 + i % 9, i from generate_series(1, {inserted}) i"
    )
    assert engine.refresh("totals").action == "DIFFERENTIAL"
    assert sorted(programs(engine)) == sorted({"pending_1", made} - {None})
    assert engine.verify("totals").equal


@pytest.mark.parametrize(
    "change",
    [
        "alter table marts.totals rename to sums",
        "alter table marts.totals set schema public",
        "alter schema marts rename to shops",
        (
            "alter table orders rename to old; create table orders (like old including all);"
            " insert into orders select * from old where id < 40"
        ),
        "alter table orders add column note text",
        "create index on orders (customer)",
        "alter table orders alter column amount type numeric(12, 2)",
    ],
)
def test_a_program_does_not_outlive_what_it_was_made_from(engine: Engine, change: str) -> None:
    engine.connection.execute("create schema marts")
    engine.create_stream_table("marts.totals", TOTALS, refresh_mode="DIFFERENTIAL")
    touch(engine)
    engine.refresh("marts.totals")
    engine.connection.execute(change)
    name = engine.connection.execute(
        "select n.nspname || '.' || c.relname from pgtrickle.pgt_stream_tables s"
        " join pg_class c on c.oid = s.pgt_relid join pg_namespace n on n.oid = c.relnamespace"
    ).fetchone()
    assert name is not None
    for _ in range(2):
        touch(engine)
        engine.refresh(name[0])
        assert engine.verify(name[0]).equal


def test_a_source_that_has_grown_is_planned_for_anew(engine: Engine) -> None:
    engine.create_stream_table("totals", TOTALS, refresh_mode="DIFFERENTIAL")
    touch(engine)
    engine.refresh("totals")
    before = programs(engine)
    engine.connection.execute(
        "insert into orders select 100 + i, 1 + i % 9, i from generate_series(1, 60000) i"
    )
    engine.refresh("totals")
    touch(engine)
    engine.refresh("totals")
    after = programs(engine)
    assert after.keys() >= before.keys()
    assert all(after[name] != before[name] for name in before)
    assert engine.verify("totals").equal


def test_programs_go_with_their_table(engine: Engine) -> None:
    engine.create_stream_table("totals", TOTALS, refresh_mode="DIFFERENTIAL")
    touch(engine)
    engine.refresh("totals")
    engine.drop_stream_table("totals")
    assert programs(engine) == {}


def test_only_the_owner_may_run_a_program(engine: Engine, other: psycopg.Connection) -> None:
    engine.create_stream_table("totals", TOTALS, refresh_mode="DIFFERENTIAL")
    touch(engine)
    engine.refresh("totals")
    rows = engine.connection.execute(
        "select p.proname, p.proowner = s.pgt_owner, p.prosecdef,"
        " (select bool_or(a.grantee = 0) from aclexplode(p.proacl) a)"
        " from pg_proc p, pgtrickle.pgt_stream_tables s"
        " where pronamespace = 'pgtrickle_state'::regnamespace and proname ~ '^(delta|pending)_'"
    ).fetchall()
    assert len(rows) == 2
    assert all(row[1:] == (True, False, False) for row in rows)


def test_an_error_over_changes_alone_is_none_of_the_query(engine: Engine) -> None:
    engine.create_stream_table("shares", "select id, 100 / amount as share from orders")
    run = engine.connection.execute
    touch(engine)
    engine.refresh("shares")
    run("update orders set amount = 0 where id = 7")
    with pytest.raises(Exception, match="division by zero"):
        engine.refresh("shares")
    run("update orders set amount = 4 where id = 7")
    engine.refresh("shares")
    assert engine.verify("shares").equal


def test_a_search_path_that_would_be_sql_is_a_path(engine: Engine) -> None:
    engine.connection.execute(
        "select set_config('search_path', %s, false)",
        ["public, x/**/as/**/$$begin/**/end$$;drop/**/table/**/customers;--"],
    )
    engine.create_stream_table("totals", TOTALS, refresh_mode="DIFFERENTIAL")
    touch(engine)
    assert engine.refresh("totals").action == "DIFFERENTIAL"
    assert "pending_1" in programs(engine)
    assert engine.connection.execute("select count(*) > 0 from customers").fetchone() == (True,)
    assert engine.verify("totals").equal


THREE = (
    "select o.id, c.region, r.name from orders o join customers c on c.id = o.customer"
    " left join regions r on r.code = c.region"
)


def test_what_has_not_changed_is_left_out(engine: Engine) -> None:
    run = engine.connection.execute
    run("create table regions (code text primary key, name text)")
    run("insert into regions select 'r' || i, 'region ' || i from generate_series(0, 9) i")
    engine.create_stream_table("three", THREE, refresh_mode="DIFFERENTIAL")
    for region in ("r5", "r6"):
        run(f"update customers set region = '{region}' where id = 1")
        run("update regions set name = name || '!' where code = 'r5'")
        assert engine.refresh("three").action == "DIFFERENTIAL"
        assert engine.verify("three").equal
    ((order,),) = run(
        "select array_position(array(select source_relid from pgtrickle.pgt_dependencies"
        " where source_number is not null order by source_number), 'orders'::regclass::oid) - 1"
    )
    (name,) = {name for name in programs(engine) if name.startswith("delta")}
    assert str(order) not in name.removeprefix("delta_1_").removesuffix("_128")


def test_what_was_left_out_is_looked_at_for_late_changes(engine: Engine) -> None:
    run = engine.connection.execute
    run("create table regions (code text primary key, name text)")
    engine.create_stream_table("three", THREE, refresh_mode="DIFFERENTIAL")
    ((statement, buffer),) = run(
        "select pgtrickle._delta_sql(s.pgt_relid, p.plan, d.relids, '0,2', '{9,9,9}'),"
        " format('pgtrickle_changes.changes_%s_0', d.relids[2])"
        " from pgtrickle.pgt_stream_tables s join pgtrickle.pgt_plans p using (pgt_id)"
        " cross join (select array_agg(source_relid order by source_number) as relids"
        " from pgtrickle.pgt_dependencies where source_number is not null) d"
    )
    delta, _, end = statement.rpartition(" from outcome o")
    assert "where false" in delta.partition("changes_1 as")[2].partition("changes_2 as")[0]
    assert f"exists (select from {buffer} b" in delta.rpartition("pg_current_snapshot()")[2]
    assert end == ""


def test_there_are_not_ever_more_sets(engine: Engine) -> None:
    run = engine.connection.execute
    names = [f"part_{i}" for i in range(6)]
    for name in names:
        run(f"create table {name} (id int primary key, v int); insert into {name} values (1, 1)")
    joined = " ".join(f"join {name} using (id)" for name in names[1:])
    items = ", ".join(f"{name}.v as {name}" for name in names)
    query = f"select id, {items} from part_0 {joined}"
    engine.create_stream_table("wide", query, refresh_mode="DIFFERENTIAL")
    for changed in [*combinations(names, 2), *combinations(names, 3), names]:
        for name in changed:
            run(f"update {name} set v = v + 1")
        assert engine.refresh("wide").action == "DIFFERENTIAL"
    assert engine.verify("wide").equal
    made = [name for name in programs(engine) if name.startswith("delta")]
    assert len(made) == 25
    assert "delta_1_all_128" in made


def test_a_program_of_an_earlier_version_is_made_anew(engine: Engine) -> None:
    engine.create_stream_table("totals", TOTALS, refresh_mode="DIFFERENTIAL")
    touch(engine)
    engine.refresh("totals")
    engine.connection.execute(
        "drop function pgtrickle_state.pending_1;"
        "create function pgtrickle_state.pending_1(pg_snapshot, xid8, bigint, out n bigint)"
        " language sql as 'select 0::bigint'"
    )
    touch(engine)
    assert engine.refresh("totals").action == "DIFFERENTIAL"
    assert engine.verify("totals").equal


def test_sets_of_sources_are_named_by_their_numbers(engine: Engine) -> None:
    def which(*changes: int) -> object:
        return engine.connection.execute(
            "select pgtrickle._which_delta(%s::bigint[])", [list(changes)]
        ).fetchone()

    assert which(3) == ("0",)
    assert which(0, 0) == ("time",)
    assert which(0, 3) == ("1",)
    assert which(1, 0, 7) == ("0,2",)
    assert which(1, 1, 7) == ("*",)


def test_a_name_of_many_sources_is_still_a_name(engine: Engine) -> None:
    def name(which: str, partly: list[bool] | None = None) -> str:
        ((found,),) = engine.connection.execute(
            "select pgtrickle._delta_program_name(7, %s, 128, %s)", [which, partly]
        )
        return found

    assert name("0,2") == "delta_7_0_and_2_128"
    assert name("*", [True, False, True]) == "delta_7_all_128_0_2"
    many = [",".join(map(str, range(first, 20))) for first in (0, 1)]
    assert len({name(which)[:63] for which in many}) == 2
