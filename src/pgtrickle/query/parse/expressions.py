"""Scalar expressions from the raw tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pgtrickle.query.expression import (
    And,
    Argument,
    AtTimeZone,
    Call,
    Case,
    Cast,
    Collate,
    Column,
    Comparison,
    DistinctFrom,
    Expression,
    Field,
    Is,
    Literal,
    Not,
    Operator,
    Or,
    SortKey,
    SqlFunction,
    Subscript,
    Template,
    WholeRow,
    WindowSpec,
)
from pgtrickle.query.names import quote_literal, quote_operator
from pgtrickle.query.parse.raw import Node, UnsupportedSyntax
from pgtrickle.query.parse.types import type_name
from pgtrickle.query.render import has_keyword_syntax

Reader = Callable[[Node], Expression]
READERS: dict[str, Reader] = {}


def reads(kind: str) -> Callable[[Reader], Reader]:
    """Register the reader of one kind of raw node."""

    def register(reader: Reader) -> Reader:
        READERS[kind] = reader
        return reader

    return register


def expression(node: Node) -> Expression:
    """Read any expression; refuse what has no reader or carries something unread."""
    reader = READERS.get(node.kind)
    if reader is None:
        raise UnsupportedSyntax(_UNREAD.get(node.kind, node.kind))
    result = reader(node)
    node.done()
    return result


_UNREAD = {
    "CurrentOfExpr": "CURRENT OF",
    "ParamRef": "a parameter ($1)",
    "SetToDefault": "DEFAULT",
    # PostgreSQL makes it a subquery with JSON_ARRAYAGG: canonical text never has it.
    "JsonArrayQueryConstructor": "JSON_ARRAY(SELECT ...)",
}


def optional(node: Node | None) -> Expression | None:
    """Read an expression that may be absent."""
    return None if node is None else expression(node)


def expressions(nodes: Iterable[Node]) -> tuple[Expression, ...]:
    """Read a list of expressions, in none of which PostgreSQL would expand a star."""
    return tuple([expression(node) for node in nodes])


def listed(nodes: Iterable[Node]) -> tuple[Expression, ...]:
    """Read a list in which PostgreSQL expands a bare ``x.*`` into columns: none may be there."""
    found = expressions(nodes)
    if any(isinstance(each, WholeRow) for each in found):
        raise UnsupportedSyntax("*")
    return found


def template(construct: str, *parts: str | Expression) -> Template:
    """Make a Template with neighbouring texts joined and empty ones left out."""
    joined: list[str | Expression] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return Template(construct, tuple(joined))


# Names and constants


@reads("ColumnRef")
def _column(node: Node) -> Expression:
    fields = node.many("fields")
    if fields[-1].kind == "A_Star":
        if len(fields) == 2:
            return WholeRow(fields[0].string())
        raise UnsupportedSyntax("*")
    names = [field.string() for field in fields]
    if len(names) > 2:
        raise UnsupportedSyntax("a column name of three parts")
    return Column(names[0] if len(names) == 2 else None, names[-1])


@reads("A_Const")
def _constant(node: Node) -> Expression:
    if node.flag("isnull"):
        return Literal("NULL")
    for field, spell in _CONSTANTS.items():
        value = node.struct(field, field)
        if value is not None:
            return Literal(spell(value))
    raise UnsupportedSyntax("a constant of an unknown kind")


_CONSTANTS: dict[str, Callable[[Node], str]] = {
    "ival": lambda value: str(value.number("ival")),
    "fval": lambda value: value.text("fval"),
    "boolval": lambda value: "true" if value.flag("boolval") else "false",
    "sval": lambda value: quote_literal(value.text("sval")),
    "bsval": lambda value: _bits(value.text("bsval")),
}


def _bits(text: str) -> str:
    return f"{text[:1].upper()}'{text[1:]}'"


@reads("TypeCast")
def _type_cast(node: Node) -> Expression:
    name = node.struct("typeName", "TypeName")
    if name is None:
        raise UnsupportedSyntax("a cast without a type")
    return Cast(expression(node.need("arg")), type_name(name))


@reads("CollateClause")
def _collate(node: Node) -> Expression:
    return Collate(expression(node.need("arg")), node.strings("collname"))


# Operators


@reads("BoolExpr")
def _bool(node: Node) -> Expression:
    operator = node.text("boolop")
    operands = expressions(node.many("args"))
    if operator == "NOT_EXPR":
        return Not(operands[0])
    return And(operands) if operator == "AND_EXPR" else Or(operands)


@reads("A_Expr")
def _a_expr(node: Node) -> Expression:
    kind, name = node.text("kind"), node.strings("name")
    left, right = node.one("lexpr"), node.need("rexpr")
    if kind in {"AEXPR_OP", "AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_SIMILAR"}:
        return Operator(name, optional(left), expression(right))
    if left is None:
        raise UnsupportedSyntax(f"{kind} without a left operand")
    operand = expression(left)
    if kind in {"AEXPR_OP_ANY", "AEXPR_OP_ALL"}:
        return Comparison(operand, name, kind.removeprefix("AEXPR_OP_"), expression(right))
    if kind in {"AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT"}:
        return DistinctFrom(operand, expression(right), kind == "AEXPR_NOT_DISTINCT")
    if kind == "AEXPR_NULLIF":
        return SqlFunction("NULLIF", (operand, expression(right)))
    if kind == "AEXPR_IN":
        return _in_list(operand, name, expressions(right.many("items")))
    if kind in _BETWEEN:
        low, high = expressions(right.many("items"))
        return _BETWEEN[kind](operand, low, high)
    raise UnsupportedSyntax(kind)


def _in_list(
    operand: Expression, name: tuple[str, ...], items: tuple[Expression, ...]
) -> Expression:
    word = {"=": "IN", "<>": "NOT IN"}.get(quote_operator(name))
    if word is None:
        raise UnsupportedSyntax("IN with an operator of its own")
    parts: list[str | Expression] = []
    for item in items:
        parts += [", ", item] if parts else [item]
    return template("IN", "(", operand, f" {word} (", *parts, "))")


def _between(operand: Expression, low: Expression, high: Expression) -> Expression:
    return And((Operator((">=",), operand, low), Operator(("<=",), operand, high)))


def _not_between(operand: Expression, low: Expression, high: Expression) -> Expression:
    return Or((Operator(("<",), operand, low), Operator((">",), operand, high)))


def _between_symmetric(operand: Expression, low: Expression, high: Expression) -> Expression:
    return Or((_between(operand, low, high), _between(operand, high, low)))


def _not_between_symmetric(operand: Expression, low: Expression, high: Expression) -> Expression:
    return And((_not_between(operand, low, high), _not_between(operand, high, low)))


# As PostgreSQL itself expands them (transformAExprBetween).
_BETWEEN: dict[str, Callable[[Expression, Expression, Expression], Expression]] = {
    "AEXPR_BETWEEN": _between,
    "AEXPR_NOT_BETWEEN": _not_between,
    "AEXPR_BETWEEN_SYM": _between_symmetric,
    "AEXPR_NOT_BETWEEN_SYM": _not_between_symmetric,
}


@reads("NullTest")
def _null_test(node: Node) -> Expression:
    test = "NULL" if node.text("nulltesttype") == "IS_NULL" else "NOT NULL"
    return Is(expression(node.need("arg")), test)


@reads("BooleanTest")
def _boolean_test(node: Node) -> Expression:
    test = node.text("booltesttype").removeprefix("IS_").replace("_", " ")
    return Is(expression(node.need("arg")), test)


@reads("A_Indirection")
def _indirection(node: Node) -> Expression:
    result = expression(node.need("arg"))
    separate = isinstance(result, Subscript)
    for step in node.many("indirection"):
        if step.kind == "String":
            result = Field(result, step.string())
        elif step.kind == "A_Indices":
            result = Subscript(
                result,
                optional(step.one("lidx")),
                optional(step.one("uidx")),
                step.flag("is_slice"),
                separate,
            )
        else:
            raise UnsupportedSyntax("(...).*")
        step.done()
        separate = False
    return result


# Calls and constructors


@reads("FuncCall")
def _func_call(node: Node) -> Expression:
    name = node.strings("funcname")
    arguments = [_argument(each) for each in node.many("args")]
    if node.flag("func_variadic"):
        last = arguments[-1]
        arguments[-1] = Argument(last.value, last.name, variadic=True)
    by_keywords = node.text("funcformat") == "COERCE_SQL_SYNTAX"
    if by_keywords and name[-1] == "timezone":
        return _at_time_zone([each.value for each in arguments])
    if by_keywords and not has_keyword_syntax(name[-1], len(arguments)):
        raise UnsupportedSyntax(f"{name[-1]} with {len(arguments)} arguments")
    return Call(
        name,
        tuple(arguments),
        star=node.flag("agg_star"),
        distinct=node.flag("agg_distinct"),
        order_by=sort_keys(node.many("agg_order")),
        within_group=node.flag("agg_within_group"),
        filter=optional(node.one("agg_filter")),
        over=over(node.struct("over", "WindowDef")),
        sql_syntax=by_keywords,
    )


def _argument(node: Node) -> Argument:
    if node.kind != "NamedArgExpr":
        return Argument(expression(node))
    value = expression(node.need("arg"))
    name = node.text("name")
    node.number("argnumber")
    node.done()
    return Argument(value, name)


def _at_time_zone(arguments: list[Expression]) -> Expression:
    *zone, operand = arguments
    return AtTimeZone(operand, zone[0] if zone else None)


@reads("CaseExpr")
def _case(node: Node) -> Expression:
    branches = []
    operand = optional(node.one("arg"))
    for when in node.many("args"):
        branches.append((expression(when.need("expr")), expression(when.need("result"))))
        when.done()
    return Case(operand, tuple(branches), optional(node.one("defresult")))


@reads("CoalesceExpr")
def _coalesce(node: Node) -> Expression:
    return SqlFunction("COALESCE", expressions(node.many("args")))


@reads("MinMaxExpr")
def _min_max(node: Node) -> Expression:
    keyword = node.text("op").removeprefix("IS_")
    return SqlFunction(keyword, expressions(node.many("args")))


@reads("GroupingFunc")
def _grouping(node: Node) -> Expression:
    return SqlFunction("GROUPING", expressions(node.many("args")))


@reads("RowExpr")
def _row(node: Node) -> Expression:
    node.text("row_format")
    return SqlFunction("ROW", listed(node.many("args")))


@reads("A_ArrayExpr")
def _array(node: Node) -> Expression:
    return SqlFunction("ARRAY", expressions(node.many("elements")))


@reads("SQLValueFunction")
def _value_function(node: Node) -> Expression:
    keyword = node.text("op").removeprefix("SVFOP_")
    precision = node.number("typmod")
    if keyword.endswith("_N"):
        return SqlFunction(keyword.removesuffix("_N"), precision=precision)
    return SqlFunction(keyword)


# Ordering and windows


def sort_keys(nodes: Iterable[Node]) -> tuple[SortKey, ...]:
    """Read the items of an ORDER BY."""
    return tuple([_sort_key(node) for node in nodes])


def _sort_key(node: Node) -> SortKey:
    direction = node.text("sortby_dir").removeprefix("SORTBY_")
    nulls = node.text("sortby_nulls").removeprefix("SORTBY_NULLS_")
    using = node.strings("useOp")
    key = SortKey(
        expression(node.need("node")),
        "" if direction in {"DEFAULT", "USING"} else direction,
        "" if nulls == "DEFAULT" else nulls,
        using or None,
    )
    node.done()
    return key


def over(node: Node | None) -> str | WindowSpec | None:
    """Read what follows OVER: a window's name, or a specification."""
    if node is None:
        return None
    if node.has("name"):
        name = node.text("name")
        node.number("frameOptions")
        node.done()
        return name
    return window(node)


