"""FROM items become algebra: tables, subqueries, WITH names, joins, functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import (
    Attribute,
    Constant,
    Expand,
    Filter,
    Join,
    Node,
    OuterJoin,
    Project,
    Scan,
)
from pgtrickle.query.expression import (
    Case,
    Column,
    Expression,
    Literal,
    Operator,
    SqlFunction,
)
from pgtrickle.query.lowering.conditions import conjunction
from pgtrickle.query.lowering.environment import Environment
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.lowering.whole_rows import with_whole_row
from pgtrickle.query.moments import at_frontier, reads_moment
from pgtrickle.query.names import quote_identifier, quote_name
from pgtrickle.query.pruning import columns_of
from pgtrickle.query.render import render_from


@dataclass(frozen=True, slots=True)
class Source:
    """A relation, the names it makes visible, and the columns that ``*`` stands for, in order."""

    node: Node
    scope: Scope
    columns: tuple[tuple[str, Expression], ...] = ()


def lower_from(
    items: tuple[s.FromItem, ...], environment: Environment, beside: Node | None = None
) -> Source:
    """The whole FROM clause: a cross join of its items, and of `beside`, from left to right."""
    found = None if beside is None else Source(beside, Scope())
    for item in items:
        found = _beside(found, item, environment)
    scope = Scope(outer=environment.outer)
    if found is None:
        return Source(Constant("SELECT", (), single=True), scope)
    return Source(found.node, found.scope + scope)


def _beside(left: Source | None, item: s.FromItem, environment: Environment) -> Source:
    """An item to the right of others, which it may read where it is lateral."""
    if left is not None:
        lateral = _lateral(left, item, environment, outer=False)
        if lateral is not None:
            return lateral
    right = _source(item, environment)
    if left is None:
        return right
    return Source(
        Join(left.node, right.node), left.scope + right.scope, left.columns + right.columns
    )


def _source(item: s.FromItem, environment: Environment) -> Source:
    match item:
        case s.Table():
            return _table(item, environment)
        case s.Derived(query=query, alias=alias):
            lowered = environment.lower_query(query, replace(environment, outer=None))
            return _named(alias, lowered.names, lowered.node, environment)
        case s.Join():
            return _join(item, environment)
        case s.FunctionSource() | s.TemplateSource():
            return _constant(item, environment)
    raise NotIncremental(type(item).__name__, "it is recomputed")


def _named(
    alias: s.Alias | None,
    names: tuple[str, ...],
    node: Node,
    environment: Environment,
    type: str = "",
) -> Source:
    """A relation under its alias; alias columns rename from the left. `type`: that of its rows."""
    columns = alias.columns if alias is not None else ()
    renamed = columns + names[len(columns) :]
    visible = dict(zip(renamed, node.attributes, strict=False))
    name = alias.name if alias is not None else ""
    node, scope = with_whole_row(node, Scope({name: visible}), name, environment, type)
    return Source(node, scope, _references(visible))


def _references(visible: dict[str, Attribute]) -> tuple[tuple[str, Expression], ...]:
    return tuple((name, attribute.reference) for name, attribute in visible.items())


def _table(item: s.Table, environment: Environment) -> Source:
    alias = item.alias or s.Alias(item.name)
    if item.schema is None:
        if item.name not in environment.common_tables:
            raise NotIncremental(item.name, "it is not a relation this query can name")
        lowered = environment.common_tables[item.name]()
        return _named(alias, lowered.names, lowered.node, environment)
    shown = f"{item.schema}.{item.name}"
    if item.sample:
        raise NotIncremental("TABLESAMPLE", f"which rows of {shown} it returns is random")
    facts = environment.facts.relation(item.schema, item.name)
    if facts.obstacle is not None:
        raise NotIncremental(shown, facts.obstacle)
    columns = tuple(
        (environment.attributes.new(not_null), name) for name, not_null in facts.columns
    )
    whole = alias.name in environment.whole_rows
    scan = Scan(facts.relid, item.schema, item.name, columns, facts.keys, whole)
    names = tuple(name for name, _ in facts.columns)
    return _named(alias, names, scan, environment, quote_name((item.schema, item.name)))


def _join(item: s.Join, environment: Environment) -> Source:
    left = _source(item.left, environment)
    if item.kind in ("INNER", "CROSS", "LEFT"):
        lateral = _lateral(left, item.right, environment, outer=item.kind == "LEFT")
        if lateral is not None:
            return _lateral_condition(item, lateral, environment)
    right = _source(item.right, environment)
    scope = replace(left.scope + right.scope, outer=environment.outer)
    condition = None if item.on is None else scope.resolve(item.on)
    columns = left.columns + right.columns
    if item.using:
        pairs = [
            (left.scope.resolve(Column(None, name)), right.scope.resolve(Column(None, name)))
            for name in item.using
        ]
        condition = conjunction([Operator(environment.equality, a, b) for a, b in pairs])
        types = [environment.facts.types(left.node, [a for a, _ in pairs])]
        types.append(environment.facts.types(right.node, [b for _, b in pairs]))
        merged = {
            name: _merged(item.kind, a, b, _without_modifier(c) == _without_modifier(d))
            for name, (a, b), c, d in zip(item.using, pairs, *types, strict=True)
        }
        scope = replace(scope, merged=scope.merged | merged)
        columns = (*merged.items(), *((n, e) for n, e in columns if n not in merged))
    _check_local(condition, left.node, right.node)
    node = _join_node(item.kind, left.node, right.node, condition)
    joined = Source(node, scope.within(node), columns)
    return joined if item.alias is None else _renamed_join(item.alias, joined, environment)


def _renamed_join(alias: s.Alias, joined: Source, environment: Environment) -> Source:
    """A join under an alias, which hides the names inside."""
    known = {attribute.id: attribute for attribute in joined.node.attributes}
    items: list[tuple[Attribute, Expression]] = [
        (attribute, attribute.reference) for attribute in joined.node.attributes
    ]
    visible: dict[str, Attribute] = {}
    for i, (name, expression) in enumerate(joined.columns):
        attribute = known.get(expression.name) if isinstance(expression, Column) else None
        if attribute is None:
            attribute = environment.attributes.new()
            items.append((attribute, expression))
        visible[alias.columns[i] if i < len(alias.columns) else name] = attribute
    node = joined.node if len(items) == len(known) else Project(joined.node, tuple(items))
    scope = Scope({alias.name: visible}, outer=joined.scope.outer)
    node, scope = with_whole_row(node, scope, alias.name, environment)
    return Source(node, scope, _references(visible))


def _merged(kind: str, left: Expression, right: Expression, alike: bool) -> Expression:
    """What the one column of JOIN USING is; of the type common to both sides, if not `alike`.

    COALESCE and CASE find that type as USING does, from the left side's first. Only where both
    sides are NULL has one of them no row.
    """
    if kind == "FULL" or not (alike or kind == "RIGHT"):
        return SqlFunction("COALESCE", (left, right))
    if not alike:
        return Case(None, ((Literal("true"), right),), left)
    return right if kind == "RIGHT" else left


def _without_modifier(type: str) -> str:
    return re.sub(r"\([^()\"]*\)", "", type)


def _join_node(kind: str, left: Node, right: Node, condition: Expression | None) -> Node:
    match kind:
        case "LEFT":
            return OuterJoin(left, right, condition)
        case "RIGHT":
            return OuterJoin(right, left, condition)
        case "FULL":
            return OuterJoin(left, right, condition, full=True)
    return Join(left, right, condition)


def _check_local(condition: Expression | None, left: Node, right: Node) -> None:
    if not columns_of(condition) <= frozenset(left.ids) | frozenset(right.ids):
        raise NotIncremental("JOIN ... ON", "its condition reads the query around a subquery")


def _lateral(
    left: Source, item: s.FromItem, environment: Environment, *, outer: bool
) -> Source | None:
    """`left` with a lateral item to its right; None where the item does not read `left`."""
    scope = replace(left.scope, outer=environment.outer)
    match item:
        case s.FunctionSource() | s.TemplateSource():
            resolved = rewrite(item, lambda e: scope.resolve(e))
            if not columns_of(resolved) & frozenset(left.node.ids):
                return None
            _check_columns(columns_of(resolved), left.node)
            source, outputs, names = _renamed(resolved, environment)
            node = Expand(left.node, source, outputs, outer)
            visible = dict(zip(names, outputs, strict=True))
            alias = item.alias.name if item.alias is not None else ""
            columns = left.columns + _references(visible)
            return Source(node, left.scope + Scope({alias: visible}), columns)
        case s.Derived(query=query, alias=alias, lateral=True):
            inner = environment.lower_correlated(query, replace(environment, outer=scope))
            if not inner.reads_outer:
                return None
            around, inner = inner.placed(left.node, environment.attributes)
            joined, outputs = inner.columns_beside(around, environment.attributes, outer=outer)
            renamed = alias.columns if alias is not None else ()
            names = renamed + inner.names[len(renamed) :]
            visible = dict(zip(names, outputs, strict=True))
            name = alias.name if alias is not None else ""
            columns = left.columns + _references(visible)
            return Source(joined, left.scope + Scope({name: visible}), columns)
    return None


def _lateral_condition(item: s.Join, source: Source, environment: Environment) -> Source:
    """ON of a join with a lateral item; of a LEFT join only what is always true."""
    if item.on is None or item.on == Literal("true"):
        return source
    if item.kind == "LEFT":
        raise NotIncremental("LATERAL", "a lateral LEFT JOIN with a condition is recomputed")
    scope = replace(source.scope, outer=environment.outer)
    condition = scope.resolve(item.on)
    _check_columns(columns_of(condition), source.node)
    return replace(source, node=Filter(source.node, condition))


def _check_columns(read: frozenset[str], node: Node) -> None:
    if not read <= frozenset(node.ids):
        raise NotIncremental("LATERAL", "it reads more than its left side")


def _constant(item: s.FunctionSource | s.TemplateSource, environment: Environment) -> Source:
    """A function of constants is a relation that never changes (volatility is checked before)."""
    resolved = rewrite(item, lambda e: Scope().resolve(e))
    source, outputs, names = _renamed(resolved, environment)
    columns = ", ".join(quote_identifier(attribute.id) for attribute in outputs)
    now, then = (
        f"SELECT {columns} FROM {render_from(each)}" for each in (source, at_frontier(source))
    )
    node = Constant(now, outputs, former=then if reads_moment(source) else None)
    visible = dict(zip(names, node.attributes, strict=True))
    scope = Scope({item.alias.name if item.alias else "": visible})
    return Source(node, scope, _references(visible))


def _renamed(
    item: s.FunctionSource | s.TemplateSource, environment: Environment
) -> tuple[s.FromItem, tuple[Attribute, ...], tuple[str, ...]]:
    """The item with its columns named by new attributes; these; and the columns' names before."""
    if item.alias is None:
        raise NotIncremental("function in FROM", "its columns are not named")
    if isinstance(item, s.FunctionSource) and any(f.definitions for f in item.functions):
        if len(item.functions) != 1 or item.ordinality:
            raise NotIncremental("ROWS FROM", "with column definitions it is recomputed")
        (function,) = item.functions
        names = tuple(name for name, _, _ in function.definitions)
        outputs = tuple(environment.attributes.new() for _ in names)
        definitions = tuple(
            (attribute.id, type, collation)
            for attribute, (_, type, collation) in zip(outputs, function.definitions, strict=True)
        )
        source = replace(
            item,
            functions=(replace(function, definitions=definitions),),
            alias=s.Alias("f"),
            lateral=True,
        )
        return source, outputs, names
    names = item.alias.columns
    if not names:
        raise NotIncremental("function in FROM", "its columns are not named")
    outputs = tuple(environment.attributes.new() for _ in names)
    alias = s.Alias("f", tuple(attribute.id for attribute in outputs))
    return replace(item, alias=alias, lateral=True), outputs, names
