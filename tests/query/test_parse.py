"""What reading and printing queries promise beyond the corpus."""

from __future__ import annotations

import pytest

from pgtrickle.query import expression as e
from pgtrickle.query.parse import InvalidSyntax, QueryTooDeep, UnsupportedSyntax, parse
from pgtrickle.query.render import (
    quote_identifier,
    quote_literal,
    quote_name,
    render,
    render_expression,
)


def expression_of(sql: str) -> e.Expression:
    return parse(f"select {sql}").targets[0].expression


@pytest.mark.parametrize(
    ("sql", "construct"),
    [
        ("select * from t", "*"),
        ("select t.* from t", "*"),
        ("select row(t.*) from t", "*"),
        ("values (t.*)", "*"),
        ("select (p).* from t", "(...).*"),
        ("select a.b.c from t", "a column name of three parts"),
        ("select 1 from t natural join u", "NATURAL JOIN"),
        ("select 1 into x from t", "SELECT INTO"),
        ("select $1", "a parameter ($1)"),
        ("select 1; select 2", "anything but one statement"),
        ("", "an empty text"),
        ("insert into t values (1)", "INSERT"),
        ("with x as (delete from t returning a) select a from x", "DELETE"),
        ("select json_array(select 1)", "JSON_ARRAY(SELECT ...)"),
        ("select 1 from db.s.t", "a table name with a database"),
    ],
)
def test_what_has_no_place_in_the_tree_is_refused_by_name(sql, construct):
    with pytest.raises(UnsupportedSyntax) as caught:
        parse(sql)
    assert caught.value.construct == construct
    assert caught.value.sqlstate == "0A000"


def test_wrong_syntax_is_reported_with_its_place():
    with pytest.raises(InvalidSyntax) as caught:
        parse("select 1 from where")
    assert caught.value.position == 15


@pytest.mark.parametrize(
    ("sql", "tree"),
    [
        ("-5", e.Literal("-5")),
        ("- x", e.Operator(("-",), None, e.Column(None, "x"))),
        (
            "a.b::numeric(10, 2)",
            e.Cast(e.Column("a", "b"), e.TypeName("numeric(10,2)")),
        ),
        (
            "x = any (y)",
            e.Comparison(e.Column(None, "x"), ("=",), "ANY", e.Column(None, "y")),
        ),
        ("current_timestamp(3)", e.SqlFunction("CURRENT_TIMESTAMP", precision=3)),
        ("current_timestamp(0)", e.SqlFunction("CURRENT_TIMESTAMP", precision=0)),
        ("x at time zone 'UTC'", e.AtTimeZone(e.Column(None, "x"), e.Literal("'UTC'"))),
        ("f(a => 1)", e.Call(("f",), (e.Argument(e.Literal("1"), "a"),))),
        ("t.*::s.t", e.Cast(e.WholeRow("t"), e.TypeName("s.t"))),
    ],
)
def test_tree_of_an_expression(sql, tree):
    assert expression_of(sql) == tree
    assert expression_of(render_expression(tree)) == tree


def test_two_dimensions_are_not_an_element_of_an_element():
    assert expression_of("(x)[1][2]") != expression_of("((x)[1])[2]")
    assert render_expression(expression_of("((x)[1])[2]")) == "((x)[1])[2]"


def test_minus_of_a_number_is_not_a_negative_number():
    tree = e.Operator(("-",), None, e.Literal("1"))
    assert expression_of(render_expression(tree)) == tree


@pytest.mark.parametrize("kind", ["parentheses", "calls", "subqueries", "unions", "joins"])
def test_a_hundred_levels_deep(kind):
    sql = {
        "parentheses": "select " + "(x + " * 100 + "1" + ")" * 100,
        "calls": "select " + "f(" * 100 + "x" + ")" * 100,
        "subqueries": "select a from (" * 100 + "select a from t" + ") q" * 100,
        "unions": "select a from t" + " union select a from t" * 100,
        "joins": "select a from t" + " join u using (a)" * 100,
    }[kind]
    tree = parse(sql)
    assert parse(render(tree)) == tree


def test_too_deep_is_an_error_of_its_own():
    with pytest.raises(QueryTooDeep):
        parse("select " + "(x + " * 2000 + "1" + ")" * 2000)


def test_a_tree_without_sql_is_refused():
    with pytest.raises(ValueError, match="cast"):
        render_expression(e.SqlFunction("ROW", (e.WholeRow("t"),)))


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("plain_1", "plain_1"),
        ("Mixed", '"Mixed"'),
        ("1st", '"1st"'),
        ('a"b', '"a""b"'),
        ("select", '"select"'),
        ("cube", '"cube"'),
        ("ü", '"ü"'),
        ("with space", '"with space"'),
        ("U&x", '"U&x"'),
    ],
)
def test_identifiers_are_quoted_where_needed(name, quoted):
    assert quote_identifier(name) == quoted
    assert expression_of(quoted) == e.Column(None, name)


def test_a_qualified_name_is_quoted_by_part():
    assert quote_name(("Mixed", "a.b")) == '"Mixed"."a.b"'


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_is_no_identifier_is_refused(name):
    with pytest.raises(ValueError, match="identifier"):
        quote_identifier(name)


@pytest.mark.parametrize("text", ["", "it's", "\\", "\\'", "a\nb", "$$", "日本", "\x01"])
def test_string_constants_keep_their_text(text):
    literal = e.Literal(quote_literal(text))
    assert expression_of(literal.sql) == literal


@pytest.mark.parametrize("setting", ["on", "off"])
@pytest.mark.parametrize("text", ["\\", "\\'", "it's", "\\n"])
def test_string_constants_hold_under_every_setting(session, setting, text):
    session.rows(f"set standard_conforming_strings = {setting}")
    assert session.rows(f"select {quote_literal(text)}") == [(text,)]
