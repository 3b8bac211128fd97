"""WITH RECURSIVE: a query that begins with one part and repeats another on what was found."""

from __future__ import annotations

from dataclasses import replace

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Recursion, Working
from pgtrickle.query.lowering.environment import Environment, Lowered
from pgtrickle.query.lowering.obstacle import NotIncremental


def lower_recursive(cte: s.CommonTable, query: s.Query, environment: Environment) -> Lowered:
    """Lower the query of a recursive WITH entry.

    `environment` has the WITH names around it and of its own. PostgreSQL has checked the form: the
    entry is named once, in the right part.
    """
    if not isinstance(query, s.SetOperation) or query.operation != "UNION":
        raise NotIncremental("WITH RECURSIVE", "it is not a union of two parts")
    base = environment.lower_query(query.left, environment)
    names = cte.columns + base.names[len(cte.columns) :]
    new = environment.attributes.new
    name = f"w_{new().id}"

    def working() -> Lowered:
        attributes = tuple(new() for _ in base.node.attributes)
        return Lowered(Working(name, base.node, attributes), names)

    tables = environment.common_tables | {cte.name: working}
    step = environment.lower_query(query.right, replace(environment, common_tables=tables))
    outputs = tuple(
        new(a.not_null and b.not_null)
        for a, b in zip(base.node.attributes, step.node.attributes, strict=True)
    )
    node = Recursion(base.node, step.node, name, outputs, distinct=not query.all)
    return Lowered(node, names)
