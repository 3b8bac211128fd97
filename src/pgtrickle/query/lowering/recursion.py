"""WITH RECURSIVE: a query that begins with one part and repeats another on what was found."""

from __future__ import annotations

from dataclasses import replace

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Node, Recursion, Working
from pgtrickle.query.lowering.environment import Environment, Lowered
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.trails import Trails


def lower_recursive(cte: s.CommonTable, query: s.Query, environment: Environment) -> Lowered:
    """Lower the query of a recursive WITH entry.

    `environment` has the WITH names around it and of its own. PostgreSQL has checked the form: the
    entry is named once, in the right part.
    """
    if not isinstance(query, s.SetOperation) or query.operation != "UNION":
        raise NotIncremental("WITH RECURSIVE", "it is not a union of two parts")
    base = environment.lower_query(query.left, environment)
    names = cte.columns + base.names[len(cte.columns) :]
    trails = Trails.of(cte, Lowered(base.node, names), environment)
    begun = trails.begun(base.node)
    new = environment.attributes.new
    name = f"w_{new().id}"

    def working() -> Lowered:
        attributes = tuple(new() for _ in begun.attributes)
        return trails.shown(Working(name, begun, attributes), inside=True)

    tables = environment.common_tables | {cte.name: working}
    inside = replace(environment, common_tables=tables)
    step = trails.continued(environment.lower_query(trails.asked(query.right), inside).node)
    if _readings(step, name) > 1:
        raise NotIncremental(
            "WITH RECURSIVE", "a subquery in it is evaluated for each row it finds"
        )
    outputs = tuple(
        new(a.not_null and b.not_null)
        for a, b in zip(begun.attributes, step.attributes, strict=True)
    )
    node = Recursion(begun, step, name, outputs, distinct=not query.all)
    return trails.shown(node, inside=False)


def _readings(node: Node, recursion: str) -> int:
    """In how many places a recursion is read, those in what is shared by place."""
    if isinstance(node, Working):
        return int(node.recursion == recursion)
    return sum(_readings(child, recursion) for child in node.children)
