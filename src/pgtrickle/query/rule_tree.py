"""The rule tree of a view (pg_rewrite.ev_action), compared without what is presentation only."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = r"(?:\\.|[^\s\\(){}])*"
# (Quotes inside a name stand as they are; spaces, parentheses and braces are escaped.)
_COLUMN = r'"(?:\\.|[^"\\]|"(?![\s)}]))*"'
_ALIAS = re.compile(
    rf"\{{ALIAS :aliasname {_TOKEN} :colnames (?:<>|\((?P<columns>(?:{_COLUMN}|\s)*)\))\}}",
    re.DOTALL,
)
_PRESENTATION = re.compile(
    r" :(?:"
    # where it stood in the text
    r"(?:location|stmt_location|stmt_len|list_start|list_end) -?\d+"
    # by which of several names a column was reached, and which columns were looked at
    r"|(?:varnosyn|varattnosyn|resorigtbl|resorigcol) -?\d+"
    r"|(?:selectedCols|varnullingrelssyn) \(b[ \d]*\)"
    # whether a call was written as a cast, as an operator or as a function
    r"|(?:funcformat|relabelformat|coerceformat|coercionformat|convertformat|row_format) \d+"
    # how an operator before ANY and ALL was named
    r'|operName \((?:"[^"]*"|\s)*\)'
    # names of columns inside, which a set operation takes from its first branch alone (those of
    # the result are compared apart)
    rf"|resname {_TOKEN}"
    # names given to relations, NATURAL for USING
    r"|(?:alias|eref|join_using_alias) <>"
    r"|isNatural (?:true|false)"
    r")(?![^\s)}])"
)

_ROW = " :varattno 0 "
"""Stands in a tree in which the row of a FROM item is a value."""
# JSON is the format of json and jsonb, said or unsaid; unsaid, a wrapper is WITHOUT WRAPPER.
_JSON_FORMAT = re.compile(
    r"\{JSONRETURNING :format \{JSONFORMAT :format_type \d :encoding 0\}(?= :typid (?:114|3802)\D)"
)


def masked(tree: str, view: int) -> str:
    """Blank out of a rule tree what does not change the meaning of the query.

    `view` is the OID of the view the tree belongs to, which PostgreSQL 15 mentions in it.
    """
    text = _PRESENTATION.sub("", _ALIAS.sub(_alias_of_rows if _ROW in tree else "<>", tree))
    text = _JSON_FORMAT.sub("{JSONRETURNING", text).replace(" :wrapper 0", " :wrapper 1")
    return re.sub(rf":relid {view}(?!\d)", ":relid self", text)


def _alias_of_rows(found: re.Match[str]) -> str:
    """An alias where rows are values, whose fields have the columns' names.

    PostgreSQL prints columns that have one name by several names.
    """
    names = re.findall(_COLUMN, found["columns"] or "", re.DOTALL)
    return f"{{{' '.join(names)}}}" if len(set(names)) < len(names) else "<>"


def same_rule_tree(masked_a: str, masked_b: str) -> bool:
    """Tell whether two masked trees mean the same.

    Beyond presentation, two shapes are taken for one that PostgreSQL prints alike and that mean
    alike: AND in AND (what BETWEEN makes), and an array cast as a whole or element by element
    (what IN over varchar makes).
    """
    return masked_a == masked_b or _normalised(masked_a) == _normalised(masked_b)


_TOKENS = re.compile(rf"[(){{}}]|{_COLUMN}|(?:\\.|[^\s(){{}}])+", re.DOTALL)

_Item = str | list[Any]
"""A token, or the items between two brackets with the opening one first."""


def _normalised(tree: str) -> _Item:
    root: list[Any] = ["("]
    open_lists = [root]
    for token in _TOKENS.findall(tree):
        if token in "({":
            open_lists.append([token])
        elif token in ")}":
            closed = open_lists.pop()
            open_lists[-1].append(_normal(closed) if token == "}" else closed)
        else:
            open_lists[-1].append(token)
    return root


def _normal(node: list[Any]) -> list[Any]:
    match node[1]:
        case "BOOLEXPR":
            return _flattened(node)
        case "ARRAYEXPR":
            return _without(node, ":element_typeid")
        case "ARRAYCOERCEEXPR":
            return _distributed(node)
        case _:
            return node


def _value(node: list[Any], field: str) -> Any:
    return node[node.index(field) + 1]


def _without(node: list[Any], field: str) -> list[Any]:
    place = node.index(field)
    return node[:place] + node[place + 2 :]


def _flattened(node: list[Any]) -> list[Any]:
    operator, operands = _value(node, ":boolop"), _value(node, ":args")
    if operator == "not":
        return node
    flat: list[Any] = ["("]
    for operand in operands[1:]:
        nested = operand[1] == "BOOLEXPR" and _value(operand, ":boolop") == operator
        flat += _value(operand, ":args")[1:] if nested else [operand]
    place = node.index(":args") + 1
    return [*node[:place], flat, *node[place + 1 :]]


def _distributed(node: list[Any]) -> list[Any]:
    array, cast = _value(node, ":arg"), _value(node, ":elemexpr")
    if (
        array[1] != "ARRAYEXPR"
        or _value(array, ":multidims") != "false"
        or _value(node, ":resulttypmod") != "-1"
    ):
        return node
    elements = _value(array, ":elements")
    if not isinstance(elements, list):
        return node
    return [
        "{",
        "ARRAYEXPR",
        ":array_typeid",
        _value(node, ":resulttype"),
        ":array_collid",
        _value(node, ":resultcollid"),
        ":elements",
        ["(", *(_substituted(cast, element) for element in elements[1:])],
        ":multidims",
        "false",
    ]


def _substituted(cast: Any, element: Any) -> Any:
    if not isinstance(cast, list):
        return cast
    if cast[1:2] == ["CASETESTEXPR"]:
        return element
    return [_substituted(item, element) for item in cast]
