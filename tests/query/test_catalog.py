"""Facts about relations, types and functions."""

from __future__ import annotations

import pytest

from pgtrickle.query.canonical import canonicalise, describe
from pgtrickle.query.catalog import Catalog, UnknownRelation
from pgtrickle.query.functions import function_uses, worst_volatility
from pgtrickle.query.types import BUILT_IN

pytestmark = pytest.mark.every_server


def test_columns(session):
    session.rows('create schema "N s"')
    session.rows(
        """
        create table "N s"."T" (
          "A" integer primary key, gone integer, b varchar(3) not null,
          c numeric(5,2), d integer generated always as ("A" + 1) stored
        )
        """
    )
    session.rows('alter table "N s"."T" drop column gone')
    relation = Catalog(session).relation("N s", "T")
    assert [(c.name, c.number, c.type, c.not_null, c.generated) for c in relation.columns] == [
        ("A", 1, "integer", True, ""),
        ("b", 3, "character varying(3)", True, ""),
        ("c", 4, "numeric(5,2)", False, ""),
        ("d", 5, "integer", False, "s"),
    ]
    assert (relation.kind, relation.persistence, relation.is_system) == ("r", "p", False)


@pytest.mark.parametrize("path", ["public", "pg_catalog", '"N s", public'])
def test_types_are_qualified_whatever_the_search_path(session, path):
    session.rows('create schema "N s"')
    session.rows("""create type "N s"."Mo (od)[]" as enum ('a')""")
    session.rows("create domain short as varchar(3)")
    session.rows(
        'create table t (a "N s"."Mo (od)[]", b "N s"."Mo (od)[]"[], c short[], d varchar(3)[])'
    )
    session.rows(f"set search_path = {path}")
    types = [column.type for column in Catalog(session).relation("public", "t").columns]
    assert types == [
        '"N s"."Mo (od)[]"',
        '"N s"."Mo (od)[]"[]',
        "public.short[]",
        "character varying(3)[]",
    ]
    assert types == [column.type for column in describe(session, "select * from public.t")]


def test_keys_identify_rows(session):
    session.rows(
        """
        create table t (
          a integer not null, b integer not null, c integer not null, n integer,
          primary key (a, b),
          unique (c),
          unique (c, n),
          constraint late unique (b) deferrable
        )
        """
    )
    session.rows("create unique index on t (b) where c > 0")
    session.rows("create unique index on t ((b + 1))")
    session.rows("create unique index wide on t (c, b) include (n)")
    keys = Catalog(session).relation("public", "t").keys
    assert [(key.columns, key.primary) for key in keys] == [
        (("a", "b"), True),
        (("c",), False),
        (("c", "b"), False),
    ]


def test_a_constraint_not_yet_validated_promises_nothing(session, server_version):
    if server_version != "18":
        pytest.skip("NOT NULL NOT VALID is of PostgreSQL 18")
    session.rows("create table t (a integer unique)")
    session.rows("alter table t add constraint nn not null a not valid")
    relation = Catalog(session).relation("public", "t")
    assert not relation.columns[0].not_null
    assert relation.keys == ()


def test_partitions_and_children(session):
    session.rows("create table p (a integer) partition by range (a)")
    session.rows("create table p1 partition of p for values from (0) to (10)")
    session.rows("create unlogged table parent (a integer)")
    session.rows("create table child () inherits (parent)")
    catalog = Catalog(session)
    p, p1 = catalog.relation("public", "p"), catalog.relation("public", "p1")
    parent = catalog.relation("public", "parent")
    assert (p.is_partitioned, p.has_children, p.is_partition) == (True, True, False)
    assert (p1.is_partitioned, p1.has_children, p1.is_partition) == (False, False, True)
    assert (parent.is_partitioned, parent.has_children, parent.persistence) == (False, True, "u")


def test_an_unknown_relation(session):
    with pytest.raises(UnknownRelation, match=r"no\.such"):
        Catalog(session).relation("no", "such")


