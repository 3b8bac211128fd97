"""Window functions: one Window node for each PARTITION BY of a block."""

from __future__ import annotations

from dataclasses import replace

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Attribute, Node, Window
from pgtrickle.query.expression import Call, Expression, Sublink, WindowSpec
from pgtrickle.query.lowering.attributes import Attributes
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.pruning import columns_of


def written_out(query: s.Select, expression: Expression) -> Expression:
    """`expression` with every named window replaced by its specification."""
    named = dict(query.windows)

    def specification(window: str | WindowSpec) -> WindowSpec:
        if isinstance(window, str):
            return specification(named[window])
        if window.base is None:
            return window
        base = specification(named[window.base])
        return replace(
            window,
            base=None,
            partition_by=base.partition_by,
            order_by=window.order_by or base.order_by,
        )

    def replaced(found: Expression) -> Expression | None:
        if isinstance(found, Sublink):
            return found
        if isinstance(found, Call) and found.over is not None:
            spec = specification(found.over)
            if spec != found.over:
                return rewrite(replace(found, over=spec), replaced)
        return None

    return rewrite(expression, replaced)


def add_windows(
    node: Node,
    expressions: list[Expression],
    attributes: Attributes,
    around: tuple[Expression, ...] = (),
) -> tuple[Node, list[Expression]]:
    """Compute the window functions of `expressions` above `node`, apart for each of `around`."""
    calls: dict[Call, Attribute] = {}

    def replaced(found: Expression) -> Expression | None:
        if isinstance(found, Call) and found.over is not None:
            if found not in calls:
                calls[found] = attributes.new()
            return calls[found].reference
        return None

    above = [rewrite(expression, replaced) for expression in expressions]
    by_partition: dict[tuple[Expression, ...], list[tuple[Attribute, Call]]] = {}
    for call, attribute in calls.items():
        if not isinstance(call.over, WindowSpec):
            raise NotIncremental("WINDOW", f"{call.over} is not a window of this block")
        if any(not isinstance(part, str) and columns_of(part) for part in call.over.frame):
            # PostgreSQL takes no column there, and the value of a subquery is one by now.
            raise NotIncremental("WINDOW", "how many rows a frame has is a subquery's to say")
        over = replace(call.over, partition_by=(*around, *call.over.partition_by))
        member = attribute, replace(call, over=over)
        by_partition.setdefault(over.partition_by, []).append(member)
    for partition, members in by_partition.items():
        node = Window(node, partition, tuple(members))
    return node, above
