"""Which left rows gain their first match on the right, or lose their last one.

Outer, semi, anti and mark joins change for two reasons: a left row comes or goes, or a left row
that stays changes from matched to unmatched or back. This module finds the second kind.

For a left row l let N(l) be the number of right rows that satisfy the condition θ. With δN(l) the
sum of weights of the changed right rows that do,

    l flips   ⟺   (N_new(l) = 0) ≠ (N_new(l) - δN(l) = 0)

Only rows matched by a change can flip. Where θ is a conjunction of equalities between the sides
(and conditions on one side alone), this is decided once for each *key* among the changes, and
the few keys that flip are joined with the left side through its indexes. N is asked of the right
side, as it was where that is known, or read where the groups above know it (`aggregate.matched`).
Otherwise it is decided for each left row that a change matches; the equalities, if there are any,
find these rows. A right side of one row at most is compared as it was and as it is (`single`).

An equality makes keys only where the changes fall into groups by it as they do by GROUP BY: under a
nondeterministic collation on the left, 'a' and 'A' are two keys that match one row.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import WEIGHT, Relation, is_not_null, netted, select, union_all
from pgtrickle.delta.single import before_and_now, by_comparing, known_as_it_was
from pgtrickle.delta.state import KnownMatches
from pgtrickle.query.algebra import MarkJoin, Node, OuterJoin, SemiJoin, walk_nodes
from pgtrickle.query.expression import And, Expression, Operator
from pgtrickle.query.pruning import columns_of
from pgtrickle.query.render import render_expression

MATCHED = "__matched"
"""Column of the result: whether the row has a match now."""


@dataclass(frozen=True, slots=True)
class Condition:
    """θ taken apart: equated (left, right) expressions, conditions on one side alone, the rest."""

    equal: tuple[tuple[str, str], ...]
    left: tuple[str, ...]
    right: tuple[str, ...]
    rest: tuple[str, ...]


def take_apart(condition: Expression | None, left: Node, right: Node) -> Condition:
    """Sort the conjuncts of a join condition."""
    match condition:
        case None:
            conjuncts: tuple[Expression, ...] = ()
        case And(operands=operands):
            conjuncts = operands
        case _:
            conjuncts = (condition,)
    equal, of_left, of_right, rest = [], [], [], []
    for conjunct in conjuncts:
        pair = _equated(conjunct, frozenset(left.ids), frozenset(right.ids))
        if pair is not None:
            equal.append((render_expression(pair[0]), render_expression(pair[1])))
        elif columns_of(conjunct) <= frozenset(left.ids):
            of_left.append(render_expression(conjunct))
        elif columns_of(conjunct) <= frozenset(right.ids):
            of_right.append(render_expression(conjunct))
        else:
            rest.append(render_expression(conjunct))
    return Condition(tuple(equal), tuple(of_left), tuple(of_right), tuple(rest))


def _equated(
    conjunct: Expression, left: frozenset[str], right: frozenset[str]
) -> tuple[Expression, Expression] | None:
    match conjunct:
        case Operator(name=("=",), left=Expression() as a, right=b):
            reads_a, reads_b = columns_of(a), columns_of(b)
            if reads_a and reads_b and reads_a <= left and reads_b <= right:
                return a, b
            if reads_a and reads_b and reads_a <= right and reads_b <= left:
                return b, a
    return None


def flipped(
    left: Node,
    right: Node,
    condition: Expression | None,
    maintenance: Maintenance,
    known: KnownMatches | None = None,
    counted: Relation | None = None,
) -> Relation | None:
    """Old left rows that flip: the left columns, `MATCHED`, and the row's weight.

    None when the right side did not change. `known`: where N_old stands. `counted`: of a condition
    that is decided by key, the right columns it equates of the changes that meet what it asks of
    the right side alone, each weighted by how many they are.
    """
    if not maintenance.is_changed(right):
        return None
    parts = take_apart(condition, left, right)
    terms = maintenance.old_terms(left)
    pair = before_and_now(right, maintenance) if parts.rest else None
    if pair is not None and condition is not None:
        sql = [by_comparing(term, right, condition, pair, MATCHED) for term in terms]
    else:
        sql = _by_counting(terms, right, condition, parts, maintenance, known, counted)
    rows = Relation(union_all(sql), (*left.ids, MATCHED), weighted=True)
    return netted(rows) if len(terms) > 1 and comes_often(left) else rows


def comes_often(left: Node) -> bool:
    """Whether a row of `left` may come and go several times in one delta.

    Of a left side that is itself such a join, each row comes as often as that has changes of it,
    and again at each further join: 3 to the number of joins. To net them, each is printed, which
    was an eighth of what a left join of two tables took.
    """
    return any(isinstance(node, OuterJoin | SemiJoin | MarkJoin) for node in walk_nodes(left))


def _by_counting(
    terms: list[Relation],
    right: Node,
    condition: Expression | None,
    parts: Condition,
    maintenance: Maintenance,
    known: KnownMatches | None,
    counted: Relation | None,
) -> list[str]:
    """The rows of each of the `terms` that flip, by how many matches they have and had."""
    if counted is not None:
        by_key = _flipped_keys(counted, (), right, parts, maintenance, known)
        return [_through_keys(term, by_key, parts) for term in terms]
    change = maintenance.shared_delta(right)
    if change is None:
        raise ValueError("a changed relation has a delta")
    if parts.rest or not maintenance.states.one_equality:
        keys = _changed_keys(change, parts, maintenance)
        return [_row_by_row(term, change, right, condition, keys, maintenance) for term in terms]
    by_key = _flipped_keys(change, parts.right, right, parts, maintenance, known)
    return [_through_keys(term, by_key, parts) for term in terms]


def _flipped_keys(
    change: Relation,
    asked: tuple[str, ...],
    right: Node,
    parts: Condition,
    maintenance: Maintenance,
    known: KnownMatches | None,
) -> str:
    """CTE of the keys that flip: k1…kn and `MATCHED`. Without keys: one row, or none.

    `asked` of the changes is what they need not meet yet.
    """
    names = [f"k{i}" for i in range(1, len(parts.equal) + 1)]
    grouped = _change_of_keys(change, asked, parts, names)
    if known is None:
        number, join = _number_now(right, parts, names, maintenance), ""
    else:
        same = " AND ".join(f"s.{a} = c.{b}" for a, b in zip(known.keys, names, strict=True))
        number = f"SELECT s.{known.number} + c.change AS now"
        join = f"JOIN {known.read} AS s ON {same}\n"
    sql = select(
        [*(f"c.{name}" for name in names), f"n.now > 0 AS {MATCHED}"],
        f"FROM ({grouped}) AS c",
        f"{join}CROSS JOIN LATERAL ({number}) AS n",
        "WHERE (n.now = 0) <> (n.now - c.change = 0)",
    )
    return maintenance.add_cte(maintenance.fresh_name("k"), sql)


def _change_of_keys(
    change: Relation, asked: tuple[str, ...], parts: Condition, names: list[str]
) -> str:
    """By how much the number of right rows of each key changed."""
    of_change = [f"{b} AS {name}" for (_, b), name in zip(parts.equal, names, strict=True)]
    changes = select(
        [*of_change, WEIGHT],
        f"FROM {change.source('r')}",
        f"WHERE {' AND '.join(asked)}" if asked else "",
    )
    return select(
        [*names, f"sum({WEIGHT}) AS change"],
        f"FROM ({changes}) AS c",
        f"WHERE {' AND '.join(map(is_not_null, names))}" if names else "",
        f"GROUP BY {', '.join(names)}\nHAVING sum({WEIGHT}) <> 0"
        if names
        else f"HAVING sum({WEIGHT}) <> 0",
    )


def _number_now(right: Node, parts: Condition, names: list[str], maintenance: Maintenance) -> str:
    """How many right rows there are of the key in ``c``, as far as that matters."""
    same = [f"{b} = c.{name}" for (_, b), name in zip(parts.equal, names, strict=True)]
    matching = " AND ".join([*same, *parts.right])
    former = known_as_it_was(right, maintenance)
    # As it was it is made of tables; what it is now, in part, of rows just computed, which have no
    # index: 54,000 of them were read for each of 480 keys.
    change = "c.change" if former is None else "- c.change"
    some = select(
        [],
        f"FROM {(former or _now(right, maintenance)).source('r')}",
        f"WHERE {matching}" if matching else "",
        # Enough rows to tell 0, the change, and anything else apart.
        f"LIMIT greatest({change}, 0) + 1",
    )
    number = "count(*)" if former is None else "count(*) + c.change"
    return f"SELECT {number} AS now FROM ({some}) AS s"


def _now(node: Node, maintenance: Maintenance) -> Relation:
    """`new` as a union of joins: a condition on its columns reaches the indexes of each."""
    terms = maintenance.new_terms(node)
    return Relation(union_all(term.sql for term in terms), node.ids, weighted=False)


def _through_keys(term: Relation, keys: str, parts: Condition) -> str:
    on = [f"{a} = k.k{i}" for i, (a, _) in enumerate(parts.equal, start=1)]
    return select(
        [*(f"l.{id}" for id in term.ids), f"k.{MATCHED}", f"{term.weights('l')} AS {WEIGHT}"],
        f"FROM {term.source('l')} JOIN {keys} AS k",
        f"ON {' AND '.join([*on, *parts.left]) or 'true'}",
    )


def _changed_keys(change: Relation, parts: Condition, maintenance: Maintenance) -> str | None:
    """A condition on left rows that all of them meet which a change matches, by index; or None."""
    if not parts.equal or not maintenance.states.one_equality:
        return None
    names = [f"k{i}" for i in range(1, len(parts.equal) + 1)]
    of_change = [f"{b} AS {name}" for (_, b), name in zip(parts.equal, names, strict=True)]
    where = f"WHERE {' AND '.join(parts.right)}" if parts.right else ""
    changes = select(of_change, f"FROM {change.source('r')}", where)
    keys = maintenance.add_cte(
        maintenance.fresh_name("k"),
        select(
            names,
            f"FROM ({changes}) AS c",
            f"WHERE {' AND '.join(map(is_not_null, names))}",
            f"GROUP BY {', '.join(names)}",
        ),
    )
    left = ", ".join(a for a, _ in parts.equal)
    return f"({left}) IN (SELECT {', '.join(names)} FROM {keys})"


def _row_by_row(
    term: Relation,
    change: Relation,
    right: Node,
    condition: Expression | None,
    keys: str | None,
    maintenance: Maintenance,
) -> str:
    theta = "true" if condition is None else render_expression(condition)
    counted = _counted_alone if keys is None else _counted_together
    some = select(
        [],
        f"FROM {_now(right, maintenance).source('r')}",
        f"WHERE {theta}",
        "LIMIT greatest(l.__change, 0) + 1",
    )
    return select(
        [
            *(f"l.{id}" for id in term.ids),
            f"n.now > 0 AS {MATCHED}",
            f"{term.weights('l')} AS {WEIGHT}",
        ],
        f"FROM ({counted(term, change, theta, keys or '')}) AS l",
        f"CROSS JOIN LATERAL (SELECT count(*) AS now FROM ({some}) AS s) AS n",
        "WHERE (n.now = 0) <> (n.now - l.__change = 0)",
    )


def _counted_alone(term: Relation, change: Relation, theta: str, _: str) -> str:
    """The rows of `term` that a change matches, and in `__change` the weights of those that do."""
    matched = f"EXISTS (SELECT FROM {change.source('r')} WHERE {theta})"
    touched = select(["l.*"], f"FROM {term.source('l')}", f"WHERE {matched}")
    delta = select(
        [f"coalesce(sum(r.{WEIGHT}), 0) AS __change"], f"FROM {change.source('r')} WHERE {theta}"
    )
    return select(["l.*", "c.__change"], f"FROM ({touched}) AS l CROSS JOIN LATERAL ({delta}) AS c")


def _counted_together(term: Relation, change: Relation, theta: str, keys: str) -> str:
    """The same for a condition with equalities, by which a join finds the changes of each row.

    Asked for by itself each row would look at all changes: 855 rows and 12,000 changes of TPC-H q21
    took 350 ms. Which row is which its number says, by a window, so that no sums need be joined.
    Where PostgreSQL expects one row only it would look at all changes for each here, too; of the
    array, which it does not see, it expects ten elements.
    """
    touched = select(["l.*"], f"FROM {term.source('l')}", f"WHERE {keys}", "OFFSET 0")
    numbered = select(
        ["l.*", "row_number() OVER () AS __row"],
        f"FROM ({touched}) AS l CROSS JOIN unnest((SELECT ARRAY[1])) AS once",
    )
    summed = select(
        [
            "l.*",
            f"sum(r.{WEIGHT}) OVER same AS __change",
            "row_number() OVER same AS __copy",
        ],
        f"FROM ({numbered}) AS l JOIN {change.source('r')} ON {theta}",
        "WINDOW same AS (PARTITION BY l.__row)",
    )
    return select(["l.*"], f"FROM ({summed}) AS l", "WHERE l.__copy = 1 AND l.__change <> 0")
