"""The operators and their rules."""

from __future__ import annotations

from collections.abc import Mapping

from pgtrickle.delta.aggregate import AGGREGATE
from pgtrickle.delta.join import JOIN
from pgtrickle.delta.linear import FILTER, PROJECT, UNION_ALL
from pgtrickle.delta.maintenance import Rules
from pgtrickle.delta.scan import CONSTANT, SCAN
from pgtrickle.query.algebra import (
    Aggregate,
    Constant,
    Filter,
    Join,
    Node,
    Project,
    Scan,
    UnionAll,
)

RULES: Mapping[type[Node], Rules] = {
    Scan: SCAN,
    Constant: CONSTANT,
    Filter: FILTER,
    Project: PROJECT,
    Join: JOIN,
    UnionAll: UNION_ALL,
    Aggregate: AGGREGATE,
}
