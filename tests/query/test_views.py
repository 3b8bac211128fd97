"""Views are replaced by their definitions, unless that would change who may see what."""

from __future__ import annotations

import pytest

from pgtrickle.query.canonical import canonicalise, describe
from pgtrickle.query.parse import parse
from pgtrickle.query.render import render
from pgtrickle.query.statement import Table
from pgtrickle.query.traverse import walk
from pgtrickle.query.views import inline_views

pytestmark = pytest.mark.every_server


@pytest.fixture(autouse=True)
def tables(session):
    session.rows('create schema "N s"')
    session.rows('create table "N s"."T" ("A" integer, b integer)')
    session.rows('insert into "N s"."T" values (1, 10), (2, 20), (null, 30)')
    session.rows('create view "N s"."V"("X", y) as select "A", b from "N s"."T" where b > 10')
    session.rows('create view w as select "X", sum(y) as total from "N s"."V" group by 1')


def inlined(session, sql):
    return inline_views(session, parse(canonicalise(session, sql).text))


def tables_of(query):
    return {(node.schema, node.name) for node in walk(query) if isinstance(node, Table)}


@pytest.mark.parametrize(
    "sql",
    [
        'select "X", y from "N s"."V"',
        'select * from "N s"."V" as q(one)',
        'select w.total, v.y, v."X" from w join "N s"."V" v using ("X")',
        'select total from w where exists (select from "N s"."V" where "X" = w."X")',
        'with c as (select * from w) select * from c union all select y, 1 from "N s"."V"',
    ],
)
def test_views_are_inlined_at_any_depth(session, sql):
    result = inlined(session, sql)
    assert tables_of(result.query) <= {("N s", "T"), (None, "c")}
    assert result.opaque_views == ()
    text = render(result.query)
    names = [column.name for column in describe(session, sql)]
    assert [column.name for column in describe(session, text)] == names
    assert sorted(session.rows(text), key=repr) == sorted(session.rows(sql), key=repr)


def test_security_barrier_views_are_not_looked_into(session):
    session.rows('create view guarded with (security_barrier) as select b from "N s"."T"')
    result = inlined(session, "select b from guarded")
    assert tables_of(result.query) == {("public", "guarded")}
    (view,) = result.opaque_views
    assert (view.schema, view.name) == ("public", "guarded")
    assert "security_barrier" in view.reason


def test_what_a_view_reads_as_its_reader_does_the_query_may_read_itself(session):
    session.rows('create view own with (security_invoker) as select b from "N s"."T"')
    session.rows("create view above as select b + 1 as c from own")
    result = inlined(session, "select c from above")
    assert tables_of(result.query) == {("N s", "T")}
    assert result.opaque_views == ()


def test_a_view_over_what_the_role_may_not_read_is_not_looked_into(session):
    session.rows("create role pgtrickle_test_reader")
    session.rows("grant select on w to pgtrickle_test_reader")
    session.rows("set local role pgtrickle_test_reader")
    result = inlined(session, "select total from w")
    assert tables_of(result.query) == {("public", "w")}
    assert "may not select" in result.opaque_views[0].reason


def test_a_view_over_row_security_is_not_looked_into(session):
    session.rows('alter table "N s"."T" enable row level security')
    assert "row security" in inlined(session, 'select y from "N s"."V"').opaque_views[0].reason


def test_a_view_whose_rows_are_values_is_not_looked_into(session):
    result = inlined(session, 'select v as r from "N s"."V" v')
    assert "row type" in result.opaque_views[0].reason


def test_system_views_are_not_looked_into(session):
    result = inlined(session, "select table_name::text as t from information_schema.tables")
    assert result.opaque_views[0].reason == "it is a system view"
