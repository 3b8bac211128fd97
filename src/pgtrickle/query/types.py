"""Facts about types: of those that come with PostgreSQL, and what a row of ``types.sql`` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """What can be done with values of a type.

    `equal_is_same`: values that compare equal under a deterministic collation print the same
    (not so for numeric, float, jsonb, interval, bpchar, citext, ...). `has_equality` and
    `has_order` come with a default btree operator class, `has_hash` with a hash one. `compares`:
    in the catalog's path, ``=`` is that equality.
    """

    oid: int
    schema: str
    name: str
    category: str
    equal_is_same: bool
    has_equality: bool
    has_order: bool
    has_hash: bool
    compares: bool


def learn(oid: int, made: Mapping[int, tuple[Any, ...]], known: dict[int, TypeFacts]) -> TypeFacts:
    """What a row of types.sql says, with what those of the parts say; added to `known`."""
    if oid in known:
        return known[oid]
    _, schema, name, kind, category, base, element, subtype, attributes, *operators, seen = made[
        oid
    ]
    under = [base] if kind == "d" else [part for part in (element, subtype) if part]
    if kind == "c":
        under = attributes
    if under or kind == "c":
        parts = [learn(int(part), made, known) for part in under]
        order = all(part.has_order for part in parts)
        same = all(part.equal_is_same for part in parts)
        hashed = all(part.has_hash for part in parts)
        equality = all(part.has_equality for part in parts)
        seen = kind != "d" or parts[0].compares  # all others are compared part by part
    else:
        order, same, hashed = operators
        equality = order or hashed
    known[oid] = TypeFacts(oid, schema, name, category, same, equality, order, hashed, seen)
    return known[oid]


def _built_in(oid: int, name: str, category: str, *, equal_is_same: bool = True) -> TypeFacts:
    return TypeFacts(oid, "pg_catalog", name, category, equal_is_same, True, True, True, True)


BUILT_IN: Mapping[int, TypeFacts] = {
    facts.oid: facts
    for facts in (
        _built_in(16, "bool", "B"),
        _built_in(17, "bytea", "U"),
        _built_in(20, "int8", "N"),
        _built_in(21, "int2", "N"),
        _built_in(23, "int4", "N"),
        _built_in(25, "text", "S"),
        _built_in(700, "float4", "N", equal_is_same=False),
        _built_in(701, "float8", "N", equal_is_same=False),
        _built_in(1042, "bpchar", "S", equal_is_same=False),
        _built_in(1043, "varchar", "S"),
        _built_in(1082, "date", "D"),
        _built_in(1083, "time", "D"),
        _built_in(1114, "timestamp", "D"),
        _built_in(1184, "timestamptz", "D"),
        _built_in(1186, "interval", "T", equal_is_same=False),
        _built_in(1700, "numeric", "N", equal_is_same=False),
        _built_in(2950, "uuid", "U"),
        _built_in(3802, "jsonb", "U", equal_is_same=False),
    )
}
"""What columns mostly have, by OID: known without a question, which takes longer to plan than all
others of a compilation. Nobody can give these other default operator classes, and pg_catalog is
first where operators are looked up."""