def test_a_system_catalog(session):
    assert Catalog(session).relation(None, "pg_class").is_system


@pytest.mark.parametrize(
    ("name", "same", "equality", "hashing"),
    [
        ("integer", True, True, True),
        ("text", True, True, True),
        ("varchar", True, True, True),
        ("date", True, True, True),
        ("timestamptz", True, True, True),
        ("uuid", True, True, True),
        ("boolean", True, True, True),
        ("mood", True, True, True),
        ("integer[]", True, True, True),
        ("positive", True, True, True),
        ("numeric", False, True, True),
        ("double precision", False, True, True),
        ("jsonb", False, True, True),
        ("interval", False, True, True),
        ("bpchar", False, True, True),
        ("numeric[]", False, True, True),
        ("numrange", False, True, True),
        ("pair", False, True, True),
        ("bit", True, True, False),
        ("json", False, False, False),
        ("point", False, False, False),
        ("json[]", False, False, False),
    ],
)
def test_types(session, name, same, equality, hashing):
    session.rows("create type mood as enum ('a')")
    session.rows("create type pair as (a integer, b numeric)")
    session.rows("create domain positive as integer check (value > 0)")
    ((oid,),) = session.rows("select to_regtype(%s)::oid::bigint", (name,))
    facts = Catalog(session).type(oid)
    assert (facts.equal_is_same, facts.has_equality, facts.has_hash) == (same, equality, hashing)


@pytest.mark.in_every_way
def test_what_is_known_without_a_question_is_what_the_server_would_say(session):
    # A schema of the user's before pg_catalog, with an operator that would be nearer.
    session.rows("create schema nearer")
    session.rows("create operator nearer.= (function = texteq, leftarg = text, rightarg = text)")
    session.rows("set search_path = nearer, pg_catalog")
    asked = Catalog(session)
    asked.known_types.clear()
    asked.read_types(BUILT_IN)
    assert {oid: asked.known_types[oid] for oid in BUILT_IN} == BUILT_IN


def uses(session, sql):
    found = function_uses(session, canonicalise(session, sql).text)
    return {(use.name, use.kind): use for use in found}


@pytest.mark.parametrize(
    ("sql", "name", "kind", "volatility"),
    [
        ("select random() as a", "random", "function", "v"),
        ("select now() as a", "now", "function", "s"),
        ("select current_date as a", "CURRENT_DATE", "moment", "s"),
        ("select localtimestamp(2) as a", "LOCALTIMESTAMP", "moment", "s"),
        ("select current_user as a", "CURRENT_USER", "moment", "s"),
        ("select 1 + 1 as a", "int4pl", "operator", "i"),
        ("select sum(a) as a from t", "sum", "aggregate", "i"),
        ("select rank() over () as a from t", "rank", "window", "i"),
        ("select b::date as a from t", "date_in", "cast", "s"),
        ("select a from t tablesample system (1)", "system", "sampling", "v"),
        ("select extract(year from now()) as a", "extract", "function", "s"),
        ("select (select random() from t limit 1) as a", "random", "function", "v"),
    ],
)
def test_functions_are_found_wherever_they_hide(session, sql, name, kind, volatility):
    session.rows("create table t (a integer, b text)")
    use = uses(session, sql)[name, kind]
    assert (use.volatility, use.is_user_defined) == (volatility, False)


def test_functions_of_users(session):
    session.rows("create function f(integer) returns integer language sql as 'select $1'")
    session.rows("create operator @@@@ (function = f, rightarg = integer)")
    session.rows("create aggregate total(integer) (sfunc = int4pl, stype = integer)")
    found = uses(session, "select f(1) as a, (@@@@ 1) as b, total(1) as c")
    assert found["f", "function"].is_user_defined
    assert found["f", "operator"].is_user_defined
    assert found["total", "aggregate"].is_user_defined
    assert worst_volatility(found.values()) == "v"
