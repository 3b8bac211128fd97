"""Top-down rewriting of expressions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from pgtrickle.query.expression import Expression

T = TypeVar("T")


def rewrite(value: T, replace: Callable[[Expression], Expression | None]) -> T:
    """Rebuild `value` with every outermost expression for which `replace` answers replaced.

    Where `replace` returns None the search goes on below. Subqueries are entered like anything
    else; unchanged parts are shared.
    """
    result: Any = _rewrite(value, replace)
    return result  # type: ignore[no-any-return]


_FIELD_NAMES: dict[type, tuple[str, ...]] = {}
"""The fields of classes met so far; none for what is no dataclass."""


def _field_names(kind: type) -> tuple[str, ...]:
    names = _FIELD_NAMES.get(kind)
    if names is None:
        names = tuple(getattr(kind, "__dataclass_fields__", ()))
        _FIELD_NAMES[kind] = names
    return names


def _rewrite(value: Any, replace: Callable[[Expression], Expression | None]) -> Any:
    if isinstance(value, tuple):
        items = tuple(_rewrite(item, replace) for item in value)
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    names = _field_names(type(value))
    if isinstance(value, Expression):
        replacement = replace(value)
        if replacement is not None:
            return replacement
    changes = {}
    for name in names:
        before = getattr(value, name)
        after = _rewrite(before, replace)
        if after is not before:
            changes[name] = after
    return dataclasses.replace(value, **changes) if changes else value
