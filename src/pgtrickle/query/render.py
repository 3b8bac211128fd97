"""SQL text from our tree, fully parenthesised, meant to be read by PostgreSQL.

Every expression is printed so that it stands on its own next to any operator: names, constants,
calls and casts bare, everything else in parentheses. What is printed parses back to an equal
tree (but for the spellings the tree leaves open, see `pgtrickle.query.parse`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from pgtrickle.query import expression as e
from pgtrickle.query import statement as s
from pgtrickle.query.names import quote_identifier, quote_literal, quote_name, quote_operator

__all__ = [
    "quote_identifier",
    "quote_literal",
    "quote_name",
    "quote_operator",
    "render",
    "render_call_in_from",
    "render_expression",
    "render_from",
    "sort_parts",
    "window_parts",
]

Part = str | e.Expression

_NUMBER = re.compile(r"[0-9.]")


def render(query: s.Query) -> str:
    """Print a query (no trailing semicolon).

    Raises ValueError for a tree that no SQL text has, such as a bare whole row in a select list.
    """
    match query:
        case s.Select():
            body = _select(query)
        case s.SetOperation():
            every = " ALL" if query.all else ""
            left, right = render(query.left), render(query.right)
            body = f"({left}) {query.operation}{every} ({right})"
        case s.Values():
            body = "VALUES " + ", ".join(f"({_items(row)})" for row in query.rows)
        case _:
            raise TypeError(f"not a query: {query!r}")
    return _with(query) + body + _tail(query)


def render_expression(expression: e.Expression) -> str:
    """Print a scalar expression, ready to stand beside any operator."""
    printer = _PRINTERS.get(type(expression))
    if printer is None:
        raise TypeError(f"not an expression: {expression!r}")
    return printer(expression)


def render_parts(parts: Iterable[Part]) -> str:
    """Print alternating text and expressions."""
    return "".join(part if isinstance(part, str) else render_expression(part) for part in parts)


# Queries


def _with(query: s.Query) -> str:
    if not query.ctes:
        return ""
    recursive = "RECURSIVE " if query.recursive else ""
    return f"WITH {recursive}{', '.join(_common_table(cte) for cte in query.ctes)} "


def _common_table(cte: s.CommonTable) -> str:
    hint = {None: "", True: "MATERIALIZED ", False: "NOT MATERIALIZED "}[cte.materialized]
    head = f"{_alias(s.Alias(cte.name, cte.columns))} AS {hint}({render(cte.query)})"
    return head + _search(cte.search) + _cycle(cte.cycle)


def _search(search: s.Search | None) -> str:
    if search is None:
        return ""
    order = "BREADTH" if search.breadth_first else "DEPTH"
    sequence = quote_identifier(search.sequence)
    return f" SEARCH {order} FIRST BY {_names(search.columns)} SET {sequence}"


def _cycle(cycle: s.Cycle | None) -> str:
    if cycle is None:
        return ""
    mark, path = quote_identifier(cycle.mark), quote_identifier(cycle.path)
    value, default = _constant(cycle.value), _constant(cycle.default)
    names = _names(cycle.columns)
    return f" CYCLE {names} SET {mark} TO {value} DEFAULT {default} USING {path}"


def _constant(value: e.Expression) -> str:
    """A constant where the grammar has no casts."""
    match value:
        case e.Cast(operand=e.Literal(sql=sql), type=type):
            return f"{type.sql} {sql}"
    return render_expression(value)


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(quote_identifier, names))


def _select(select: s.Select) -> str:
    words = ["SELECT"]
    if select.distinct is not None:
        on = f" ON ({_items(select.distinct)})" if select.distinct else ""
        words.append(f"DISTINCT{on}")
    if select.targets:
        words.append(", ".join(_target(target) for target in select.targets))
    if select.sources:
        words.append("FROM " + ", ".join(render_from(source) for source in select.sources))
    if select.where is not None:
        words.append(f"WHERE {render_expression(select.where)}")
    if select.group_by:
        once = "DISTINCT " if select.group_distinct else ""
        words.append("GROUP BY " + once + ", ".join(_group(item) for item in select.group_by))
    if select.having is not None:
        words.append(f"HAVING {render_expression(select.having)}")
    if select.windows:
        named = (
            f"{quote_identifier(name)} AS {_window(window)}" for name, window in select.windows
        )
        words.append("WINDOW " + ", ".join(named))
    return " ".join(words)


def _target(target: s.Target) -> str:
    text = _item(target.expression)
    return text if target.alias is None else f"{text} AS {quote_identifier(target.alias)}"


def _group(item: s.GroupItem) -> str:
    if isinstance(item, s.GroupingSets):
        inner = ", ".join(_group(each) for each in item.items)
        return f"{item.kind}({inner})"
    return render_expression(item)


def _tail(query: s.Query) -> str:
    words = []
    if query.order_by:
        words.append(render_parts(("ORDER BY ", *sort_parts(query.order_by))))
    if query.limit is not None and not query.with_ties:
        words.append(f"LIMIT {render_expression(query.limit)}")
    if query.offset is not None:
        words.append(f"OFFSET {render_expression(query.offset)}")
    if query.limit is not None and query.with_ties:
        words.append(f"FETCH FIRST ({render_expression(query.limit)}) ROWS WITH TIES")
    if query.locking:
        words.append(query.locking)
    return "".join(f" {word}" for word in words)


# FROM


def render_from(source: s.FromItem) -> str:
    """Print one item of a FROM clause."""
    match source:
        case s.Table():
            only = "ONLY " if source.only else ""
            name = (source.name,) if source.schema is None else (source.schema, source.name)
            sample = f" {source.sample}" if source.sample else ""
            return f"{only}{quote_name(name)}{_as(source.alias)}{sample}"
        case s.Derived():
            return f"{_lateral(source.lateral)}({render(source.query)}){_as(source.alias)}"
        case s.FunctionSource():
            return _lateral(source.lateral) + _functions(source)
        case s.TemplateSource():
            return _lateral(source.lateral) + render_parts(source.parts) + _as(source.alias)
        case s.Join():
            return _join(source)
        case _:
            raise TypeError(f"not a FROM item: {source!r}")


def _lateral(lateral: bool) -> str:
    return "LATERAL " if lateral else ""


def _alias(alias: s.Alias) -> str:
    columns = f"({_names(alias.columns)})" if alias.columns else ""
    return quote_identifier(alias.name) + columns


def _as(alias: s.Alias | None) -> str:
    return "" if alias is None else f" AS {_alias(alias)}"


def _join(join: s.Join) -> str:
    left, right = render_from(join.left), render_from(join.right)
    if join.kind == "CROSS":
        condition = ""
    elif join.using:
        alias = "" if join.using_alias is None else f" AS {quote_identifier(join.using_alias)}"
        condition = f" USING ({_names(join.using)}){alias}"
    elif join.on is not None:
        condition = f" ON {render_expression(join.on)}"
    else:
        raise ValueError(f"a {join.kind} join needs a condition")
    return f"({left} {join.kind} JOIN {right}{condition}){_as(join.alias)}"


def _functions(source: s.FunctionSource) -> str:
    ordinality = " WITH ORDINALITY" if source.ordinality else ""
    first = source.functions[0]
    if len(source.functions) > 1 or (first.definitions and source.ordinality):
        calls = ", ".join(
            render_call_in_from(item.call)
            + (f" AS ({_definitions(item)})" if item.definitions else "")
            for item in source.functions
        )
        return f"ROWS FROM({calls}){ordinality}{_as(source.alias)}"
    call = render_call_in_from(first.call)
    if first.definitions:
        alias = "" if source.alias is None else quote_identifier(source.alias.name)
        return f"{call} AS {alias}({_definitions(first)})"
    return f"{call}{ordinality}{_as(source.alias)}"


def render_call_in_from(call: e.Expression) -> str:
    """Print a function as FROM wants it: ``CAST(x AS t)``, for ``::`` is no function there."""
    if isinstance(call, e.Cast):
        return f"CAST({render_expression(call.operand)} AS {call.type.sql})"
    return render_expression(call)


def _definitions(item: s.FunctionItem) -> str:
    return ", ".join(
        f"{quote_identifier(name)} {type_name.sql}"
        + ("" if collation is None else f" COLLATE {quote_name(collation)}")
        for name, type_name, collation in item.definitions
    )


# Expressions


def _list(expressions: Iterable[e.Expression]) -> str:
    return ", ".join(render_expression(each) for each in expressions)


def _item(expression: e.Expression) -> str:
    """Print an item of a list in which PostgreSQL would expand a bare ``x.*``."""
    if isinstance(expression, e.WholeRow):
        raise ValueError(
            f"the whole row of {expression.relation!r} must be cast to its type to stand here"
        )
    return render_expression(expression)


def _items(expressions: Iterable[e.Expression]) -> str:
    return ", ".join(_item(each) for each in expressions)


def _column(column: e.Column) -> str:
    if column.relation is None:
        return quote_identifier(column.name)
    return quote_name((column.relation, column.name))


def _literal(literal: e.Literal) -> str:
    return f"({literal.sql})" if literal.sql.startswith("-") else literal.sql


def _cast(cast: e.Cast) -> str:
    return f"{render_expression(cast.operand)}::{cast.type.sql}"


def _operator(operator: e.Operator) -> str:
    symbol = quote_operator(operator.name)
    right = render_expression(operator.right)
    if operator.left is not None:
        return f"({render_expression(operator.left)} {symbol} {right})"
    if operator.name == ("-",) and _is_number(operator.right):
        symbol = "OPERATOR(-)"  # the grammar would fold a bare minus into the constant
    return f"({symbol} {right})"


def _is_number(expression: e.Expression) -> bool:
    return isinstance(expression, e.Literal) and bool(
        _NUMBER.match(expression.sql.removeprefix("-"))
    )


def _joined(word: str, operands: tuple[e.Expression, ...]) -> str:
    if len(operands) < 2:
        raise ValueError(f"{word} needs two operands")
    return "(" + f" {word} ".join(render_expression(each) for each in operands) + ")"


def _distinct_from(test: e.DistinctFrom) -> str:
    negated = "NOT " if test.negated else ""
    left, right = render_expression(test.left), render_expression(test.right)
    return f"({left} IS {negated}DISTINCT FROM {right})"


def _comparison(comparison: e.Comparison) -> str:
    left, array = render_expression(comparison.left), render_expression(comparison.array)
    if isinstance(comparison.array, e.Sublink):
        array = f"({array})"  # a subquery in single parentheses would be a Sublink of its own
    symbol = quote_operator(comparison.operator)
    return f"({left} {symbol} {comparison.quantifier} ({array}))"


def _case(case: e.Case) -> str:
    words = ["CASE"]
    if case.operand is not None:
        words.append(render_expression(case.operand))
    for condition, result in case.branches:
        words.append(f"WHEN {render_expression(condition)} THEN {render_expression(result)}")
    if case.otherwise is not None:
        words.append(f"ELSE {render_expression(case.otherwise)}")
    return " ".join([*words, "END"])


def sort_parts(keys: Iterable[e.SortKey]) -> list[Part]:
    """Give the items of an ORDER BY as text around expressions."""
    parts: list[Part] = []
    for key in keys:
        using = "" if key.using is None else f" USING {quote_operator(key.using)}"
        direction = f" {key.direction}" if key.direction else ""
        nulls = f" NULLS {key.nulls}" if key.nulls else ""
        parts += [", "] if parts else []
        parts += [key.expression, f"{using}{direction}{nulls}"]
    return parts


def window_parts(window: e.WindowSpec) -> list[Part]:
    """Give a window specification, with its parentheses, as text around expressions."""
    clauses: list[list[Part]] = []
    if window.base is not None:
        clauses.append([quote_identifier(window.base)])
    if window.partition_by:
        parts: list[Part] = ["PARTITION BY "]
        for expression in window.partition_by:
            parts += [", "] if len(parts) > 1 else []
            parts.append(expression)
        clauses.append(parts)
    if window.order_by:
        clauses.append(["ORDER BY ", *sort_parts(window.order_by)])
    if window.frame:
        clauses.append(list(window.frame))
    together: list[Part] = ["("]
    for clause in clauses:
        together += [" "] if len(together) > 1 else []
        together += clause
    return [*together, ")"]


def _window(window: e.WindowSpec) -> str:
    return render_parts(window_parts(window))


def _argument(argument: e.Argument) -> str:
    variadic = "VARIADIC " if argument.variadic else ""
    name = "" if argument.name is None else f"{quote_identifier(argument.name)} => "
    return f"{variadic}{name}{render_expression(argument.value)}"


def _call(call: e.Call) -> str:
    if call.sql_syntax:
        return _keyword_call(call)
    inside = "*" if call.star else ", ".join(_argument(each) for each in call.arguments)
    if call.distinct:
        inside = f"DISTINCT {inside}"
    order = render_parts(("ORDER BY ", *sort_parts(call.order_by))) if call.order_by else ""
    if order and not call.within_group:
        inside = f"{inside} {order}"
    text = f"{quote_name(call.name)}({inside})"
    if call.within_group:
        text += f" WITHIN GROUP ({order})"
    return text + _call_tail(call)


def _json_aggregate(call: e.JsonAggregate) -> str:
    inside = " : ".join(map(_argument, call.arguments)) + call.encoding
    if call.order_by:
        inside += render_parts((" ORDER BY ", *sort_parts(call.order_by)))
    return f"{call.name[0]}({inside}{call.clauses})" + _call_tail(call)


def _call_tail(call: e.Call) -> str:
    text = ""
    if call.filter is not None:
        text += f" FILTER (WHERE {render_expression(call.filter)})"
    if call.over is not None:
        over = quote_identifier(call.over) if isinstance(call.over, str) else _window(call.over)
        text += f" OVER {over}"
    return text


_KEYWORD_CALLS = {
    ("extract", 2): "EXTRACT({0} FROM {1})",
    ("normalize", 1): "NORMALIZE({0})",
    ("normalize", 2): "NORMALIZE({0}, {1:word})",
    ("is_normalized", 1): "({0} IS NORMALIZED)",
    ("is_normalized", 2): "({0} IS {1:word} NORMALIZED)",
    ("overlaps", 4): "(({0}, {1}) OVERLAPS ({2}, {3}))",
    ("pg_collation_for", 1): "COLLATION FOR ({0})",
    ("overlay", 3): "OVERLAY({0} PLACING {1} FROM {2})",
    ("overlay", 4): "OVERLAY({0} PLACING {1} FROM {2} FOR {3})",
    ("position", 2): "POSITION({1} IN {0})",
    ("substring", 2): "SUBSTRING({0} FROM {1})",
    ("substring", 3): "SUBSTRING({0} FROM {1} FOR {2})",
    ("btrim", 1): "TRIM(BOTH FROM {0})",
    ("btrim", 2): "TRIM(BOTH {1} FROM {0})",
    ("ltrim", 1): "TRIM(LEADING FROM {0})",
    ("ltrim", 2): "TRIM(LEADING {1} FROM {0})",
    ("rtrim", 1): "TRIM(TRAILING FROM {0})",
    ("rtrim", 2): "TRIM(TRAILING {1} FROM {0})",
    ("xmlexists", 2): "XMLEXISTS(({0}) PASSING ({1}))",
    ("system_user", 0): "SYSTEM_USER",
}


class _Text(str):
    """An argument's SQL; ``{:word}`` prints a string constant as the bare keyword it stands for."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return self.strip("'") if spec == "word" else str(self)


