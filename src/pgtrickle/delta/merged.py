"""What of a relation as it is now may have one of some keys, where PostgreSQL does not find that.

It looks a key up below projections, joins and some unions. Two kinds it computes as a whole: what
an aggregate or a window is now, touched groups and others, so each is asked by itself; and
a full join by its merged column, COALESCE(a, b) with a = b. A row that has the key there has it in
a or in b, and all that it may be matched with has it on the other side, so that

    (L ⟗ R) with COALESCE(a, b) in K  =  (L with a in K) ⟗ (R with b in K)

Rows whose column is NULL match nothing, and are among the rows of both.
"""

from __future__ import annotations

from collections.abc import Mapping

from pgtrickle.delta.linear import filtered, projected
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.outer_join import joined
from pgtrickle.delta.relation import Relation, is_not_null, is_null, select, union_all
from pgtrickle.query.algebra import Filter, Node, OuterJoin, Project, Shared
from pgtrickle.query.expression import Case, Column, Expression, Is, SqlFunction
from pgtrickle.query.keys import equalities, not_null_ids
from pgtrickle.query.lowering.rewriting import rewrite


def terms_with(
    node: Node, keys: Mapping[str, Expression], wanted: str, maintenance: Maintenance
) -> list[Relation]:
    """Relations that add up to `new(node)`, or to a part of it that has all rows of wanted keys.

    `wanted` is a CTE with the columns of `keys`, each of which is an expression over `node`.
    """
    near = _near(node, keys, wanted, maintenance)
    return maintenance.new_terms(node) if near is None else [near]


def _near(
    node: Node, keys: Mapping[str, Expression], wanted: str, maintenance: Maintenance
) -> Relation | None:
    """The part of `new(node)`, if one column of a full join tells it."""
    if type(node) is Project and not node.expands:
        computed = {attribute.id: expression for attribute, expression in node.items}

        def below(expression: Expression) -> Expression | None:
            if isinstance(expression, Column) and expression.relation is None:
                return computed.get(expression.name)
            return None

        inner = {name: rewrite(expression, below) for name, expression in keys.items()}
        child = _near(node.child, inner, wanted, maintenance)
        return None if child is None else projected(node, child)
    match node:
        case Filter() if type(node) is Filter:
            child = _near(node.child, keys, wanted, maintenance)
            return None if child is None else filtered(node, child)
        case Shared():
            return _near(node.child, keys, wanted, maintenance)
        case OuterJoin(full=True) if maintenance.states.one_equality:
            for name, expression in keys.items():
                pair = _merged(expression, node)
                if pair is not None:
                    left, right = (
                        _part(side, column, name, wanted, maintenance)
                        for side, column in zip((node.left, node.right), pair, strict=True)
                    )
                    return joined(node, left, right)
    return None


def _merged(expression: Expression, node: OuterJoin) -> tuple[str, str] | None:
    """The left and the right column that an expression takes the value of, whichever is there."""
    match expression:
        case SqlFunction("COALESCE", (Column() as first, Column() as second)):
            pass
        case Case(None, ((Is(Column() as asked, "NOT NULL"), first),), second) if asked == first:
            pass
        case _:
            return None
    if not (isinstance(first, Column) and isinstance(second, Column)):
        return None
    equal = equalities(node.condition)
    for left, right in ((first.name, second.name), (second.name, first.name)):
        if left in node.left.ids and right in node.right.ids and (left, right) in equal:
            return left, right
    return None


def _part(side: Node, column: str, name: str, wanted: str, maintenance: Maintenance) -> Relation:
    """The rows of one side whose column is wanted, or NULL."""
    keys = f"SELECT {name} FROM {wanted} WHERE {is_not_null(name)}"
    conditions = [f"p.{column} IN ({keys})"]
    if column not in not_null_ids(side.attributes):
        conditions.append(is_null(f"p.{column}"))
    parts = [
        select([f"p.{id}" for id in side.ids], f"FROM {term.source('p')}", f"WHERE {condition}")
        for term in maintenance.new_terms(side)
        for condition in conditions
    ]
    return Relation(union_all(parts), side.ids, weighted=False)
