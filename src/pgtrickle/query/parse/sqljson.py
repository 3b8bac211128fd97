"""SQL/JSON from the raw tree: each construct is a template around its expressions."""

from __future__ import annotations

from collections.abc import Callable

from pgtrickle.query.expression import Argument, Expression, JsonAggregate
from pgtrickle.query.names import quote_identifier
from pgtrickle.query.parse.expressions import (
    expression,
    optional,
    over,
    reads,
    sort_keys,
    template,
)
from pgtrickle.query.parse.raw import Node, UnsupportedSyntax
from pgtrickle.query.parse.statements import alias, reads_from
from pgtrickle.query.parse.types import type_name
from pgtrickle.query.statement import FromItem, TemplateSource

Part = str | Expression


def _comma_separated(items: list[list[Part]]) -> list[Part]:
    parts: list[Part] = []
    for item in items:
        parts += [", ", *item] if parts else item
    return parts


# Clauses


def _format(node: Node | None) -> str:
    if node is None:
        return ""
    kind, encoding = node.text("format_type"), node.text("encoding")
    node.done()
    if kind == "JS_FORMAT_DEFAULT":
        return ""
    if kind != "JS_FORMAT_JSON":
        raise UnsupportedSyntax(kind)
    name = encoding.removeprefix("JS_ENC_")
    return " FORMAT JSON" + ("" if name == "DEFAULT" else f" ENCODING {name}")


def _value_and_format(node: Node | None) -> tuple[Expression, str]:
    """Read a JsonValueExpr."""
    if node is None:
        raise UnsupportedSyntax("SQL/JSON without a value")
    value = expression(node.need("raw_expr"))
    encoding = _format(node.struct("format", "JsonFormat"))
    node.done()
    return value, encoding


def _value(node: Node | None) -> list[Part]:
    return list(_value_and_format(node))


def _returning(node: Node) -> str:
    output = node.struct("output", "JsonOutput")
    if output is None:
        return ""
    type_node = output.struct("typeName", "TypeName")
    returning = output.struct("returning", "JsonReturning")
    if type_node is None or returning is None:
        raise UnsupportedSyntax("RETURNING without a type")
    encoding = _format(returning.struct("format", "JsonFormat"))
    returning.done()
    output.done()
    return f" RETURNING {type_name(type_node).sql}{encoding}"


def _on_null(node: Node) -> str:
    return " ABSENT ON NULL" if node.flag("absent_on_null") else " NULL ON NULL"


def _unique(node: Node, field: str = "unique") -> str:
    return " WITH UNIQUE KEYS" if node.flag(field) else ""


def _key_value(node: Node) -> list[Part]:
    key = expression(node.need("key"))
    parts: list[Part] = [key, " : ", *_value(node.struct("value", "JsonValueExpr"))]
    node.done()
    return parts


# Constructors and aggregates


@reads("JsonObjectConstructor")
def _object(node: Node) -> Expression:
    pairs = [_key_value(each) for each in node.many("exprs")]
    on_null, unique, returning = _on_null(node), _unique(node), _returning(node)
    if not pairs:
        return template("JSON_OBJECT", f"JSON_OBJECT({returning.lstrip()})")
    parts = _comma_separated(pairs)
    return template("JSON_OBJECT", "JSON_OBJECT(", *parts, on_null, unique, returning, ")")


@reads("JsonArrayConstructor")
def _array(node: Node) -> Expression:
    values = [_value(each) for each in node.many("exprs")]
    on_null, returning = _on_null(node), _returning(node)
    if not values:
        return template("JSON_ARRAY", f"JSON_ARRAY({returning.lstrip()})")
    return template("JSON_ARRAY", "JSON_ARRAY(", *_comma_separated(values), on_null, returning, ")")


