"""Changes known to break incremental maintenance elsewhere, each by name."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest

from tests.equality.case import Case, Databases, Refresh, Run, StreamTable, check


@dataclass(frozen=True)
class Named:
    """One query with `columns` columns, refreshed and compared after every change."""

    name: str
    setup: tuple[str, ...]
    query: str
    columns: int
    changes: tuple[str, ...]
    normals: tuple[str, ...] = ()
    unique: str = ""

    def case(self) -> Case:
        stream = StreamTable(
            "stream_1", self.query, self.normals or ("",) * self.columns, self.unique
        )
        steps: list[Run | Refresh] = []
        for change in self.changes:
            steps += [Run(sql) for sql in change.split(";")] + [Refresh("stream_1")]
        return Case(self.setup, (stream,), tuple(steps))


def keyed(type: str, *values: str) -> tuple[str, ...]:
    rows = ", ".join(f"({n}, {value})" for n, value in enumerate(values, start=1))
    return (f"create table r (id integer primary key, x {type})", f"insert into r values {rows}")


def keyless(type: str, *values: str) -> tuple[str, ...]:
    return (f"create table r (x {type})", *(f"insert into r values ({value})" for value in values))


HANDED_ON = "select id, x from r"
WITHOUT_KEY = "select x from r"

IMAGES = [
    Named("numeric_scale", keyed("numeric", "1.0", "2"), HANDED_ON, 2,
          ("update r set x = 1.00 where id = 1", "update r set x = 1.0", "update r set x = 1.000")),
    Named("numeric_scale_without_key", keyless("numeric", "1.0", "1.00", "1.0"), WITHOUT_KEY, 1,
          ("update r set x = 1.00", "delete from r where ctid = (select min(ctid) from r)",
           "update r set x = 1.0", "insert into r values (1.00)")),
    Named("negative_zero", keyed("float8", "'-0'", "0"), HANDED_ON, 2,
          ("update r set x = 0", "update r set x = '-0'", "update r set x = -x")),
    Named("negative_zero_without_key", keyless("float8", "'-0'", "0"), WITHOUT_KEY, 1,
          ("update r set x = 0", "insert into r values ('-0')", "update r set x = -x")),
    Named("json_text", keyed("json", "'{\"a\":1}'", "null"), HANDED_ON, 2,
          ("update r set x = '{\"a\": 1}'", "update r set x = null", "update r set x = 'null'")),
    Named("json_without_key", keyless("json", "'{}'", "'{}'", "'{ }'", "null"), WITHOUT_KEY, 1,
          ("update r set x = '{}'", "delete from r where x is null", "insert into r select x from r",
           "delete from r where ctid = (select min(ctid) from r)")),
    Named("jsonb_number", keyed("jsonb", "'1.0'", "'{\"a\": 1.00}'"), HANDED_ON, 2,
          ("update r set x = '1.00'", "update r set x = '{\"a\": 1.0}'")),
    Named("jsonb_without_key", keyless("jsonb", "'1.0'", "'1.00'"), WITHOUT_KEY, 1,
          ("update r set x = '1.00'", "update r set x = '1.0'")),
    Named("interval_days", keyed("interval", "'1 day'", "'1 mon'"), HANDED_ON, 2,
          ("update r set x = '24 hours'", "update r set x = '30 days'")),
    Named("point_without_key", keyless("point", "'(0,0)'", "'(1,2)'", "'(1,2)'"), WITHOUT_KEY, 1,
          ("update r set x = '(-0,0)' where x ~= '(0,0)'", "delete from r", "insert into r values ('(3,4)')")),
    Named("array_of_numeric", keyless("numeric[]", "'{1.0}'", "'{1.00}'"), WITHOUT_KEY, 1,
          ("update r set x = '{1.00}'", "update r set x = '{1.0,NULL}'")),
    Named("array_bounds", keyless("integer[]", "'{1,2}'", "'[0:1]={1,2}'"), WITHOUT_KEY, 1,
          ("update r set x = '{1,2}'", "update r set x = '[3:4]={1,2}'")),
    Named("padding", keyless("char(3)", "'a'", "'a  '", "''"), WITHOUT_KEY, 1,
          ("update r set x = 'b'", "update r set x = ''", "update r set x = null")),
    Named("bpchar_without_length", keyless("bpchar", "'a'", "'a  '"), WITHOUT_KEY, 1,
          ("update r set x = 'a '", "update r set x = 'a'")),
    Named("range_and_composite", (
              "create type pair as (a numeric, b text)",
              "create table r (x pair, y int4range)",
              "insert into r values ((1.0, 'x'), '[1,2]'), ((1.00, 'x'), 'empty'), (null, null)"),
          "select x, y from r", 2,
          ("update r set x = (1.00, 'x')", "update r set x = null, y = '[1,3)'")),
    Named("row_that_is_null_and_row_of_nulls", (
              "create type pair as (a integer, b text)", "create table r (x pair)",
              "insert into r values (null), (row(null, null))"),
          WITHOUT_KEY, 1, ("update r set x = row(null, null) where x is not distinct from null",
                           "update r set x = null")),
    Named("bit_and_bytea", ("create table r (x bytea, y varbit, z uuid)",
                            r"insert into r values ('\x00', '101', null), ('\x00', '101', null)"),
          "select x, y, z from r", 3, (r"update r set x = '\x0000'", "update r set y = ''")),
    Named("nondeterministic_collation", (
              "create collation loose (provider = icu, locale = 'und-u-ks-level2',"
              " deterministic = false)",
              "create table r (x text collate loose)", "insert into r values ('a'), ('A'), ('b')"),
          WITHOUT_KEY, 1, ("update r set x = 'A'", "update r set x = 'a'", "insert into r values ('A')")),
]  # fmt: skip

GROUPS = [
    Named("null_keys", ("create table r (a integer, b text)",
                        "insert into r values (null, 'x'), (null, null), (1, null), (null, 'x')"),
          "select a, b, count(*) as n, sum(a) as s from r group by a, b", 4,
          ("delete from r where a is null and b is null", "update r set a = null",
           "update r set b = null", "insert into r values (null, null), (1, 'x')", "delete from r")),
    Named("sum_scale", keyed("numeric", "1.0", "1.00", "1.0000"),
          "select sum(x) as s, avg(x) as a, count(x) as n from r", 3,
          ("delete from r where id = 3", "delete from r where id = 2", "update r set x = 1.000000",
           "update r set x = null", "delete from r", "insert into r values (1, 1), (2, 0.00)")),
    Named("sum_scale_negative", keyed("numeric", "1e5", "-0.00", "0.000"),
          "select id % 2 as k, sum(x) as s from r group by 1", 2,
          ("delete from r where id = 3", "update r set x = -x", "update r set x = trim_scale(x)")),
    Named("sum_infinities", keyed("numeric", "'NaN'", "'Infinity'", "1.5", "'-Infinity'"),
          "select sum(x) as s, avg(x) as a, max(x) as m, min(x) as l from r", 4,
          ("delete from r where id = 1", "delete from r where id = 2", "delete from r where id = 4",
           "insert into r values (5, 'NaN')", "update r set x = 2.50 where id = 5", "delete from r")),
    Named("sum_float", keyed("float8", "'NaN'", "'Infinity'", "0.5", "'-0'"),
          "select sum(x) as s, avg(x) as a, count(x) as n from r", 3,
          ("delete from r where id = 1", "delete from r where id = 2", "delete from r where id = 3",
           "delete from r")),
    Named("sum_cancels_beyond_float", keyed("float8", "1e300", "1", "-1e300"),
          "select sum(x) as s from r where id <> 3 or x < 0", 1,
          ("delete from r where id = 1", "update r set x = 1 where id = 3")),
    Named("sum_beyond_bigint", keyed("bigint", "9223372036854775807", "9223372036854775807", "-1"),
          "select sum(x) as s, avg(x) as a from r", 2,
          ("delete from r where id = 3", "delete from r where id = 1", "update r set x = -x")),
    Named("sum_smallint", keyed("smallint", "32767", "32767", "null"),
          "select sum(x) as s, avg(x) as a, max(x) as m from r", 3,
          ("update r set x = -32768", "delete from r where id = 2", "update r set x = null")),
    Named("sum_money_and_interval", ("create table r (id int primary key, x money, y interval)",
              "insert into r values (1, 1.5, '1 day'), (2, 2.5, '24 hours'), (3, null, null)"),
          "select sum(x) as s, sum(y) as t, avg(y) as a, max(x) as m from r", 4,
          ("delete from r where id = 1", "update r set y = '1 mon'", "delete from r")),
    Named("extremes_leave", keyed("integer", "1", "5", "5", "3"),
          "select min(x) as l, max(x) as m, count(*) as n from r", 3,
          ("delete from r where id = 2", "delete from r where id = 3", "update r set x = 9 where id = 1",
           "update r set x = null", "update r set x = id", "delete from r where x = 1")),
    Named("extremes_of_groups", keyed("text", "'b'", "'a'", "null", "'B'"),
          "select id % 2 as k, min(x) as l, max(x) filter (where x <> 'b') as m from r group by 1", 3,
          ("update r set x = 'c' where x = 'b'", "delete from r where id = 2", "update r set id = id + 1",
           "update r set x = null")),
    Named("booleans", keyed("boolean", "true", "false", "null", "true"),
          "select bool_and(x) as a, bool_or(x) as o, every(x) filter (where id > 1) as e from r", 3,
          ("delete from r where not x", "update r set x = not x", "update r set x = null",
           "delete from r")),
    Named("count_distinct", keyed("numeric", "1.0", "1.00", "null", "2"),
          "select count(distinct x) as d, count(x) as n, count(*) as a from r", 3,
          ("delete from r where id = 1", "update r set x = null where id = 2", "update r set x = 2.0")),
    Named("having_comes_and_goes", keyed("integer", "1", "1", "2"),
          "select x, count(*) as n from r group by x having count(*) > 1", 2,
          ("update r set x = 2 where id = 2", "update r set x = 1", "delete from r", 
           "insert into r values (1, 7), (2, 7)")),
    Named("aggregate_of_aggregate", keyed("integer", "1", "1", "2"),
          "select max(n) as most, count(*) as groups from (select x, count(*) as n from r group by x) as g", 2,
          ("update r set x = 2 where id = 2", "update r set x = null", "delete from r",
           "insert into r values (1, 7), (2, 7)")),
    Named("grouped_by_primary_key", keyed("integer", "1", "1", "2"),
          "select a.id, a.x, count(*) as n from r a join r b using (x) group by a.id", 3,
          ("update r set x = 2 where id = 2", "delete from r where id = 3", "update r set id = id + 1")),
    Named("constant_key", keyed("integer", "1", "2"), "select 'all' as k, sum(x) as s from r group by 1", 2,
          ("delete from r", "insert into r values (1, 1)")),
    Named("distinct_scale", keyed("numeric", "1.0", "1.00", "2"), "select distinct x from r", 1,
          ("delete from r where id = 1", "insert into r values (1, 1.000)", "update r set x = 2.0"),
          normals=("trim_scale({})",)),
    Named("grouped_by_interval", keyed("interval", "'1 day'", "'24 hours'"),
          "select x, count(*) as n from r group by x", 2,
          ("delete from r where id = 1", "update r set x = '1 day'", "delete from r"),
          normals=("extract(epoch from {})", "")),
    Named("grouped_by_nondeterministic_collation", (
              "create collation loose (provider = icu, locale = 'und-u-ks-level2',"
              " deterministic = false)",
              "create table r (x text collate loose)", "insert into r values ('a'), ('A'), ('b')"),
          "select x, count(*) as n from r group by x", 2,
          ("update r set x = 'A' where x = 'b'", "delete from r", "insert into r values ('B'), ('b')"),
          normals=('lower({} collate "C")', "")),
    Named("group_empties_and_returns_in_one_refresh", keyed("integer", "1", "2"),
          "select x, count(*) as n, min(id) as l from r group by x", 3,
          ("delete from r;insert into r values (1, 1), (2, 2)", "delete from r;insert into r values (5, 1)",
           "update r set x = 3 - x;update r set x = 3 - x")),
]  # fmt: skip

CHANGES = [
    Named("keys_swapped", keyed("text", "'a'", "'b'"), HANDED_ON, 2,
          ("update r set id = -id;update r set id = id + 3", "update r set id = id + 10")),
    Named("key_given_to_another_row", keyed("text", "'a'", "'b'"), HANDED_ON, 2,
          ("delete from r where id = 1;update r set id = 1 where id = 2;insert into r values (2, 'c')",)),
    Named("same_row_many_times", keyed("integer", "1"), HANDED_ON, 2,
          (";".join(["update r set x = x + 1"] * 20), "update r set x = x - 20;update r set x = x + 20")),
    Named("came_and_went", keyed("integer", "1"), HANDED_ON, 2,
          ("insert into r values (2, 2);delete from r where id = 2", "delete from r;insert into r values (1, 1)")),
    Named("cascade", (
              "create table s (id integer primary key)",
              "create table r (id integer primary key,"
              " x integer references s on delete cascade on update cascade)",
              "insert into s values (1), (2)", "insert into r values (1, 1), (2, 1), (3, 2)"),
          "select s.id, r.id as r from s join r on r.x = s.id", 2,
          ("update s set id = 5 where id = 1", "delete from s where id = 5", "delete from s")),
    Named("written_by_triggers", (
              "create table r (id integer primary key, x integer)", "create table s (id integer, x integer)",
              "create function copy() returns trigger language plpgsql as"
              " $$begin insert into s values (new.id, new.x); new.x := new.x + 1; return new; end$$",
              "create trigger copy before insert or update on r for each row execute function copy()"),
          "select r.id, s.x from r join s using (id)", 2,
          ("insert into r values (1, 1), (2, 2)", "update r set x = 7", "update s set x = x + 1")),
    Named("deferred_swap", ("create table r (id integer primary key deferrable initially deferred, x text)",
                            "insert into r values (1, 'a'), (2, 'b')"), HANDED_ON, 2,
          ("update r set id = 3 - id", "begin;update r set id = 2 where x = 'b';update r set id = 1 where x = 'a'"
           ";update r set id = 7 where x = 'b';commit")),
    Named("column_names", ('create table r ("select" integer, "a b" text, "Ü""" integer primary key)',
                           "insert into r values (1, 'a', 1), (1, 'b', 2)"),
          'select "select" as "from", "a b" as "A b", "Ü""" as "x.y", count(*) as " n" from r group by 1, 2, 3', 4,
          ('update r set "select" = 2', 'delete from r where "Ü""" = 1')),
    Named("whole_table", keyed("integer", *map(str, range(40))), "select a.x, b.id from r a join r b on a.x = b.id", 2,
          ("update r set x = 40 - x", "delete from r where id % 2 = 0", "update r set id = -id", "delete from r")),
    Named("values_and_functions", keyed("integer", "1", "2", "2"),
          "select r.x, v.name, g.n from r join (values (1, 'one'), (2, 'two')) as v (x, name) using (x)"
          " cross join generate_series(1, 2) as g (n)", 3,
          ("update r set x = 2", "insert into r values (9, 1), (8, 1)", "delete from r where x = 2")),
    Named("union_arms_alike", keyed("integer", "1", "2", "2"),
          "select x from r union all select x from r where x > 1 union all select id from r", 1,
          ("update r set x = 2", "delete from r where id = 1", "update r set id = id + 2 where id > 2")),
    Named("union_with_itself", keyed("integer", "1", "2", "2"), "select x, 1 as n from r union select id, 1 from r", 2,
          ("update r set x = 5", "delete from r where id = 1", "delete from r")),
]  # fmt: skip


def has_icu(databases: Databases) -> bool:
    with databases() as dsn, psycopg.connect(dsn) as connection:
        found = connection.execute("select from pg_collation where collprovider = 'i' limit 1")
        return found.rowcount > 0


@pytest.mark.every_server
@pytest.mark.parametrize("named", [*IMAGES, *GROUPS, *CHANGES], ids=lambda named: named.name)
def test_named(named: Named, databases: Databases) -> None:
    if "icu" in str(named.setup) and not has_icu(databases):
        pytest.skip("this server was built without ICU")
    check(named.case(), databases)
