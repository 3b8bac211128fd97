"""XML constructs from the raw tree: each is a template around its expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pgtrickle.query.expression import Expression, Literal
from pgtrickle.query.names import quote_identifier
from pgtrickle.query.parse.expressions import expression, expressions, optional, reads, template
from pgtrickle.query.parse.raw import Node, UnsupportedSyntax
from pgtrickle.query.parse.statements import alias, reads_from
from pgtrickle.query.parse.types import type_name
from pgtrickle.query.statement import FromItem, TemplateSource

Part = str | Expression


class _Xml(NamedTuple):
    """What an XmlExpr node holds, whatever its operation."""

    name: str
    named: list[Part]
    arguments: tuple[Expression, ...]
    option: str


@reads("XmlExpr")
def _xml(node: Node) -> Expression:
    operation = node.text("op")
    xml = _Xml(
        node.text("name"),
        _named(node.many("named_args")),
        expressions(node.many("args")),
        node.text("xmloption").removeprefix("XMLOPTION_"),
    )
    if operation == "IS_DOCUMENT":
        return template("IS DOCUMENT", "(", xml.arguments[0], " IS DOCUMENT)")
    if operation not in _CONSTRUCTS:
        raise UnsupportedSyntax(operation)
    construct = operation.removeprefix("IS_")
    return template(construct, f"{construct}(", *_CONSTRUCTS[operation](xml), ")")


def _named(nodes: list[Node]) -> list[Part]:
    parts: list[Part] = []
    for node in nodes:
        name = node.text("name")
        parts += [", "] if parts else []
        parts.append(expression(node.need("val")))
        parts += [f" AS {quote_identifier(name)}"] if name else []
        node.done()
    return parts


def _listed(arguments: tuple[Expression, ...]) -> list[Part]:
    parts: list[Part] = []
    for argument in arguments:
        parts += [", ", argument] if parts else [argument]
    return parts


def _element(xml: _Xml) -> list[Part]:
    parts: list[Part] = [f"NAME {quote_identifier(xml.name)}"]
    parts += [", XMLATTRIBUTES(", *xml.named, ")"] if xml.named else []
    parts += [", ", *_listed(xml.arguments)] if xml.arguments else []
    return parts


def _instruction(xml: _Xml) -> list[Part]:
    content: list[Part] = [", ", *xml.arguments] if xml.arguments else []
    return [f"NAME {quote_identifier(xml.name)}", *content]


def _parse(xml: _Xml) -> list[Part]:
    text, preserve = xml.arguments
    whitespace = "PRESERVE" if preserve == Literal("true") else "STRIP"
    return [f"{xml.option} ", text, f" {whitespace} WHITESPACE"]


_STANDALONE = {"0": "YES", "1": "NO", "2": "NO VALUE", "3": ""}  # XmlStandaloneType


def _root(xml: _Xml) -> list[Part]:
    value, version, standalone = xml.arguments
    if not isinstance(standalone, Literal):
        raise UnsupportedSyntax("XMLROOT with a computed STANDALONE")
    word = _STANDALONE[standalone.sql]
    parts: list[Part] = [value, ", VERSION "]
    parts.append("NO VALUE" if version == Literal("NULL") else version)
    return [*parts, f", STANDALONE {word}" if word else ""]


_CONSTRUCTS: dict[str, Callable[[_Xml], list[Part]]] = {
    "IS_XMLCONCAT": lambda xml: _listed(xml.arguments),
    "IS_XMLELEMENT": _element,
    "IS_XMLFOREST": lambda xml: xml.named,
    "IS_XMLPI": _instruction,
    "IS_XMLPARSE": _parse,
    "IS_XMLROOT": _root,
}


@reads("XmlSerialize")
def _serialize(node: Node) -> Expression:
    option = node.text("xmloption").removeprefix("XMLOPTION_")
    type_node = node.struct("typeName", "TypeName")
    if type_node is None:
        raise UnsupportedSyntax("XMLSERIALIZE without a type")
    indent = " INDENT" if node.flag("indent") else ""
    return template(
        "XMLSERIALIZE",
        f"XMLSERIALIZE({option} ",
        expression(node.need("expr")),
        f" AS {type_name(type_node).sql}{indent})",
    )


@reads_from("RangeTableFunc")
def _xml_table(node: Node) -> FromItem:
    parts: list[Part] = ["XMLTABLE("]
    namespaces = _namespaces(node.many("namespaces"))
    parts += ["XMLNAMESPACES(", *namespaces, "), "] if namespaces else []
    parts += ["(", expression(node.need("rowexpr")), ") PASSING ("]
    names: list[str] = []
    columns = _columns(node.many("columns"), names)
    parts += [expression(node.need("docexpr")), ") COLUMNS ", *columns, ")"]
    lateral = node.flag("lateral")
    body = template("XMLTABLE", *parts)
    return TemplateSource("XMLTABLE", body.parts, alias(node), lateral, tuple(names))


def _namespaces(nodes: list[Node]) -> list[Part]:
    parts: list[Part] = []
    for node in nodes:
        name, value = node.text("name"), expression(node.need("val"))
        parts += [", "] if parts else []
        parts += [value, f" AS {quote_identifier(name)}"] if name else ["DEFAULT ", value]
        node.done()
    return parts


def _columns(nodes: list[Node], names: list[str]) -> list[Part]:
    """Read columns, and add their names."""
    parts: list[Part] = []
    for node in nodes:
        parts += [", "] if parts else []
        names.append(node.text("colname"))
        parts += _column(node, quote_identifier(names[-1]))
        node.done()
    return parts


def _column(node: Node, name: str) -> list[Part]:
    if node.flag("for_ordinality"):
        return [f"{name} FOR ORDINALITY"]
    type_node = node.struct("typeName", "TypeName")
    if type_node is None:
        raise UnsupportedSyntax("an XMLTABLE column without a type")
    parts: list[Part] = [f"{name} {type_name(type_node).sql}"]
    path, default = optional(node.one("colexpr")), optional(node.one("coldefexpr"))
    parts += [] if path is None else [" PATH ", path]
    parts += [] if default is None else [" DEFAULT ", default]
    return [*parts, " NOT NULL" if node.flag("is_not_null") else ""]
