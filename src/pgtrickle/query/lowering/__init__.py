"""From the syntax tree to the relational algebra.

`lower` turns a query whose views are already inlined into algebra, or raises `NotIncremental`
naming the construct that the algebra has no rule for.
"""

from pgtrickle.query.lowering.environment import Lowered
from pgtrickle.query.lowering.facts import Facts, RelationFacts
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.query import lower

__all__ = ["Facts", "Lowered", "NotIncremental", "RelationFacts", "lower"]
