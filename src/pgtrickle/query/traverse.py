"""Walking and rewriting of trees, for every node class alike.

Works on the fields of the dataclasses: a node's children are the nodes in its fields, directly
or inside tuples, in the order of the fields. Sort keys, arguments, windows, targets, common
tables and grouping sets count as nodes, so nothing between two expressions is overlooked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

from pgtrickle.query.expression import Expression, TypeName
from pgtrickle.query.statement import Alias, Query

Tree = TypeVar("Tree")

_LEAVES = (Alias, TypeName)


_FIELD_NAMES: dict[type, tuple[str, ...]] = {}


def _field_names(node_class: type) -> tuple[str, ...]:
    names = _FIELD_NAMES.get(node_class)
    if names is None:
        names = tuple(field.name for field in fields(cast("Any", node_class)))
        _FIELD_NAMES[node_class] = names
    return names


def _is_node(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, _LEAVES)


def _nodes_in(value: object) -> Iterator[Any]:
    if isinstance(value, tuple):
        for item in value:
            yield from _nodes_in(item)
    elif _is_node(value):
        yield value


def children(node: Any) -> Iterator[Any]:
    """Yield the nodes directly under `node`, in the order they are written in the class."""
    for name in _field_names(type(node)):
        yield from _nodes_in(getattr(node, name))


def walk(node: Any, *, into_queries: bool = True) -> Iterator[Any]:
    """Yield `node` and all nodes under it, parents first.

    Without `into_queries`, a Query below `node` is yielded but not entered, so that
    ``walk(select.where, into_queries=False)`` stays at the level of one SELECT.
    """
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        if current is node or into_queries or not isinstance(current, Query):
            pending.extend(reversed(list(children(current))))


def expressions(node: Any, *, into_queries: bool = True) -> Iterator[Expression]:
    """Yield the expressions at and under `node`, parents first (see `walk`)."""
    for each in walk(node, into_queries=into_queries):
        if isinstance(each, Expression):
            yield each


def transform(tree: Tree, function: Callable[[Any], Any], *, into_queries: bool = True) -> Tree:
    """Rewrite bottom-up: `function` gets every node, its children already rewritten.

    It returns the node itself to keep it. Only nodes on the way to a change are rebuilt; a tree
    without one is returned as the same object. Without `into_queries`, a Query below `tree` is
    handed to `function` but not entered.
    """
    return cast("Tree", _rewritten(tree, function, into_queries))


def transform_children(tree: Tree, function: Callable[[Any], Any]) -> Tree:
    """Rebuild `tree` with `function` applied to its direct children only."""
    node: Any = tree
    old = {name: getattr(node, name) for name in _field_names(type(node))}
    new = {name: _each_node(value, function) for name, value in old.items()}
    if all(new[name] is old[name] for name in old):
        return tree
    return cast("Tree", type(node)(**new))


def _rewritten(tree: Any, function: Callable[[Any], Any], into_queries: bool) -> Any:
    def rewrite(node: Any) -> Any:
        if node is tree or into_queries or not isinstance(node, Query):
            node = transform_children(node, rewrite)
        return function(node)

    return rewrite(tree)


def _each_node(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, tuple):
        items = tuple([_each_node(item, function) for item in value])
        return value if all(map(lambda a, b: a is b, items, value)) else items
    return function(value) if _is_node(value) else value
