"""FROM items become algebra: tables, subqueries, WITH names, joins, constant functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import Attribute, Constant, Join, Node, Scan
from pgtrickle.query.expression import And, Column, Expression, Operator
from pgtrickle.query.lowering.facts import Facts
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.render import quote_identifier, render_expression

if TYPE_CHECKING:
    from pgtrickle.query.lowering.query import Lowered


class Attributes:
    """Hands out attribute ids, unique in one tree."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, not_null: bool = False) -> Attribute:
        return Attribute(f"c{next(self._numbers)}", not_null)


@dataclass(frozen=True, slots=True)
class Environment:
    """What a block may refer to beyond its own FROM: the database and the WITH names."""

    facts: Facts
    attributes: Attributes
    common_tables: dict[str, Callable[[], Lowered]]
    lower_query: Callable[[s.Query, Environment], Lowered]


def lower_source(item: s.FromItem, environment: Environment) -> tuple[Node, Scope]:
    """One FROM item: its relation and the names it makes visible."""
    match item:
        case s.Table():
            return _table(item, environment)
        case s.Derived(query=query, alias=alias, lateral=lateral):
            if lateral:
                raise NotIncremental("LATERAL", "a subquery that reads its left side is recomputed")
            lowered = environment.lower_query(query, environment)
            return lowered.node, _named(alias, lowered.names, lowered.node.attributes)
        case s.Join():
            return _join(item, environment)
        case s.FunctionSource():
            return _function(item, environment)
        case s.TemplateSource(construct=construct):
            raise NotIncremental(construct, "it is recomputed")
    raise NotIncremental(type(item).__name__, "it is recomputed")


def _named(
    alias: s.Alias | None, names: tuple[str, ...], attributes: tuple[Attribute, ...]
) -> Scope:
    """The scope of one relation under its alias; alias columns rename from the left."""
    if alias is None:
        return Scope({"": dict(zip(names, attributes, strict=True))})
    renamed = alias.columns + names[len(alias.columns) :]
    return Scope({alias.name: dict(zip(renamed, attributes, strict=True))})


def _table(item: s.Table, environment: Environment) -> tuple[Node, Scope]:
    alias = item.alias or s.Alias(item.name)
    if item.schema is None:
        if item.name not in environment.common_tables:
            raise NotIncremental(item.name, "it is not a relation this query can name")
        lowered = environment.common_tables[item.name]()
        return lowered.node, _named(alias, lowered.names, lowered.node.attributes)
    shown = f"{item.schema}.{item.name}"
    if item.sample:
        raise NotIncremental("TABLESAMPLE", f"which rows of {shown} it returns is random")
    facts = environment.facts.relation(item.schema, item.name)
    if facts.obstacle is not None:
        raise NotIncremental(shown, facts.obstacle)
    columns = tuple(
        (environment.attributes.new(not_null), name) for name, not_null in facts.columns
    )
    scan = Scan(facts.relid, item.schema, item.name, columns, facts.keys)
    return scan, _named(alias, tuple(name for name, _ in facts.columns), scan.attributes)


def _join(item: s.Join, environment: Environment) -> tuple[Node, Scope]:
    if item.kind not in ("INNER", "CROSS"):
        raise NotIncremental(f"{item.kind} JOIN", "outer joins are recomputed")
    left, left_scope = lower_source(item.left, environment)
    right, right_scope = lower_source(item.right, environment)
    scope = left_scope + right_scope
    condition = None if item.on is None else scope.resolve(item.on)
    if item.using:
        pairs = [
            (left_scope.resolve(Column(None, name)), right_scope.resolve(Column(None, name)))
            for name in item.using
        ]
        condition = conjunction([Operator(("=",), a, b) for a, b in pairs])
        merged = {name: a for name, (a, _) in zip(item.using, pairs, strict=True)}
        scope = Scope(scope.relations, scope.merged | merged)
    if item.alias is not None or item.using_alias is not None:
        raise NotIncremental("alias of a JOIN", "it is recomputed")
    return Join(left, right, condition), scope


def _function(item: s.FunctionSource, environment: Environment) -> tuple[Node, Scope]:
    """A function of constants is a relation that never changes (volatility is checked before)."""
    if item.alias is None or len(item.functions) != 1 or item.functions[0].definitions:
        raise NotIncremental("ROWS FROM", "it is recomputed")
    Scope().resolve(item.functions[0].call)  # raises where it reads another relation
    width = len(item.alias.columns)
    if not width:
        raise NotIncremental("function in FROM", "its columns are not named")
    attributes = tuple(environment.attributes.new() for _ in range(width))
    call = render_expression(item.functions[0].call)
    ordinality = " WITH ORDINALITY" if item.ordinality else ""
    columns = ", ".join(quote_identifier(a.id) for a in attributes)
    sql = f"SELECT {columns} FROM {call}{ordinality} AS f ({columns})"
    return Constant(sql, attributes), _named(item.alias, item.alias.columns, attributes)


def conjunction(conditions: list[Expression]) -> Expression | None:
    """AND of all of them; None for none."""
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else And(tuple(conditions))
