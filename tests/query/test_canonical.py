"""What the canonical form promises."""

from __future__ import annotations

import pytest

from pgtrickle.database import PsycopgSession
from pgtrickle.query.canonical import canonicalise, describe, same_meaning
from pgtrickle.query.parse import UnsupportedSyntax
from pgtrickle.query.rendition import InvalidQuery

pytestmark = pytest.mark.every_server


@pytest.fixture(autouse=True)
def tables(session):
    session.rows('create schema "N s"')
    session.rows('create table "N s".t (a integer, b varchar(3), c numeric(5,2), d date)')
    session.rows("create table t (a integer)")


def test_reformatting_changes_nothing(session):
    session.rows('set search_path = "N s"')
    plain = canonicalise(session, 'select a, b from t where a in (1,2) and "a" <> 3')
    other = canonicalise(session, "SELECT t.a,\n t.b -- b\nFROM t WHERE (a IN (1, 2)) AND a != 3;")
    assert plain == other


def test_names_mean_what_the_search_path_says(session):
    first = canonicalise(session, "select a from t")
    session.rows('set search_path = "N s", public')
    second = canonicalise(session, "select a from t")
    assert '"public"."t"' in first.text
    assert '"N s"."t"' in second.text


def test_constants_are_read_under_the_session_and_printed_alike(session):
    session.rows("set datestyle = 'SQL, DMY'")
    british = canonicalise(session, "select '01/02/2020'::date as d").text
    session.rows("set datestyle = 'German'")
    session.rows("set timezone = 'Asia/Tokyo'")
    session.rows("set intervalstyle = 'iso_8601'")
    german = canonicalise(session, "select '1.2.2020'::date as d").text
    assert british == german == """SELECT '2020-02-01'::"date" AS "d\""""


def test_columns_come_with_types_and_collations(session):
    columns = describe(session, 'select a as "A x", b, c, d from "N s".t')
    assert [(column.name, column.type, column.collation) for column in columns] == [
        ("A x", "integer", 0),
        ("b", "character varying(3)", 100),
        ("c", "numeric(5,2)", 0),
        ("d", "date", 0),
    ]


def test_relations_are_those_the_query_names(session):
    session.rows("create view v as select a from t")
    canonical = canonicalise(session, 'select v.a from v, "N s".t where exists (select from t)')
    expected = session.rows(
        """
        select array_agg(x::regclass::oid::bigint order by x::regclass::oid)
        from unnest(array['v', '"N s".t', 't']) x
        """
    )
    assert [(list(canonical.relations),)] == expected


def test_settings_and_views_are_left_as_they_were(session):
    session.rows("set search_path = public")
    session.rows("set datestyle = 'SQL, DMY'")
    canonicalise(session, "select a from t")
    assert session.rows("select current_setting('search_path'), current_setting('datestyle')") == [
        ("public", "SQL, DMY")
    ]
    assert session.rows("select count(*) from pg_class where relname ~ '^pgtrickle'") == [(0,)]


def test_a_wrong_query_leaves_the_transaction_alive(session):
    with pytest.raises(InvalidQuery) as caught:
        canonicalise(session, "select nosuch from t")
    assert caught.value.sqlstate == "42703"
    assert session.rows("select 1") == [(1,)]


def test_autocommit_is_as_good_as_a_transaction(connection):
    session = PsycopgSession(connection)
    assert canonicalise(session, "select 1 as a").text == 'SELECT 1 AS "a"'
    assert session.rows("select count(*) from pg_class where relname ~ '^pgtrickle'") == [(0,)]


@pytest.mark.parametrize("sql", ["select 1; drop table t", "drop table t", "delete from t"])
def test_nothing_but_a_select_is_run(session, sql):
    with pytest.raises(UnsupportedSyntax):
        canonicalise(session, sql)
    assert session.rows("select count(*) from t") == [(0,)]


def test_text_that_means_something_else_is_noticed(session):
    canonical = canonicalise(session, "select 'x' as k, count(*) as n from t group by 'x'::text")
    assert canonical.obstacle is not None


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("select a from t x where a > 1", "select y.a\nfrom t as y where y.a > 1", True),
        ("select a from t where a > 1", "select a from t where a > 2", False),
        ("select a from t", 'select a from "N s".t', False),
        ("select cast(a as text) as b from t", "select a::text as b from t", True),
    ],
)
def test_same_meaning(session, first, second, same):
    session.rows(f"create view v1 as {first}")
    session.rows(f"create view v2 as {second}")
    ((one, two),) = session.rows("select 'v1'::regclass::oid::bigint, 'v2'::regclass::oid::bigint")
    assert same_meaning(session, one, two) is same


def test_between_and_in_over_varchar_are_no_obstacle(session):
    session.rows('set search_path = "N s"')
    query = "select a from t where a between 1 and 2 and b in ('x', 'y') and c = any (array[1, 2])"
    assert canonicalise(session, query).obstacle is None


def test_a_quote_in_a_column_s_name_is_no_obstacle(session):
    session.rows('create table quoted ("a ""b""" integer, c integer)')
    inner = "select max(q.c) from quoted q where q.c < o.c"
    query = f"select (select count(q.c) from quoted q where q.c = ({inner})) as n from quoted o"
    assert canonicalise(session, query).obstacle is None
