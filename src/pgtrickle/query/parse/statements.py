"""Queries and FROM items from the raw tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypedDict

from pgtrickle.query.expression import (
    Argument,
    Call,
    Expression,
    Name,
    SortKey,
    Sublink,
    TypeName,
    WholeRow,
    WindowSpec,
)
from pgtrickle.query.names import quote_identifier
from pgtrickle.query.parse.expressions import (
    expression,
    expressions,
    listed,
    optional,
    reads,
    sort_keys,
    window,
)
from pgtrickle.query.parse.raw import Node, UnsupportedSyntax
from pgtrickle.query.parse.types import type_name
from pgtrickle.query.render import render_expression
from pgtrickle.query.statement import (
    Alias,
    CommonTable,
    Cycle,
    Derived,
    FromItem,
    FunctionItem,
    FunctionSource,
    GroupingSets,
    GroupItem,
    Join,
    Query,
    Search,
    Select,
    SetOperation,
    Table,
    Target,
    Values,
)

_STATEMENTS = {
    "InsertStmt": "INSERT",
    "UpdateStmt": "UPDATE",
    "DeleteStmt": "DELETE",
    "MergeStmt": "MERGE",
}


def statement_name(node: Node) -> str:
    """Name a kind of statement to the user."""
    return _STATEMENTS.get(node.kind, node.kind)


def query(node: Node) -> Query:
    """Read a statement, which must be a SELECT, a set operation or VALUES."""
    if node.kind != "SelectStmt":
        raise UnsupportedSyntax(statement_name(node))
    if node.has("intoClause"):
        raise UnsupportedSyntax("SELECT INTO")
    operation = node.text("op").removeprefix("SETOP_")
    result: Query
    if operation != "NONE":
        result = _set_operation(node, operation)
    elif node.has("valuesLists"):
        rows = tuple([listed(row.many("items")) for row in node.many("valuesLists")])
        result = Values(**_common(node), rows=rows)
    else:
        result = _select(node)
    node.done()
    return result


class _Common(TypedDict):
    ctes: tuple[CommonTable, ...]
    recursive: bool
    order_by: tuple[SortKey, ...]
    limit: Expression | None
    offset: Expression | None
    with_ties: bool
    locking: str


def _common(node: Node) -> _Common:
    clause = node.struct("withClause", "WithClause")
    ctes, recursive = _with(clause) if clause is not None else ((), False)
    return {
        "ctes": ctes,
        "recursive": recursive,
        "order_by": sort_keys(node.many("sortClause")),
        "limit": optional(node.one("limitCount")),
        "offset": optional(node.one("limitOffset")),
        "with_ties": node.text("limitOption") == "LIMIT_OPTION_WITH_TIES",
        "locking": " ".join([_locking(each) for each in node.many("lockingClause")]),
    }


def _set_operation(node: Node, operation: str) -> SetOperation:
    common = _common(node)
    left, right = node.struct("larg", "SelectStmt"), node.struct("rarg", "SelectStmt")
    if left is None or right is None:
        raise UnsupportedSyntax(f"{operation} without both sides")
    return SetOperation(
        **common,
        operation=operation,
        all=node.flag("all"),
        left=query(left),
        right=query(right),
    )


def _select(node: Node) -> Select:
    return Select(
        **_common(node),
        targets=tuple([_target(each) for each in node.many("targetList")]),
        distinct=_distinct(node),
        sources=tuple([from_item(each) for each in node.many("fromClause")]),
        where=optional(node.one("whereClause")),
        group_by=tuple([_group_item(each) for each in node.many("groupClause")]),
        group_distinct=node.flag("groupDistinct"),
        having=optional(node.one("havingClause")),
        windows=tuple([_named_window(each) for each in node.many("windowClause")]),
    )


def _distinct(node: Node) -> tuple[Expression, ...] | None:
    if not node.has("distinctClause"):
        return None
    # Plain DISTINCT is a list of one null pointer.
    on = [each for each in node.optional_items("distinctClause") if each is not None]
    return expressions(on)


def _target(node: Node) -> Target:
    value = expression(node.need("val"))
    if isinstance(value, WholeRow):
        raise UnsupportedSyntax("*")
    target = Target(value, node.text("name") or None)
    node.done()
    return target


def _named_window(node: Node) -> tuple[str, WindowSpec]:
    name = node.text("name")
    return name, window(node)


def _group_item(node: Node) -> GroupItem:
    if node.kind == "GroupingSet":
        kind = node.text("kind").removeprefix("GROUPING_SET_")
        items = tuple([_group_item(each) for each in node.many("content")])
        node.done()
        return GroupingSets(_GROUPING_KINDS[kind], items)
    if node.kind == "RowExpr" and node.peek("row_format") == "COERCE_IMPLICIT_CAST":
        node.text("row_format")
        items = tuple([_group_item(each) for each in node.many("args")])
        node.done()
        return GroupingSets("", items)
    return expression(node)


_GROUPING_KINDS = {"EMPTY": "", "ROLLUP": "ROLLUP", "CUBE": "CUBE", "SETS": "GROUPING SETS"}


def _locking(node: Node) -> str:
    strength = {
        "LCS_FORKEYSHARE": "KEY SHARE",
        "LCS_FORSHARE": "SHARE",
        "LCS_FORNOKEYUPDATE": "NO KEY UPDATE",
        "LCS_FORUPDATE": "UPDATE",
    }[node.text("strength")]
    wait = {"LockWaitBlock": "", "LockWaitSkip": " SKIP LOCKED", "LockWaitError": " NOWAIT"}[
        node.text("waitPolicy")
    ]
    names = []
    for relation in node.many("lockedRels"):
        names.append(quote_identifier(relation.text("relname")))
        relation.flag("inh")
        relation.text("relpersistence")
        relation.done()
    node.done()
    of = f" OF {', '.join(names)}" if names else ""
    return f"FOR {strength}{of}{wait}"


# WITH


def _with(node: Node) -> tuple[tuple[CommonTable, ...], bool]:
    ctes = tuple([_common_table(each) for each in node.many("ctes")])
    recursive = node.flag("recursive")
    node.done()
    return ctes, recursive


def _common_table(node: Node) -> CommonTable:
    materialized = {"Default": None, "Always": True, "Never": False}[
        node.text("ctematerialized").removeprefix("CTEMaterialize")
    ]
    table = CommonTable(
        node.text("ctename"),
        node.strings("aliascolnames"),
        query(node.need("ctequery")),
        materialized,
        _search(node.struct("search_clause", "CTESearchClause")),
        _cycle(node.struct("cycle_clause", "CTECycleClause")),
    )
    node.done()
    return table


def _search(node: Node | None) -> Search | None:
    if node is None:
        return None
    search = Search(
        node.flag("search_breadth_first"),
        node.strings("search_col_list"),
        node.text("search_seq_column"),
    )
    node.done()
    return search


def _cycle(node: Node | None) -> Cycle | None:
    if node is None:
        return None
    cycle = Cycle(
        node.strings("cycle_col_list"),
        node.text("cycle_mark_column"),
        expression(node.need("cycle_mark_value")),
        expression(node.need("cycle_mark_default")),
        node.text("cycle_path_column"),
    )
    node.done()
    return cycle


# FROM

FromReader = Callable[[Node], FromItem]
FROM_READERS: dict[str, FromReader] = {}


def reads_from(kind: str) -> Callable[[FromReader], FromReader]:
    """Register the reader of one kind of FROM item."""

    def register(reader: FromReader) -> FromReader:
        FROM_READERS[kind] = reader
        return reader

    return register


def from_item(node: Node) -> FromItem:
    """Read any item of a FROM clause."""
    reader = FROM_READERS.get(node.kind)
    if reader is None:
        raise UnsupportedSyntax(node.kind)
    item = reader(node)
    node.done()
    return item


def alias(node: Node) -> Alias | None:
    """Take the alias of a FROM item."""
    found = node.struct("alias", "Alias")
    if found is None:
        return None
    result = Alias(found.text("aliasname"), found.strings("colnames"))
    found.done()
    return result


@reads_from("RangeVar")
def _table(node: Node) -> Table:
    if node.has("catalogname"):
        raise UnsupportedSyntax("a table name with a database")
    node.text("relpersistence")
    return Table(
        node.text("schemaname") or None,
        node.text("relname"),
        alias(node),
        only=not node.flag("inh"),
    )


@reads_from("RangeTableSample")
def _sample(node: Node) -> Table:
    table = from_item(node.need("relation"))
    if not isinstance(table, Table):
        raise UnsupportedSyntax("TABLESAMPLE of anything but a table")
    call = Call(
        node.strings("method"),
        tuple([Argument(each) for each in expressions(node.many("args"))]),
    )
    seed = optional(node.one("repeatable"))
    repeatable = "" if seed is None else f" REPEATABLE ({render_expression(seed)})"
    sample = f"TABLESAMPLE {render_expression(call)}{repeatable}"
    return Table(table.schema, table.name, table.alias, table.only, sample)


@reads_from("RangeSubselect")
def _derived(node: Node) -> Derived:
    return Derived(query(node.need("subquery")), alias(node), node.flag("lateral"))


@reads_from("RangeFunction")
def _function_source(node: Node) -> FunctionSource:
    node.flag("is_rowsfrom")
    definitions = _definitions(node.many("coldeflist"))
    items = []
    for pair in node.many("functions"):
        call, *own = pair.optional_items("items")
        if call is None:
            raise UnsupportedSyntax("ROWS FROM without a function")
        columns = own[0] if own else None
        own_definitions = () if columns is None else _definitions(columns.many("items"))
        items.append(FunctionItem(expression(call), own_definitions or definitions))
        pair.done()
    return FunctionSource(
        tuple(items), alias(node), ordinality=node.flag("ordinality"), lateral=node.flag("lateral")
    )


def _definitions(nodes: Iterable[Node]) -> tuple[tuple[str, TypeName, Name | None], ...]:
    columns = []
    for node in nodes:
        name = node.text("colname")
        type_node = node.struct("typeName", "TypeName")
        if type_node is None:
            raise UnsupportedSyntax("a column without a type")
        collation = node.struct("collClause", "CollateClause")
        node.flag("is_local")
        node.done()
        columns.append(
            (
                name,
                type_name(type_node),
                None if collation is None else collation.strings("collname"),
            )
        )
    return tuple(columns)


@reads_from("JoinExpr")
def _join(node: Node) -> Join:
    if node.flag("isNatural"):
        raise UnsupportedSyntax("NATURAL JOIN")
    kind = node.text("jointype").removeprefix("JOIN_")
    on, using = optional(node.one("quals")), node.strings("usingClause")
    if kind not in {"INNER", "LEFT", "RIGHT", "FULL"}:
        raise UnsupportedSyntax(f"{kind} JOIN")
    if kind == "INNER" and on is None and not using:
        kind = "CROSS"
    node.number("rtindex")
    return Join(
        kind,
        from_item(node.need("larg")),
        from_item(node.need("rarg")),
        on=on,
        using=using,
        using_alias=_using_alias(node),
        alias=alias(node),
    )


def _using_alias(node: Node) -> str | None:
    found = node.struct("join_using_alias", "Alias")
    if found is None:
        return None
    name = found.text("aliasname")
    found.done()
    return name


# Subqueries in expressions


@reads("SubLink")
def _sublink(node: Node) -> Expression:
    kind = node.text("subLinkType").removesuffix("_SUBLINK")
    test, operator = optional(node.one("testexpr")), node.strings("operName")
    subquery = query(node.need("subselect"))
    if kind in {"ANY", "ALL"}:
        return Sublink(kind, subquery, test, operator or ("=",))
    if kind not in _SUBLINK_KINDS:
        raise UnsupportedSyntax(f"{kind} over a subquery")
    return Sublink(_SUBLINK_KINDS[kind], subquery)


_SUBLINK_KINDS = {"EXISTS": "EXISTS", "EXPR": "SCALAR", "ARRAY": "ARRAY"}