def _aggregate(node: Node, construct: str, *arguments: Expression, encoding: str) -> Expression:
    constructor = node.struct("constructor", "JsonAggConstructor")
    if constructor is None:
        raise UnsupportedSyntax(f"{construct} without its clauses")
    order_by = sort_keys(constructor.many("agg_order"))
    clauses = _on_null(node) + _unique(node) + _returning(constructor)
    aggregate = JsonAggregate(
        (construct,),
        tuple(map(Argument, arguments)),
        order_by=order_by,
        filter=optional(constructor.one("agg_filter")),
        over=over(constructor.struct("over", "WindowDef")),
        encoding=encoding,
        clauses=clauses,
    )
    constructor.done()
    return aggregate


@reads("JsonObjectAgg")
def _object_aggregate(node: Node) -> Expression:
    pair = node.struct("arg", "JsonKeyValue")
    if pair is None:
        raise UnsupportedSyntax("JSON_OBJECTAGG without an argument")
    key = expression(pair.need("key"))
    value, encoding = _value_and_format(pair.struct("value", "JsonValueExpr"))
    pair.done()
    return _aggregate(node, "JSON_OBJECTAGG", key, value, encoding=encoding)


@reads("JsonArrayAgg")
def _array_aggregate(node: Node) -> Expression:
    value, encoding = _value_and_format(node.struct("arg", "JsonValueExpr"))
    return _aggregate(node, "JSON_ARRAYAGG", value, encoding=encoding)


# Predicates and conversions


@reads("JsonIsPredicate")
def _is_json(node: Node) -> Expression:
    kind = node.text("item_type").removeprefix("JS_TYPE_")
    noun = "" if kind == "ANY" else f" {kind}"
    encoding = _format(node.struct("format", "JsonFormat"))
    if encoding:
        raise UnsupportedSyntax("IS JSON with a format")
    unique = _unique(node, "unique_keys")
    return template("IS JSON", "(", expression(node.need("expr")), f" IS JSON{noun}{unique})")


@reads("JsonParseExpr")
def _parse(node: Node) -> Expression:
    value = _value(node.struct("expr", "JsonValueExpr"))
    unique, returning = _unique(node, "unique_keys"), _returning(node)
    return template("JSON", "JSON(", *value, unique, returning, ")")


@reads("JsonScalarExpr")
def _scalar(node: Node) -> Expression:
    value = expression(node.need("expr"))
    return template("JSON_SCALAR", "JSON_SCALAR(", value, _returning(node), ")")


@reads("JsonSerializeExpr")
def _serialize(node: Node) -> Expression:
    value = _value(node.struct("expr", "JsonValueExpr"))
    return template("JSON_SERIALIZE", "JSON_SERIALIZE(", *value, _returning(node), ")")


# Query functions


@reads("JsonFuncExpr")
def _function(node: Node) -> Expression:
    name = node.text("op").removesuffix("_OP")
    context = _value(node.struct("context_item", "JsonValueExpr"))
    path = expression(node.need("pathspec"))
    return template(
        name,
        f"{name}(",
        *context,
        ", ",
        path,
        *_passing(node),
        _returning(node),
        *_behaviour(node),
        ")",
    )


def _passing(node: Node) -> list[Part]:
    arguments: list[list[Part]] = []
    for argument in node.many("passing"):
        value = _value(argument.struct("val", "JsonValueExpr"))
        arguments.append([*value, f" AS {quote_identifier(argument.text('name'))}"])
        argument.done()
    return [" PASSING ", *_comma_separated(arguments)] if arguments else []


_WRAPPERS = {
    "": "",
    "JSW_UNSPEC": "",
    "JSW_NONE": " WITHOUT WRAPPER",
    "JSW_CONDITIONAL": " WITH CONDITIONAL WRAPPER",
    "JSW_UNCONDITIONAL": " WITH UNCONDITIONAL WRAPPER",
}
_QUOTES = {
    "": "",
    "JS_QUOTES_UNSPEC": "",
    "JS_QUOTES_KEEP": " KEEP QUOTES",
    "JS_QUOTES_OMIT": " OMIT QUOTES",
}


