"""Types, names and kinds of tables: the families of expressions.sql."""

from __future__ import annotations

import random

import psycopg
import pytest
from tests.operators.playing import families

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

FAMILIES = families("expressions.sql")
WIDE = range(130)
SCHEMA = f"""
    create domain posint as integer check (value > 0);
    create domain intlist as integer[] check (array_length(value, 1) < 9);
    create type mood as enum ('sad', 'ok', 'glad');
    create type pair as (a integer, b text);
    create table k (
        id integer primary key, c char(4), bt bit(4), vb varbit(6), pi posint, il intlist, md mood,
        pr pair, prs pair[], n numeric(6, 2), f float8, d date, rg int4range, mrg int4multirange,
        iv interval, jb jsonb
    );
    insert into k
        select i, chr(97 + i % 3) || repeat(' ', i % 2), (i % 5)::bit(4), (i % 5)::bit(4)::varbit,
            i % 3 + 1, array[i % 2, i % 3], (array['sad', 'ok', 'glad'])[i % 3 + 1]::mood,
            row(i % 2, chr(97 + i % 2))::pair, array[row(i % 2, null)::pair], i % 4 + 0.5,
            case i % 5 when 0 then 'NaN' when 1 then '-0' else i::float8 end,
            date '2024-01-30' + i, int4range(i, i + 3), int4multirange(int4range(i, i + 1)),
            i % 2 * interval '1 month' + i % 2 * interval '-30 days',
            jsonb_build_object('a', i % 2, 'b', jsonb_build_array(i, i % 3))
        from generate_series(1, 12) i;
    insert into k (id) values (90), (91);
    create table p (region text, id integer, v integer, primary key (region, id))
        partition by list (region);
    create table p_b (v integer, junk integer, id integer not null, region text not null);
    alter table p_b drop column junk;
    create table p_a partition of p for values in ('a');
    alter table p attach partition p_b for values in ('b');
    create table p_d partition of p default;
    insert into p select chr(97 + i % 3), i, i % 4 from generate_series(1, 15) i;
    create table d (a integer, gone text, b integer, gone_too integer, c text);
    insert into d select i % 4, 'x', i % 3, i, chr(97 + i % 3) from generate_series(1, 10) i;
    alter table d drop column gone, drop column gone_too, add column e integer default 7;
    create table gen (
        id integer primary key, x integer, y integer generated always as (x * 2) stored
    );
    insert into gen select i, i % 4 from generate_series(1, 9) i;
    create table "We ird" (
        "Id" integer primary key, "select" integer, "a""b" text, "__w" integer, "rn" integer,
        "n" integer, "s" integer, "v1" integer
    );
    insert into "We ird"
        select i, i % 3, chr(97 + i % 3), i % 2, i % 3, i % 4, i % 2, i % 5
        from generate_series(1, 9) i;
    create table wide (id integer primary key, {", ".join(f"c{i} integer" for i in WIDE)});
    insert into wide select i, {", ".join(f"(i + {i}) % 4" for i in WIDE)}
        from generate_series(1, 5) i;
    create view vo (a, n) as select a, count(*) from d where a is not null group by a;
    create view vc as select * from k where pi > 1 with check option;
    create view vv as
        select g.x, count(*) as c, max(vo.n) as m
        from gen g left join vo on vo.a = g.x group by g.x;
"""


def change(dice: random.Random) -> str:
    a, b = dice.randint(0, 4), dice.randint(0, 3)
    id, letter = dice.randint(1, 30), dice.choice("abc")
    return dice.choice(
        [
            f"update k set c = '{letter}', bt = {b}::bit(4), pi = {b + 1} where id % 4 = {b}",
            f"update k set md = 'glad', pr = row({b}, null), il = array[{b}] where id % 5 = {a}",
            f"update k set f = 'NaN', n = {a}, iv = '30 days' where id % 3 = {b}",
            f"update k set f = '-0', iv = '1 month', rg = 'empty' where id % 4 = {b}",
            f"update k set pr = null, prs = array[null::pair], vb = b'1' where id = {id}",
            (
                f"insert into k (id, c, md, f, d) values ({id}, 'b', 'ok', 0, '2024-02-29')"
                " on conflict do nothing"
            ),
            f"delete from k where id = {id}",
            f"insert into p values ('{letter}', {id}, {b}) on conflict do nothing",
            f"delete from p where region = 'b' and id = {id}; update p_b set v = v + 1",
            f"update p set region = 'z' where id = {id}",
            f"insert into d (a, b, c, e) values ({a}, {b}, null, {b}), (null, 1, 'a', null)",
            f"delete from d where b = {b} and c = '{letter}'",
            f"update d set a = a + 1 where b = {b}",
            f"update gen set x = {a} where id % 3 = {b}; delete from gen where id = {id}",
            f"insert into gen (id, x) values ({id}, {a}) on conflict do nothing",
            f'update "We ird" set "select" = {a}, "__w" = {b}, rn = null where "Id" % 3 = {b}',
            (
                f'insert into "We ird" ("Id", "select", "a""b", n, s)'
                f" values ({id}, {a}, 'b', {b}, 1) on conflict do nothing"
            ),
            f'delete from "We ird" where "Id" % 5 = {a}',
            f"update wide set c7 = {a}, c129 = {b} where id = {a}",
            f"insert into wide (id, c1) values ({id}, 3) on conflict do nothing",
        ]
    )


def lacks(engine: Engine, family: str) -> bool:
    """Whether the server has not what a family is about."""
    if family == "sql/json":
        return engine.connection.info.server_version < 170000
    if family == "xml":
        try:
            engine.connection.execute("select xmlelement(name x)")
        except psycopg.errors.FeatureNotSupported:
            return True
    return False


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_differential_and_exact(family: str, engine: Engine) -> None:
    if lacks(engine, family):
        pytest.skip(f"this server has no {family}")
    engine.connection.execute(SCHEMA)
    tables = {f"st_{i}": query for i, query in enumerate(FAMILIES[family])}
    for table, query in tables.items():
        engine.create_stream_table(table, query, refresh_mode="DIFFERENTIAL")
    dice = random.Random(family)
    for cycle in range(6):
        for _ in range(dice.randint(2, 8)):
            engine.connection.execute(change(dice))
        for table, query in tables.items():
            assert engine.refresh(table).action in ("DIFFERENTIAL", "NO_DATA"), (cycle, query)
            verdict = engine.verify(table)
            assert verdict.equal, (cycle, query, verdict.differences)