def has_keyword_syntax(name: str, arguments: int) -> bool:
    """Tell whether pg_catalog's function `name` has a spelling with keywords that we know."""
    return (name, arguments) in _KEYWORD_CALLS


def _keyword_call(call: e.Call) -> str:
    pattern = _KEYWORD_CALLS.get((call.name[-1], len(call.arguments)))
    if pattern is None:
        raise ValueError(f"no keyword syntax for {quote_name(call.name)}")
    return pattern.format(*(_Text(render_expression(each.value)) for each in call.arguments))


def _sql_function(function: e.SqlFunction) -> str:
    if function.keyword == "ARRAY":
        return f"ARRAY[{_list(function.arguments)}]"
    if function.keyword == "ROW":
        return f"ROW({_items(function.arguments)})"
    if function.arguments or function.keyword == "GROUPING":
        return f"{function.keyword}({_list(function.arguments)})"
    precision = "" if function.precision is None else f"({function.precision})"
    return function.keyword + precision


def _sublink(link: e.Sublink) -> str:
    query = f"({render(link.query)})"
    if link.kind == "SCALAR":
        return query
    if link.kind in {"EXISTS", "ARRAY"}:
        return link.kind + query
    if link.test is None or link.operator is None:
        raise ValueError(f"{link.kind} over a subquery needs a test and an operator")
    test = render_expression(link.test)
    if link.kind == "ANY" and link.operator == ("=",):
        return f"({test} IN {query})"
    return f"({test} {quote_operator(link.operator)} {link.kind} {query})"


