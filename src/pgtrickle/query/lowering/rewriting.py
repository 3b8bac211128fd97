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


def _rewrite(value: Any, replace: Callable[[Expression], Expression | None]) -> Any:
    if isinstance(value, tuple):
        items = tuple(_rewrite(item, replace) for item in value)
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    if isinstance(value, Expression):
        replacement = replace(value)
        if replacement is not None:
            return replacement
    changes = {}
    for field in dataclasses.fields(value):
        before = getattr(value, field.name)
        after = _rewrite(before, replace)
        if after is not before:
            changes[field.name] = after
    return dataclasses.replace(value, **changes) if changes else value
