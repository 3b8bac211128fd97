"""Type names from the raw tree, spelled as format_type() spells them where it knows them."""

from __future__ import annotations

from pgtrickle.query.expression import TypeName
from pgtrickle.query.names import quote_name
from pgtrickle.query.parse.raw import Node, UnsupportedSyntax

_STANDARD = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "numeric": "numeric",
    "varchar": "character varying",
    "varbit": "bit varying",
    "json": "json",
}
_ONLY_WITH_LENGTH = {"bpchar": "character", "bit": "bit"}
_TIMES = {
    "time": ("time", " without time zone"),
    "timetz": ("time", " with time zone"),
    "timestamp": ("timestamp", " without time zone"),
    "timestamptz": ("timestamp", " with time zone"),
}
_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECOND = 1 << 2, 1 << 1, 1 << 3, 1 << 10, 1 << 11, 1 << 12
_INTERVAL_FIELDS = {
    0x7FFF: "",
    _YEAR: " year",
    _MONTH: " month",
    _DAY: " day",
    _HOUR: " hour",
    _MINUTE: " minute",
    _SECOND: " second",
    _YEAR | _MONTH: " year to month",
    _DAY | _HOUR: " day to hour",
    _DAY | _HOUR | _MINUTE: " day to minute",
    _DAY | _HOUR | _MINUTE | _SECOND: " day to second",
    _HOUR | _MINUTE: " hour to minute",
    _HOUR | _MINUTE | _SECOND: " hour to second",
    _MINUTE | _SECOND: " minute to second",
}


def type_name(node: Node) -> TypeName:
    """Read a TypeName node."""
    names = node.strings("names")
    modifiers = [_modifier(each) for each in node.many("typmods")]
    dimensions = [each.number("ival") for each in node.many("arrayBounds")]
    node.number("typemod")
    if node.flag("setof") or node.flag("pct_type"):
        raise UnsupportedSyntax("SETOF or %TYPE")
    node.done()
    brackets = "".join("[]" if size < 0 else f"[{size}]" for size in dimensions)
    return TypeName(_spell(names, modifiers) + brackets)


def _modifier(node: Node) -> str:
    from pgtrickle.query.parse.expressions import expression
    from pgtrickle.query.render import render_expression

    return render_expression(expression(node))


def _spell(names: tuple[str, ...], modifiers: list[str]) -> str:
    within = f"({','.join(modifiers)})" if modifiers else ""
    if names[0] == "pg_catalog" and len(names) == 2:
        name = names[1]
        if name in _STANDARD:
            return _STANDARD[name] + within
        if name in _ONLY_WITH_LENGTH and modifiers:
            return _ONLY_WITH_LENGTH[name] + within
        if name in _TIMES:
            before, after = _TIMES[name]
            return before + within + after
        if name == "interval":
            return _interval(modifiers)
    return quote_name(names) + within


def _interval(modifiers: list[str]) -> str:
    if not modifiers:
        return "interval"
    mask, *precision = modifiers
    fields = _INTERVAL_FIELDS.get(int(mask))
    if fields is None:
        raise UnsupportedSyntax(f"an interval of fields {mask}")
    within = f"({precision[0]})" if precision else ""
    return f"interval{fields}{within}"