def _subscript(subscript: e.Subscript) -> str:
    operand = render_expression(subscript.operand)
    if not isinstance(subscript.operand, e.Subscript) or subscript.separate:
        operand = f"({operand})"
    upper = "" if subscript.upper is None else render_expression(subscript.upper)
    lower = "" if subscript.lower is None else render_expression(subscript.lower)
    return f"{operand}[{lower}:{upper}]" if subscript.slice else f"{operand}[{upper}]"


def _at_time_zone(expression: e.AtTimeZone) -> str:
    operand = render_expression(expression.operand)
    if expression.zone is None:
        return f"({operand} AT LOCAL)"
    return f"({operand} AT TIME ZONE {render_expression(expression.zone)})"


_PRINTERS: dict[type[e.Expression], Callable[[e.Expression], str]] = {}


def _register(printers: dict[type, Callable[..., str]]) -> None:
    _PRINTERS.update(printers)


_register(
    {
        e.Column: _column,
        e.WholeRow: lambda row: f"{quote_identifier(row.relation)}.*",
        e.Literal: _literal,
        e.Cast: _cast,
        e.Operator: _operator,
        e.And: lambda both: _joined("AND", both.operands),
        e.Or: lambda either: _joined("OR", either.operands),
        e.Not: lambda negation: f"(NOT {render_expression(negation.operand)})",
        e.Is: lambda test: f"({render_expression(test.operand)} IS {test.test})",
        e.DistinctFrom: _distinct_from,
        e.Comparison: _comparison,
        e.Case: _case,
        e.Call: _call,
        e.JsonAggregate: _json_aggregate,
        e.SqlFunction: _sql_function,
        e.Sublink: _sublink,
        e.Collate: lambda node: (
            f"({render_expression(node.operand)} COLLATE {quote_name(node.collation)})"
        ),
        e.Subscript: _subscript,
        e.Field: lambda node: f"({render_expression(node.operand)}).{quote_identifier(node.name)}",
        e.AtTimeZone: _at_time_zone,
        e.Template: lambda template: render_parts(template.parts),
    }
)
