"""FROM items become algebra: tables, subqueries, WITH names, joins, functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

from pgtrickle.query import statement as s
from pgtrickle.query.algebra import (
    Attribute,
    Constant,
    Expand,
    Filter,
    Join,
    Node,
    Project,
    Scan,
    Shared,
)
from pgtrickle.query.expression import (
    Case,
    Column,
    Expression,
    Literal,
    Operator,
    SqlFunction,
)
from pgtrickle.query.lowering import subqueries
from pgtrickle.query.lowering.conditions import conjunction, conjuncts
from pgtrickle.query.lowering.correlated import Condition, Correlated
from pgtrickle.query.lowering.environment import Environment
from pgtrickle.query.lowering.free_names import reads
from pgtrickle.query.lowering.join_conditions import (
    join_node,
    joined_on,
    restricted,
    with_unmatched,
)
from pgtrickle.query.lowering.obstacle import NotIncremental
from pgtrickle.query.lowering.rewriting import rewrite
from pgtrickle.query.lowering.scope import Scope
from pgtrickle.query.lowering.source import Source
from pgtrickle.query.lowering.whole_rows import row_of, with_whole_row
from pgtrickle.query.moments import at_frontier, reads_moment
from pgtrickle.query.names import quote_identifier, quote_name
from pgtrickle.query.pruning import columns_of
from pgtrickle.query.render import render_from


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
    if left is None:
        return _source(item, environment)
    lateral = _lateral(left, item, environment)
    if lateral is not None:
        return lateral
    if isinstance(item, s.Join) and _reads_beside(item, left, environment):
        return _join(item, environment, left)
    right = _source(item, environment)
    return Source(
        Join(left.node, right.node), left.scope + right.scope, left.columns + right.columns
    )


def _reads_beside(item: s.FromItem, left: Source, environment: Environment) -> bool:
    """Whether something in an item reads what stands to its left, or around."""
    return reads(item, replace(left.scope, outer=environment.outer))


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
            raise NotIncremental(
                item.name, "it is a system catalog, whose changes cannot be captured"
            )
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
    scan = Scan(
        facts.relid,
        item.schema,
        item.name,
        columns,
        facts.keys,
        whole,
        facts.scales,
        facts.types,
    )
    names = tuple(name for name, _ in facts.columns)
    return _named(alias, names, scan, environment, quote_name((item.schema, item.name)))


def _join(item: s.Join, environment: Environment, beside: Source | None = None) -> Source:
    """A join; `beside` is a relation to its left that something in it reads.

    That is joined with the side whose rows are all kept: X × (A ⟕ B) is (X × A) ⟕ B.
    """
    around = None if beside is None else replace(beside, columns=())
    if around is not None and item.kind == "FULL":
        raise NotIncremental("FULL JOIN", "it reads the query around it")
    on_left, on_right = (None, around) if item.kind == "RIGHT" else (around, None)
    left = _beside(on_left, item.left, environment)
    if item.kind in ("INNER", "CROSS", "LEFT"):
        lateral = _lateral(left, item.right, environment, item)
        if lateral is not None:
            return _with_columns(lateral, item.alias, around, environment)
        if isinstance(item.right, s.Join) and _reads_beside(item.right, left, environment):
            return _tree_beside(left, item, around, environment)
    right = _beside(on_right, item.right, environment)
    columns = left.columns + right.columns
    scope = left.scope + right.scope
    if not item.using:
        joined = joined_on(item, left, right, environment)
    else:
        own = [_without(side.scope, around) for side in (left, right)]
        pairs = [tuple(each.resolve(Column(None, name)) for each in own) for name in item.using]
        condition = conjunction([Operator(environment.equality, a, b) for a, b in pairs])
        joined = join_node(item.kind, left.node, right.node, condition)
        types = [environment.facts.types(left.node, [a for a, _ in pairs])]
        types.append(environment.facts.types(right.node, [b for _, b in pairs]))
        merged = {
            name: _merged(item.kind, a, b, _without_modifier(c) == _without_modifier(d))
            for name, (a, b), c, d in zip(item.using, pairs, *types, strict=True)
        }
        scope = replace(scope, merged=scope.merged | merged)
        columns = (*merged.items(), *((n, e) for n, e in columns if n not in merged))
    scope = replace(scope, outer=environment.outer).within(joined)
    return _with_columns(Source(joined, scope, columns), item.alias, around, environment)


def _tree_beside(
    left: Source, item: s.Join, around: Source | None, environment: Environment
) -> Source:
    """A join with a tree of joins to its right that reads its left side."""
    if item.kind == "LEFT" or item.using or not isinstance(item.right, s.Join):
        raise NotIncremental("LATERAL", "within joins to the right it reads their left side")
    tree = _join(item.right, environment, left)
    joined = replace(tree, columns=left.columns + tree.columns)
    joined = _where(joined, item.on, environment)
    return _with_columns(joined, item.alias, around, environment)


def _without(scope: Scope, beside: Source | None) -> Scope:
    """The names of a join alone."""
    if beside is None:
        return scope
    relations = {n: c for n, c in scope.relations.items() if n not in beside.scope.relations}
    merged = {n: e for n, e in scope.merged.items() if n not in beside.scope.merged}
    return replace(scope, relations=relations, merged=merged)


def _with_columns(
    joined: Source, alias: s.Alias | None, beside: Source | None, environment: Environment
) -> Source:
    """A join, perhaps under an alias, with the columns of what stands beside it."""
    if alias is not None:
        joined = _renamed_join(alias, joined, environment)
        if beside is not None:
            joined = replace(joined, scope=joined.scope + beside.scope.within(joined.node))
    return joined


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


def _lateral(
    left: Source, item: s.FromItem, environment: Environment, join: s.Join | None = None
) -> Source | None:
    """`left` with a lateral item to its right; None where the item does not read `left`.

    `join` is the join they stand in, if it is one.
    """
    match item:
        case s.FunctionSource() | s.TemplateSource():
            return _lateral_functions(left, item, environment, join)
        case s.Derived() if item.lateral or reads(item, environment.outer):
            return _lateral_subquery(left, item, environment, join)
    return None


def _lateral_functions(
    left: Source,
    item: s.FunctionSource | s.TemplateSource,
    environment: Environment,
    join: s.Join | None,
) -> Source | None:
    scope = replace(left.scope, outer=environment.outer)
    resolved = rewrite(item, lambda e: scope.resolve(e))
    if not columns_of(resolved) & frozenset(left.node.ids):
        return None
    _check_columns(columns_of(resolved), left.node)
    if _is_left(join):
        if _has_sublink(join):
            return _apart(left, item, join, environment)
        return _expanded(left, resolved, join, environment)
    source = _expanded(left, resolved, None, environment)
    return source if join is None else _where(source, join.on, environment)


def _lateral_subquery(
    left: Source, item: s.Derived, environment: Environment, join: s.Join | None
) -> Source | None:
    scope = replace(left.scope, outer=environment.outer)
    inside = replace(environment, outer=scope, around=left.node)
    inner = environment.lower_correlated(item.query, inside)
    if not inner.reads_outer:
        return None
    if _is_left(join):
        if _has_sublink(join):
            return _apart(left, item, join, environment)
        return _left_joined(left, item, inner, join, environment)
    around, inner = inner.placed(left.node, environment.attributes)
    names = _names_under(item.alias, inner.names)
    inner = _with_row(inner, item, names, environment)
    node, outputs = inner.columns_beside(around, environment.attributes)
    source = _extended(left, node, item, names, outputs)
    return source if join is None else _where(source, join.on, environment)


def _is_left(join: s.Join | None) -> TypeGuard[s.Join]:
    return join is not None and join.kind == "LEFT"


def _has_sublink(join: s.Join) -> bool:
    return any(map(subqueries.has_sublink, conjuncts(join.on)))


def _where(source: Source, on: Condition, environment: Environment) -> Source:
    """A source filtered by the condition of an inner join."""
    scope = replace(source.scope, outer=environment.outer)
    every = conjuncts(on)
    nested = [each for each in every if subqueries.has_sublink(each)]
    plain = conjunction(scope.resolve(each) for each in every if each not in nested)
    node = source.node
    if plain is not None:
        _check_columns(columns_of(plain), node)
        node = Filter(node, plain)
    return replace(source, node=restricted(node, scope, nested, environment))


def _expanded(
    left: Source,
    item: s.FunctionSource | s.TemplateSource,
    join: s.Join | None,
    environment: Environment,
) -> Source:
    """`left` with set-returning functions of its rows; in a LEFT `join` with its condition."""
    source, outputs, names = _renamed(item, environment)
    if item.alias is not None and item.alias.name in environment.whole_rows:
        source, outputs = _with_row_of(source, names, outputs, environment)
    node = Expand(left.node, source, outputs)
    extended = _extended(left, node, item, names, outputs)
    if join is None:
        return extended
    scope = replace(extended.scope, outer=environment.outer)
    on = conjunction(scope.resolve(each) for each in conjuncts(join.on))
    _check_columns(columns_of(on), node)
    return replace(extended, node=replace(node, outer=True, condition=on))


def _with_row(
    inner: Correlated, item: s.Derived, names: tuple[str, ...], environment: Environment
) -> Correlated:
    """A subquery whose last value is its row, if the block uses that."""
    if item.alias is None or item.alias.name not in environment.whole_rows:
        return inner
    row = row_of(dict(zip(names, inner.values, strict=True)))
    if inner.having is not None:
        row = Case(None, ((inner.having, row),), None)
    return replace(inner, values=(*inner.values, row))


def _with_row_of(
    source: s.FromItem,
    names: tuple[str, ...],
    outputs: tuple[Attribute, ...],
    environment: Environment,
) -> tuple[s.FromItem, tuple[Attribute, ...]]:
    """Set-returning functions with a column more, which is the row of the others."""
    values = [Column("f", attribute.id) for attribute in outputs]
    row = row_of(dict(zip(names, values, strict=True)))
    targets = tuple(s.Target(value, None) for value in (*values, row))
    outputs = (*outputs, environment.attributes.new())
    alias = s.Alias("f", tuple(attribute.id for attribute in outputs))
    return s.Derived(s.plain_select(targets, (source,)), alias, lateral=True), outputs


def _left_joined(
    left: Source, item: s.Derived, inner: Correlated, join: s.Join, environment: Environment
) -> Source:
    """LEFT JOIN LATERAL of a subquery."""
    around, inner = inner.placed(left.node, environment.attributes)
    names = _names_under(item.alias, inner.names)
    inner = _with_row(inner, item, names, environment)
    stand_ins = tuple(environment.attributes.new() for _ in inner.values)
    inside = _extended(left, around, item, names, stand_ins).scope
    scope = replace(inside, outer=environment.outer)
    condition = conjunction(
        scope.resolve(each) for each in conjuncts(join.on) if each != Literal("true")
    )

    def on(values: Sequence[Expression]) -> Condition:
        known: dict[Expression, Expression] = {
            a.reference: value for a, value in zip(stand_ins, values, strict=True)
        }
        return rewrite(condition, known.get)

    node, outputs = inner.columns_left_beside(around, environment.attributes, on)
    return _extended(left, node, item, names, outputs)


def _apart(left: Source, item: s.FromItem, join: s.Join, environment: Environment) -> Source:
    """LEFT JOIN LATERAL with a subquery in its condition."""
    kept = replace(left, node=Shared(left.node))
    matches = _lateral(kept, item, environment, replace(join, kind="INNER"))
    if matches is None:
        raise NotIncremental("LATERAL", "it does not read its left side")
    others = tuple(a for a in matches.node.attributes if a.id not in left.node.ids)
    read = (item, join.on)
    node = with_unmatched(kept, matches.node, others, read, environment)
    return replace(matches, node=node)


def _extended(
    left: Source,
    node: Node,
    item: s.FromItem,
    names: tuple[str, ...],
    outputs: tuple[Attribute, ...],
) -> Source:
    """`left` and the columns of an item beside it, as `node`; last perhaps the item's row."""
    alias = getattr(item, "alias", None)
    name = alias.name if alias is not None else ""
    visible = dict(zip(names, outputs, strict=False))
    whole = {name: outputs[-1]} if len(outputs) > len(names) else {}
    scope = left.scope + Scope({name: visible}, whole=whole)
    return Source(node, scope.within(node), left.columns + _references(visible))


def _names_under(alias: s.Alias | None, names: tuple[str, ...]) -> tuple[str, ...]:
    """A subquery's columns under its alias."""
    given = alias.columns if alias is not None else ()
    return given + names[len(given) :]


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
    if isinstance(item, s.TemplateSource):
        names += item.names[len(names) :]
    if not names:
        raise NotIncremental("function in FROM", "its columns are not named")
    outputs = tuple(environment.attributes.new() for _ in names)
    alias = s.Alias("f", tuple(attribute.id for attribute in outputs))
    return replace(item, alias=alias, lateral=True), outputs, names