def _behaviour(node: Node, wrapped: bool = True) -> list[Part]:
    """Read wrapper, quotes, ON EMPTY and ON ERROR."""
    wrapper, quotes = _WRAPPERS[node.text("wrapper")], _QUOTES[node.text("quotes")]
    parts: list[Part] = [wrapper, quotes] if wrapped else []
    for event in ("empty", "error"):
        behaviour = node.struct(f"on_{event}", "JsonBehavior")
        if behaviour is None:
            continue
        kind = behaviour.text("btype").removeprefix("JSON_BEHAVIOR_").replace("_", " ")
        value = optional(behaviour.one("expr"))
        parts += [f" {kind}"] if value is None else [f" {kind} ", value]
        parts.append(f" ON {event.upper()}")
        behaviour.done()
    return parts


@reads_from("JsonTable")
def _json_table(node: Node) -> FromItem:
    context = _value(node.struct("context_item", "JsonValueExpr"))
    names: list[str] = []
    body = template(
        "JSON_TABLE",
        "JSON_TABLE(",
        *context,
        ", ",
        *_path(node),
        *_passing(node),
        " COLUMNS (",
        *_columns(node, names),
        ")",
        *_behaviour(node),
        ")",
    )
    lateral = node.flag("lateral")
    return TemplateSource("JSON_TABLE", body.parts, alias(node), lateral, tuple(names))


def _path(node: Node) -> list[Part]:
    """Read a path with its name ([] where there is none)."""
    path = node.struct("pathspec", "JsonTablePathSpec")
    if path is None:
        return []
    name = path.text("name")
    parts: list[Part] = [expression(path.need("string"))]
    parts += [f" AS {quote_identifier(name)}"] if name else []
    path.done()
    return parts


def _columns(node: Node, names: list[str]) -> list[Part]:
    """Read columns, and add their names, nested ones in their places."""
    columns = []
    for column in node.many("columns"):
        kind = column.text("coltype")
        if kind == "JTC_NESTED":
            columns.append(_nested_columns(column, names))
        elif kind in _COLUMN_KINDS:
            names.append(column.text("name"))
            columns.append(_COLUMN_KINDS[kind](column, quote_identifier(names[-1])))
        else:
            raise UnsupportedSyntax(kind)
        column.done()
    return _comma_separated(columns)


def _ordinality_column(node: Node, name: str) -> list[Part]:
    _behaviour(node)
    return [name, " FOR ORDINALITY"]


def _value_column(node: Node, name: str) -> list[Part]:
    return [*_column_head(node, name), *_column_path(node), *_behaviour(node)]


def _exists_column(node: Node, name: str) -> list[Part]:
    parts = _column_head(node, name)
    return [*parts, " EXISTS", *_column_path(node), *_behaviour(node, wrapped=False)]


def _nested_columns(node: Node, names: list[str]) -> list[Part]:
    _behaviour(node)
    return ["NESTED PATH ", *_path(node), " COLUMNS (", *_columns(node, names), ")"]


def _column_head(node: Node, name: str) -> list[Part]:
    type_node = node.struct("typeName", "TypeName")
    if type_node is None:
        raise UnsupportedSyntax("a JSON_TABLE column without a type")
    encoding = _format(node.struct("format", "JsonFormat"))
    return [f"{name} {type_name(type_node).sql}{encoding}"]


def _column_path(node: Node) -> list[Part]:
    path = _path(node)
    return [" PATH ", *path] if path else []


_COLUMN_KINDS: dict[str, Callable[[Node, str], list[Part]]] = {
    "JTC_FOR_ORDINALITY": _ordinality_column,
    "JTC_REGULAR": _value_column,
    "JTC_FORMATTED": _value_column,
    "JTC_EXISTS": _exists_column,
}
