"""Aggregates that read through projections which only rename.

``with joined as (select o.*, c.region from o join c …) select region, sum(amount) from joined`` has
a projection between the aggregate and the join. What an aggregate's rules find out about a join
right below it (`pgtrickle.delta.aggregate`) is as true of this one.
"""

from __future__ import annotations

from dataclasses import replace

from pgtrickle.query.algebra import Aggregate, Project
from pgtrickle.query.expression import Column, Expression
from pgtrickle.query.lowering.rewriting import rewrite


def through_renaming(node: Aggregate) -> Aggregate:
    """`node` over what the projections below it take their columns from, if they compute none."""
    while type(node.child) is Project and not node.child.expands:
        names = {a.id: e for a, e in node.child.items if isinstance(e, Column)}
        if len(names) < len(node.child.items):
            break

        def below(expression: Expression, names: dict[str, Column] = names) -> Expression | None:
            match expression:
                case Column(relation=None, name=name):
                    return names.get(name)
            return None

        node = replace(
            node,
            child=node.child.child,
            keys=rewrite(node.keys, below),
            aggregates=rewrite(node.aggregates, below),
        )
    return node