def window(node: Node) -> WindowSpec:
    """Read a window specification (the name of a WINDOW entry must have been taken)."""
    spec = WindowSpec(
        base=node.text("refname") or None,
        partition_by=expressions(node.many("partitionClause")),
        order_by=sort_keys(node.many("orderClause")),
        frame=_frame(node),
    )
    node.done()
    return spec


# FRAMEOPTION_* of PostgreSQL's parsenodes.h.
_NONDEFAULT, _BETWEEN_WRITTEN = 0x1, 0x10
_MODES = {0x2: "RANGE", 0x4: "ROWS", 0x8: "GROUPS"}
_STARTS = {0x20: "UNBOUNDED PRECEDING", 0x200: "CURRENT ROW"}
_START_OFFSETS = {0x800: " PRECEDING", 0x2000: " FOLLOWING"}
_ENDS = {0x100: "UNBOUNDED FOLLOWING", 0x400: "CURRENT ROW"}
_END_OFFSETS = {0x1000: " PRECEDING", 0x4000: " FOLLOWING"}
_EXCLUSIONS = {0x8000: "CURRENT ROW", 0x10000: "GROUP", 0x20000: "TIES"}


def _frame(node: Node) -> tuple[str | Expression, ...]:
    options = node.number("frameOptions")
    start, end = optional(node.one("startOffset")), optional(node.one("endOffset"))
    if not options & _NONDEFAULT:
        return ()
    known = _NONDEFAULT | _BETWEEN_WRITTEN
    for bits in (_MODES, _STARTS, _START_OFFSETS, _ENDS, _END_OFFSETS, _EXCLUSIONS):
        known |= sum(bits)
    if options & ~known:
        raise UnsupportedSyntax(f"a window frame with options {options}")
    between = bool(options & _BETWEEN_WRITTEN)
    parts: list[str | Expression] = [_chosen(options, _MODES), " BETWEEN " if between else " "]
    parts += _bound(options, _STARTS, _START_OFFSETS, start)
    if between:
        parts += [" AND ", *_bound(options, _ENDS, _END_OFFSETS, end)]
    exclusion = _chosen(options, _EXCLUSIONS)
    parts += [f" EXCLUDE {exclusion}"] if exclusion else []
    return template("frame", *parts).parts


def _chosen(options: int, words: dict[int, str]) -> str:
    return next((word for bit, word in words.items() if options & bit), "")


def _bound(
    options: int, fixed: dict[int, str], relative: dict[int, str], offset: Expression | None
) -> list[str | Expression]:
    word = _chosen(options, fixed)
    if word:
        return [word]
    if offset is None:
        raise UnsupportedSyntax(f"a window frame with options {options}")
    return [offset, _chosen(options, relative)]
