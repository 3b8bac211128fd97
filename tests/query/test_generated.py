"""Printing a tree and reading it back gives the same tree, for generated expressions."""

from __future__ import annotations

from functools import partial

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgtrickle.query import expression as e
from pgtrickle.query.names import quote_literal
from pgtrickle.query.parse import parse
from pgtrickle.query.render import render_expression
from pgtrickle.query.traverse import transform, walk

NAMES = st.one_of(
    st.sampled_from(["a", "b", "Mixed Case", 'quo"te', "select", "cube", "over", "x.y", "é"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
        lambda name: len(name.encode()) < 64
    ),
)
TYPES = st.sampled_from(
    ["integer", "text", "numeric(10,2)", "character varying(3)", "interval day to second(2)",
     "timestamp(3) with time zone", "integer[]", 's."T"', "bit(3)", '"char"']
).map(e.TypeName)  # fmt: skip
OPERATORS = st.sampled_from(
    [("+",), ("-",), ("*",), ("||",), ("=",), ("<>",), ("->>",), ("@>",), ("pg_catalog", "+"),
     ("Mixed Case", "@@@@")]
)  # fmt: skip
PREFIX_OPERATORS = st.sampled_from([("+",), ("-",), ("~",), ("@",), ("pg_catalog", "-")])
LITERALS = st.one_of(
    st.integers(-(2**31) + 1, 2**31 - 1).map(str),
    st.sampled_from(["NULL", "true", "false", "1.50", "-2.5", "1e10", "B'101'", "X'1F'"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).map(quote_literal),
).map(e.Literal)
LEAVES = st.one_of(
    LITERALS,
    st.builds(e.Column, st.none() | NAMES, NAMES),
    st.sampled_from(["CURRENT_DATE", "CURRENT_USER"]).map(e.SqlFunction),
)


def chain(kind, first, more):
    """Build an AND or OR; the grammar would fold a first operand of the same kind into it."""
    return kind((e.Not(first) if isinstance(first, kind) else first, *more))


def compound(inner: st.SearchStrategy[e.Expression]) -> st.SearchStrategy[e.Expression]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    keys = st.lists(
        st.builds(
            e.SortKey,
            inner,
            st.sampled_from(["", "ASC", "DESC"]),
            st.sampled_from(["", "FIRST", "LAST"]),
        ),
        max_size=2,
    ).map(tuple)
    windows = st.builds(
        e.WindowSpec,
        partition_by=st.lists(inner, max_size=2).map(tuple),
        order_by=keys,
        frame=st.sampled_from([(), ("ROWS UNBOUNDED PRECEDING",)]),
    )
    return st.one_of(
        st.builds(e.Operator, OPERATORS, inner, inner),
        st.builds(e.Operator, PREFIX_OPERATORS, st.none(), inner),
        st.builds(partial(chain, e.And), inner, several),
        st.builds(partial(chain, e.Or), inner, several),
        st.builds(e.Not, inner),
        st.builds(e.Is, inner, st.sampled_from(["NULL", "NOT NULL", "TRUE", "NOT UNKNOWN"])),
        st.builds(e.DistinctFrom, inner, inner, st.booleans()),
        st.builds(e.Comparison, inner, OPERATORS, st.sampled_from(["ANY", "ALL"]), inner),
        st.builds(e.Case, st.none() | inner, st.tuples(st.tuples(inner, inner)), st.none() | inner),
        st.builds(e.Cast, inner, TYPES),
        st.builds(e.Collate, inner, st.tuples(NAMES, NAMES)),
        st.builds(e.Field, inner, NAMES),
        st.builds(
            lambda operand, upper: e.Subscript(operand, None, upper, False),
            inner.filter(lambda operand: not isinstance(operand, e.Subscript)),
            inner,
        ),
        st.builds(e.AtTimeZone, inner, st.none() | inner),
        st.builds(
            e.SqlFunction, st.sampled_from(["COALESCE", "GREATEST", "ROW", "ARRAY"]), several
        ),
        st.builds(
            e.Call,
            st.tuples(NAMES),
            several.map(lambda values: tuple(map(e.Argument, values))),
            distinct=st.booleans(),
            order_by=keys,
            filter=st.none() | inner,
            over=st.none() | NAMES | windows,
        ),
    )


def nested(levels: int) -> st.SearchStrategy[e.Expression]:
    # Deferred, or every level would spell out dozens of copies of the one below.
    below = LEAVES if levels == 1 else st.deferred(lambda: nested(levels - 1))
    return st.one_of(LEAVES, compound(st.one_of(LEAVES, below)))


EXPRESSIONS = nested(3)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXPRESSIONS)
def test_printed_and_read_back(tree):
    assert parse(f"SELECT {render_expression(tree)}").targets[0].expression == tree


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXPRESSIONS)
def test_a_rewrite_that_changes_nothing_returns_the_same_object(tree):
    assert transform(tree, lambda node: node) is tree


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXPRESSIONS)
def test_a_rewrite_reaches_every_column(tree):
    def renamed(node: object) -> object:
        return e.Column("new", "name") if isinstance(node, e.Column) else node

    columns = {node for node in walk(transform(tree, renamed)) if isinstance(node, e.Column)}
    assert columns <= {e.Column("new", "name")}
