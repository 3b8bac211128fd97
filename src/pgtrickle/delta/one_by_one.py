"""First rows that are looked for one by one, as a correlated subquery asks for them.

``(select p.price from prices p where p.at <= o.at order by p.at desc limit 1)`` is the first row of
each partition of a join: the moments D of the orders with all prices R until then. To join them for
that gives each moment with nearly all prices, where an index has the one at once. So for each row d
of D the query is asked as it was written,

    D × (first rows of σ θ(d, r) (R))        a lateral join

and so it takes no longer than the user's own. A change of R meets the moments that stay, and what
follows from it is carried forward (`first_rows`); moments that are new are looked up.

Where the condition has nothing but equalities, sets are better: each row of R is in one partition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgtrickle.delta.first_rows import first_rows
from pgtrickle.delta.join import joined
from pgtrickle.delta.linear import filtered, projected
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import WEIGHT, Relation, select
from pgtrickle.query.algebra import Filter, Join, Node, Project, TopN, Window
from pgtrickle.query.expression import Column, Expression, Operator
from pgtrickle.query.keys import group_key, keys
from pgtrickle.query.lowering.conditions import conjuncts
from pgtrickle.query.pruning import columns_of
from pgtrickle.query.render import render_expression


@dataclass(frozen=True, slots=True)
class OneByOne:
    """The first rows `of` the partitions of a join, each one of `rows` with the `others` it meets.

    `above` are the projections and filters between, from the join on; `keys` names for each
    partition key the column of `rows` that it is.
    """

    of: TopN
    join: Join
    rows: Node
    others: Node
    above: tuple[Project | Filter, ...]
    keys: Mapping[str, str]

    def with_keys(self, rows: Relation) -> Relation:
        """`rows` with their partition keys."""
        missing = [f"d.{id} AS {key}" for key, id in self.keys.items() if key not in rows.ids]
        ids = (*rows.ids, *(key for key in self.keys if key not in rows.ids))
        weight = [WEIGHT] if rows.weighted else []
        items = [*(f"d.{id}" for id in rows.ids), *missing, *weight]
        return Relation(select(items, f"FROM {rows.source('d')}"), ids, rows.weighted)

    def found(self, rows: Relation, others: Relation) -> Relation:
        """The first rows for each of `rows`."""
        met = [f"d.{id}" for id in self.rows.ids] + [f"r.{id}" for id in self.others.ids]
        on = "" if self.join.condition is None else render_expression(self.join.condition)
        sql = select(met, f"FROM {others.source('r')}", f"WHERE {on}" if on else "")
        ids = (*self.rows.ids, *self.others.ids)
        inner = self._raised(Relation(sql, ids, weighted=False))
        first = first_rows(self.of, (), inner)
        source = f"FROM {rows.source('d')} CROSS JOIN LATERAL (\n{first}\n) AS f"
        return Relation(select([f"f.{id}" for id in self.of.ids], source), self.of.ids, False)

    def changes(self, renewed: str | None, same: str, maintenance: Maintenance) -> Relation:
        """What changed with the others, for rows that are not in the CTE `renewed`.

        `same`: condition that a row ``c`` has the key of ``n``, one of that CTE.
        """
        change = maintenance.delta(self.others)
        known = maintenance.has_old(self.rows)
        here = maintenance.old(self.rows) if known else maintenance.new(self.rows)
        if change is None:
            none = joined(self.join.condition, here, maintenance.new(self.others))
            items = [*none.ids, f"0 AS {WEIGHT}"]
            sql = select(items, f"FROM {none.source('n')} WHERE false")
            return self._raised(Relation(sql, none.ids, weighted=True))
        rows = self._raised(joined(self.join.condition, here, change))
        if renewed is None:
            return rows
        stay = f"WHERE NOT EXISTS (SELECT FROM {renewed} AS n WHERE {same})"
        return Relation(select(["c.*"], f"FROM {rows.source('c')}", stay), rows.ids, weighted=True)

    def _raised(self, rows: Relation) -> Relation:
        for node in self.above:
            rows = projected(node, rows) if isinstance(node, Project) else filtered(node, rows)
        return rows


def one_by_one(node: TopN | Window) -> OneByOne | None:
    """How first rows are found one by one; None where sets are better, or it cannot be."""
    if not isinstance(node, TopN) or not node.partition:
        return None
    above: list[Project | Filter] = []
    below = node.child
    while type(below) is Filter or (type(below) is Project and not below.expands):
        above.insert(0, below)
        below = below.child
    if not isinstance(below, Join) or not _compares(below):
        return None
    columns = [_column(expression) for expression in node.partition]
    origins = [_origin(name, above) for name in columns]
    for rows, others in ((below.left, below.right), (below.right, below.left)):
        of_rows = dict(zip(columns, origins, strict=True))
        if len(of_rows) == len(columns) and _is_key(frozenset(origins), rows):
            named = {key: id for key, id in of_rows.items() if key is not None and id is not None}
            return OneByOne(node, below, rows, others, tuple(above), named)
    return None


def _compares(join: Join) -> bool:
    """Whether a condition on both sides is none of equality."""
    return any(
        isinstance(each, Operator)
        and each.name != ("=",)
        and all(columns_of(each) & frozenset(side.ids) for side in (join.left, join.right))
        for each in conjuncts(join.condition)
    )


def _column(expression: Expression) -> str | None:
    is_own = isinstance(expression, Column) and expression.relation is None
    return expression.name if is_own and isinstance(expression, Column) else None


def _origin(name: str | None, above: list[Project | Filter]) -> str | None:
    """The column of the join that a column above is, if it is one."""
    for node in reversed(above):
        if isinstance(node, Project) and name is not None:
            items = {attribute.id: expression for attribute, expression in node.items}
            name = _column(items[name])
    return name


def _is_key(columns: frozenset[str | None], rows: Node) -> bool:
    """Whether the columns are those of `rows`, and tell them apart (a group by NULLs, too)."""
    if not columns <= frozenset(rows.ids):
        return False
    group = group_key(rows)
    return any(key <= columns for key in keys(rows)) or (
        group is not None and frozenset(group) <= columns
    )
