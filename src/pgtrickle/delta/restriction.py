"""Keys that a change touches, and relations restricted to them.

Keys may be NULL, and NULLs of a group belong together, but no index serves IS NOT DISTINCT FROM;
and keys of unlimited length do not fit into an index. Such keys are matched by their hash, which is
stored beside them, and rechecked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgtrickle.delta.relation import Relation, is_not_null, is_null, select
from pgtrickle.delta.state import ColumnType

HASH = "__h"


def textual(keys: Iterable[str], types: Iterable[ColumnType]) -> tuple[str, ...]:
    """Those of the keys that are hashed by their text."""
    return tuple(key for key, type in zip(keys, types, strict=True) if not type.hashable)


@dataclass(frozen=True, slots=True)
class Matching:
    """How two relations with the same key columns are matched.

    `nullable` are those of `keys` that may be NULL; `bounded`: all fit into an index entry.
    `textual` are hashed by their text, for their types have no hash function.
    """

    keys: tuple[str, ...]
    nullable: tuple[str, ...]
    bounded: bool
    textual: tuple[str, ...] = ()

    @property
    def hashed(self) -> bool:
        """Whether the hash of the key is needed."""
        return bool(self.keys) and (bool(self.nullable) or not self.bounded)

    @property
    def index(self) -> tuple[str, ...]:
        """The columns of an index that serves matching."""
        return (HASH,) if self.hashed else self.keys

    @property
    def lookup(self) -> tuple[str, ...]:
        """The columns of a further index, by which joins on the key itself find rows."""
        return self.keys if self.hashed and self.bounded else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that matching reads."""
        return (HASH, *self.keys) if self.hashed else self.keys

    def same(self, a: str, b: str) -> str:
        """Condition that a row of `a` and a row of `b` have the same key."""
        if not self.keys:
            return "true"
        if not self.hashed:
            return " AND ".join(f"{a}.{key} = {b}.{key}" for key in self.keys)
        return f"{a}.{HASH} = {b}.{HASH} AND {self._recheck(a, b)}"

    def same_unhashed(self, a: str, b: str) -> str:
        """The same, where `b` has no hash beside its key."""
        if not self.hashed:
            return self.same(a, b)
        return f"{a}.{HASH} = {self.hash(b)} AND {self._recheck(a, b)}"

    def _recheck(self, a: str, b: str) -> str:
        return " AND ".join(f"{a}.{key} IS NOT DISTINCT FROM {b}.{key}" for key in self.keys)

    def hash(self, alias: str) -> str:
        """The hash, computed from the key columns of `alias`."""
        hashed = (f"{alias}.{key}" + "::text" * (key in self.textual) for key in self.keys)
        return f"hash_record_extended(ROW({', '.join(hashed)}), 0)"

    def hash_column(self, alias: str) -> list[str]:
        """The hash as a select item, where matching needs one."""
        return [f"{self.hash(alias)} AS {HASH}"] if self.hashed else []

    def of(self, alias: str) -> list[str]:
        """The columns that matching reads, of `alias`."""
        return [f"{alias}.{column}" for column in self.columns]


def restrict(keyed: Relation, matching: Matching, wanted: str) -> list[str]:
    """`keyed` restricted to the keys in the CTE `wanted`: selects to be united.

    Written as ``(keys) IN (SELECT …)``, which PostgreSQL turns into a join that reaches base
    tables through their indexes; rows with a NULL key get an arm of their own, that costs nothing
    when no wanted key has a NULL. Nor does any arm when nothing is wanted, as mostly nothing is:
    where no index serves the keys PostgreSQL may compute `keyed` before it looks at `wanted`.
    """
    if not matching.keys:
        return [keyed.sql]
    keys = ", ".join(f"k.{key}" for key in matching.keys)
    names = ", ".join(matching.keys)
    everything = select(["k.*"], f"FROM {keyed.source('k')}")
    without_null = " AND ".join(map(is_not_null, matching.nullable))
    arms = [
        f"{everything}\nWHERE EXISTS (SELECT FROM {wanted})"
        f" AND ({keys}) IN (SELECT {names} FROM {wanted}"
        + (f" WHERE {without_null})" if without_null else ")")
    ]
    if matching.nullable:
        some_null = " OR ".join(map(is_null, matching.nullable))
        null_here = " OR ".join(is_null(f"k.{key}") for key in matching.nullable)
        same = " AND ".join(f"r.{key} IS NOT DISTINCT FROM k.{key}" for key in matching.keys)
        arms.append(
            f"{everything}\nWHERE ({null_here})"
            f" AND EXISTS (SELECT FROM {wanted} WHERE {some_null})"
            f" AND EXISTS (SELECT FROM {wanted} AS r"
            f" WHERE r.{HASH} = {matching.hash('k')} AND {same})"
        )
    return arms
