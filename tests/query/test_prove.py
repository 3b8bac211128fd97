"""A tree that means something else fails its proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgtrickle.query import expression as e
from pgtrickle.query import statement as s
from pgtrickle.query.canonical import canonicalise
from pgtrickle.query.parse import parse
from pgtrickle.query.prove import prove
from pgtrickle.query.render import render
from pgtrickle.query.traverse import transform


def swap_operands(node):
    if isinstance(node, e.Operator) and node.left is not None:
        return replace(node, left=node.right, right=node.left)
    return node


def regroup(node):
    """Turn (a - b) - c into a - (b - c): what a lost pair of parentheses does."""
    match node:
        case e.Operator(name=name, left=e.Operator(left=a, right=b), right=c) if a is not None:
            return e.Operator(name, a, e.Operator(name, b, c))
    return node


def on(node_class, /, **changes):
    return lambda node: replace(node, **changes) if isinstance(node, node_class) else node


@pytest.mark.every_server
@pytest.mark.parametrize(
    ("sql", "corruption"),
    [
        ("select a - b as x from t", swap_operands),
        ("select a - b - c as x from t", regroup),
        ("select a from t where a > 1", on(s.Select, where=None)),
        ("select distinct a from t", on(s.Select, distinct=None)),
        ("select a from t order by a limit 1", on(s.Select, limit=None)),
        ("select a from t order by a fetch first 1 row with ties", on(s.Select, with_ties=False)),
        ("select a from t order by a desc", on(e.SortKey, direction="")),
        ("select a from t order by a nulls first", on(e.SortKey, nulls="")),
        ("select a from t union all select a from u", on(s.SetOperation, all=False)),
        ("select a from t except select a from u", on(s.SetOperation, operation="UNION")),
        ("select t.b from t left join u on t.a = u.a", on(s.Join, kind="INNER")),
        ("select count(distinct a) as n from t", on(e.Call, distinct=False)),
        ("select count(*) filter (where a > 1) as n from t", on(e.Call, filter=None)),
        ("select array_agg(a order by b) as n from t", on(e.Call, order_by=())),
        ("select sum(a) over (order by b rows 1 preceding) as n from t",
         on(e.WindowSpec, frame=())),
        ("select a from t where a not in (select a from u)", on(e.Sublink, operator=(">",))),
        ("select a from only t", on(s.Table, only=False)),
        ("select a from t tablesample system (1)", on(s.Table, sample="")),
        ("select a is distinct from b as x from t", on(e.DistinctFrom, negated=True)),
        ("select a from t where a = 1 and b = 2", on(e.And, operands=(e.Literal("true"),) * 2)),
        ("select a::text as x from t", on(e.Cast, type=e.TypeName("character varying"))),
        ("select 1.50 as x", on(e.Literal, sql="1.5")),
        ("select (x.y)[1] as z, ((x.y)[1])[1] as w from x", on(e.Subscript, separate=False)),
        ("with x as materialized (select 1 as a) select a from x",
         on(s.CommonTable, materialized=None)),
        ("select a from t for update", on(s.Select, locking="")),
        ("select a, b, count(*) as n from t group by rollup (a, b)",
         on(s.GroupingSets, kind="CUBE")),
    ],
)  # fmt: skip
def test_a_corrupted_tree_is_not_proved(session, sql, corruption):
    session.rows("create table t (a integer, b integer, c integer)")
    session.rows("create table u (a integer)")
    session.rows("create domain grid as integer[]")
    session.rows("create table x (y grid[])")
    canonical = canonicalise(session, sql)
    tree = parse(canonical.text)
    corrupted = transform(tree, corruption)
    assert corrupted != tree
    assert prove(session, canonical, tree) is None
    failure = prove(session, canonical, corrupted)
    assert failure is not None
    assert failure.generated == render(corrupted)


def test_a_tree_without_sql_is_not_proved(session):
    tree = parse("select 1 as a")
    broken = replace(tree, targets=(s.Target(e.WholeRow("t"), "a"),))
    failure = prove(session, canonicalise(session, "select 1 as a"), broken)
    assert failure is not None
    assert "whole row" in failure.reason


def test_a_failed_proof_leaves_the_transaction_alive(session):
    wrong = replace(parse("select 1 as a"), sources=(s.Table("no", "such"),))
    failure = prove(session, canonicalise(session, "select 1 as a"), wrong)
    assert failure is not None
    assert "refuses" in failure.reason
    assert session.rows("select 1") == [(1,)]
