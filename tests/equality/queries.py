"""Random queries over the operators that are maintained, as SQL text.

A value is *open* when the query leaves its image to PostgreSQL: of the equal values 1.0 and 1.00
a group prints either, as a minimum or as its key. Open values are only handed on and compared by
``=``, never turned into text, and the check compares them by ``=`` too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

from tests.equality import values as v
from tests.equality.choosing import Chooser
from tests.equality.values import Type, quote

MANY_ROWS = 600


@dataclass(frozen=True)
class Value:
    """An SQL expression, its type, and whether its image is open."""

    sql: str
    type: Type
    open: bool = False


@dataclass(frozen=True)
class Relation:
    """What can stand in FROM. `values` are named by plain column names; `rows` is a guess."""

    sql: str
    values: tuple[Value, ...]
    rows: int

    def columns(self, alias: str) -> list[Value]:
        return [replace(value, sql=f"{alias}.{quote(value.sql)}") for value in self.values]

    def same_table(self) -> Relation:
        """This query's result as a table: what was open is settled."""
        return replace(self, values=tuple(replace(value, open=False) for value in self.values))


class QueryMaker:
    def __init__(self, choose: Chooser, relations: Sequence[Relation]) -> None:
        self.choose = choose
        self.relations = list(relations)
        self.aliases = (f"q{n}" for n in count(1))

    def query(self, depth: int = 2, want: Sequence[Type] | None = None) -> Relation:
        """A query; `want` fixes the families of its columns."""
        if depth > 0:
            kind = self.choose.weighted(select=76, union=8, union_all=8, common=8)
            if kind == "common":
                return self._common(depth, want)
            if kind != "select":
                return self._combined(depth, want, kind.replace("_", " "))
        return self._select(depth, want, [])

    # FROM

    def _relation(self, depth: int) -> Relation:
        if depth > 0 and self.choose.chance(30):
            inner = self.query(depth - 1)
            return replace(inner, sql=f"({inner.sql})")
        return self.choose.one(self.relations)

    def _from(self, depth: int, forced: Sequence[Relation]) -> tuple[str, list[Value], int]:
        number = int(self.choose.weighted(**{"1": 42, "2": 35, "3": 15, "4": 8}))
        relations = list(forced) + [
            self._relation(depth) for _ in range(max(1, number) - len(forced))
        ]
        sql, scope, rows = "", [], 1
        for at, relation in enumerate(relations, start=1):
            alias = next(self.aliases)
            item = f"{relation.sql} as {alias}"
            columns = relation.columns(alias)
            if not sql:
                sql, scope, rows = item, columns, relation.rows
                continue
            if rows * relation.rows > 100 * MANY_ROWS:
                break
            last = at == len(relations)
            sql, scope, rows = self._join(sql, scope, rows, item, columns, relation.rows, last)
        return sql, scope, rows

    def _join(
        self,
        left: str,
        scope: list[Value],
        rows: int,
        item: str,
        columns: list[Value],
        more: int,
        last: bool,
    ) -> tuple[str, list[Value], int]:
        both = _unambiguous(scope + columns)
        scope = [value for value in both if value not in columns]
        pairs = [
            (a, b)
            for a in scope
            for b in columns
            if a.type.family == b.type.family and a.type.comparable
        ]
        common = _common_names(scope, columns)
        if common and self.choose.chance(25):
            name = self.choose.one(common)
            merged = [value for value in scope if value.sql.endswith(f".{name}")]
            return (
                f"{left} join {item} using ({name})",
                [*(x for x in both if x not in merged), replace(merged[0], sql=name)],
                rows * more // 3,
            )
        if rows * more <= MANY_ROWS and (not pairs or self.choose.chance(20)):
            how = self.choose.one(("cross", "comma", "condition"))
            if how == "condition":
                return f"{left} join {item} on {self.predicate(both)}", both, rows * more
            comma = how == "comma" and last  # a later ON could not see what stands before it
            return f"{left}{', ' if comma else ' cross join '}{item}", both, rows * more
        if not pairs:
            return left, scope, rows
        conditions = [f"{a.sql} = {b.sql}" for a, b in self.choose.some(pairs, 1, 2)]
        if not conditions:
            conditions = [f"{pairs[0][0].sql} = {pairs[0][1].sql}"]
        if self.choose.chance(20):
            conditions.append(self.predicate(both))
        kind = self.join_kind(len(conditions) > 1)
        return f"{left} {kind} {item} on {' and '.join(conditions)}", both, rows * more // 3

    def join_kind(self, has_predicate: bool) -> str:
        """How relations are joined that have an equality in common."""
        return "join"

    # Blocks

    def _select(
        self, depth: int, want: Sequence[Type] | None, forced: Sequence[Relation]
    ) -> Relation:
        source, scope, rows = self._from(depth, forced)
        where = f" where {self.condition(scope)}" if self.choose.chance(40) else ""
        shape = self.choose.weighted(plain=38, group=38, distinct=10, whole=14)
        if shape in ("group", "whole"):
            return self._aggregate(source + where, scope, rows, want, shape == "group")
        outputs = self._outputs(scope, want)
        if shape == "distinct" and all(o.type.comparable for o in outputs):
            outputs = [_opened(o) for o in outputs]
            return self._block("select distinct", source + where, "", outputs, rows // 2 + 1)
        return self._block("select", source + where, "", outputs, rows)

    def _aggregate(
        self, source: str, scope: list[Value], rows: int, want: Sequence[Type] | None, keyed: bool
    ) -> Relation:
        keys = []
        if keyed:
            keys = [_opened(key) for key in self._keys(scope)]
        group_by = f" group by {', '.join(key.sql for key in keys)}" if keys else ""
        families = ["bigint"] + [type.family for type in want or ()]
        aggregates = [self.aggregate(scope, None) for _ in range(self.choose.number(1, 3))]
        aggregates += [self.aggregate(scope, family) for family in dict.fromkeys(families)]
        above = keys + [a for a in aggregates if a is not None]
        having = f" having {self.predicate(above)}" if self.choose.chance(25) else ""
        if want is None:
            outputs = self.choose.some(above, 1, 5) if self.choose.chance(15) else above
            outputs = outputs or above
            outputs = [
                self.expression(above, o.type.family) if self.choose.chance(20) else o
                for o in outputs
            ]
        else:
            outputs = self._outputs(above, want)
        return self._block(
            "select", source, group_by + having, outputs, rows // 3 + 1 if keys else 1
        )

    def _keys(self, scope: list[Value]) -> list[Value]:
        usable = [value for value in scope if value.type.comparable]
        keys = []
        for value in self.choose.some(usable, 1, 3):
            computed = _key_expressions(value)
            if computed and self.choose.chance(30):
                keys.append(self.choose.one(computed))
            else:
                keys.append(value)
        return list({key.sql: key for key in keys}.values())

    def _outputs(self, scope: list[Value], want: Sequence[Type] | None) -> list[Value]:
        if want is None:
            chosen = self.choose.some(scope, 1, 6) or scope[:1]
            return [
                self.expression(scope, value.type.family) if self.choose.chance(25) else value
                for value in chosen
            ]
        return [self.expression(scope, type.family) for type in want]

    def _block(
        self, head: str, source: str, tail: str, outputs: list[Value], rows: int
    ) -> Relation:
        items = ", ".join(f"{o.sql} as c{i}" for i, o in enumerate(outputs, start=1))
        named = tuple(replace(o, sql=f"c{i}") for i, o in enumerate(outputs, start=1))
        return Relation(f"{head} {items} from {source}{tail}", named, rows)

    def _combined(self, depth: int, want: Sequence[Type] | None, operation: str) -> Relation:
        """Two queries under UNION or another set operation."""
        left = self._select(depth - 1, want, [])
        if not all(value.type.comparable for value in left.values):
            operation = "union all"
        right = self._select(depth - 1, [value.type for value in left.values], [])
        pairs = zip(left.values, right.values, strict=True)
        values = [replace(a, open=a.open or b.open, type=_merged_type(a, b)) for a, b in pairs]
        if operation != "union all":
            values = [_opened(value) for value in values]
        return Relation(
            f"{left.sql} {operation} {right.sql}", tuple(values), left.rows + right.rows
        )

    def _common(self, depth: int, want: Sequence[Type] | None) -> Relation:
        inner = self.query(depth - 1)
        name = f"common_{next(self.aliases)}"
        reference = replace(inner, sql=name)
        times = self.choose.number(1, 2) if inner.rows <= 60 else 1
        body = self._select(depth - 1, want, [reference] * times)
        return replace(body, sql=f"with {name} as ({inner.sql}) {body.sql}")

    # Expressions

    def aggregate(self, scope: list[Value], family: str | None) -> Value | None:
        """An aggregate call, of the family asked for; None where there is none."""
        condition = f" filter (where {self.predicate(scope)})" if self.choose.chance(20) else ""
        found = [c for value in scope for c in _calls(value)] + [Value("count(*)", v.BIGINT)]
        found = [c for c in found if family is None or c.type.family == family]
        if not found:
            return None
        call = self.choose.one(found)
        return replace(call, sql=call.sql + condition)

    def expression(self, scope: list[Value], family: str) -> Value:
        """A value of a family: a column, something computed, or else a literal."""
        type = v.TYPES_OF_RESULTS[family]
        found = [value for value in scope if value.type.family == family]
        computed = [c for value in scope for c in _computed(value) if c.type.family == family]
        if found and (not computed or self.choose.chance(50)):
            value = self.choose.one(found)
        elif computed:
            value = self.choose.one(computed)
        else:
            return Value(self._literal(type), type)
        if self.choose.chance(15):
            wrapped = f"coalesce({value.sql}, {type.literal(self.choose.number(0, 5))})"
            value = replace(value, sql=wrapped)
        elif self.choose.chance(10):
            wrapped = f"case when {self.predicate(scope)} then {value.sql} end"
            value = replace(value, sql=wrapped)
        return replace(value, type=type if value.type.family != "bpchar" else v.BPCHAR)

    def _literal(self, type: Type) -> str:
        if self.choose.chance(20):
            return f"NULL::{type.name}"
        return type.literal(self.choose.number(0, 5))

    def condition(self, scope: list[Value]) -> str:
        """What stands after WHERE."""
        return self.predicate(scope)

    def predicate(self, scope: list[Value], depth: int = 1) -> str:
        if depth > 0 and self.choose.chance(20):
            a, b = self.predicate(scope, 0), self.predicate(scope, 0)
            return self.choose.one((f"({a} or {b})", f"({a} and {b})", f"(not ({a}))"))
        value = self.choose.one(scope)
        if not value.type.comparable or self.choose.chance(15):
            return f"{value.sql} is {self.choose.one(('not null', 'null'))}"
        if value.type is v.BOOLEAN and self.choose.chance(50):
            return self.choose.one((value.sql, f"{value.sql} is not true"))
        others = [
            o.sql
            for o in scope
            if o.type.family == value.type.family and o.type.comparable and o is not value
        ]
        other = self.choose.one(others) if others and self.choose.chance(40) else ""
        if not other:
            other = value.type.literal(self.choose.number(0, 8))
        sign = self.choose.one((">=", "<>", "<", "=", "is distinct from", "is not distinct from"))
        return f"{value.sql} {sign} {other}"


def _opened(value: Value) -> Value:
    """A value that stands for a group of equal ones."""
    return replace(value, open=value.open or bool(value.type.normal))


def _merged_type(a: Value, b: Value) -> Type:
    return a.type if a.type is b.type else v.TYPES_OF_RESULTS[a.type.family]


def _bare(value: Value) -> str:
    return value.sql.split(".", 1)[-1]


def _unambiguous(scope: list[Value]) -> list[Value]:
    """Without merged columns of JOIN USING whose name a further relation has."""
    return [
        value
        for value in scope
        if "." in value.sql or sum(_bare(other) == value.sql for other in scope) <= 2
    ]


def _common_names(scope: list[Value], columns: list[Value]) -> list[str]:
    """Column names that both sides have once, with comparable types of one family."""
    return [
        _bare(b)
        for b in columns
        if b.type.comparable
        and [x.type.family for x in scope if _bare(x) == _bare(b)] == [b.type.family]
    ]


def _key_expressions(value: Value) -> list[Value]:
    s, is_open = value.sql, value.open
    match value.type.family:
        case "integer":
            return [Value(f"({s} % 2)", v.INT), Value(f"coalesce({s}, 0)", v.INT)]
        case "text" if not is_open:
            return [Value(f"upper({s})", v.TEXT), Value(f"({s} || 'x')", v.TEXT)]
        case "numeric":
            return [Value(f"({s} > 0)", v.BOOLEAN), Value(f"({s} * 2)", v.NUMERIC, is_open)]
        case "double precision":
            return [Value(f"({s} is null)", v.BOOLEAN), Value(f"(- {s})", v.FLOAT, is_open)]
        case "timestamptz":
            return [Value(f"({s}::date)", v.DATE), Value(f"date_trunc('day', {s})", v.TIMESTAMP)]
    return []


def _computed(value: Value) -> list[Value]:
    """What can be computed from one value, never raising an error."""
    s, is_open = value.sql, value.open
    found = [Value(f"({s} is null)", v.BOOLEAN)]
    match value.type.family:
        case "integer":
            found += [
                Value(f"({s} % 7 + 1)", v.INT),
                Value(f"({s}::bigint)", v.BIGINT),
                Value(f"({s}::text)", v.TEXT),
                Value(f"array[{s}, 5]", v.INTS),
                Value(f"({s}::double precision / 4)", v.FLOAT),
                Value(f"({s} + 0.50)", v.NUMERIC),
                Value(f"case when {s} > 1 then 'big' else 'small' end", v.TEXT),
                Value(f"jsonb_build_object('x', {s})", v.JSONB),
            ]
        case "bigint":
            found += [Value(f"({s} % 5)", v.BIGINT), Value(f"({s} * 1.50)", v.NUMERIC)]
        case "text" if not is_open:
            found += [
                Value(f"({s} || '!')", v.TEXT),
                Value(f"length({s})", v.INT),
                Value(f"nullif({s}, 'a')", v.TEXT),
            ]
        case "numeric":
            found += [
                Value(f"({s} + 1)", v.NUMERIC, is_open),
                Value(f"(- {s})", v.NUMERIC, is_open),
                Value(f"({s} < 2)", v.BOOLEAN),
            ]
            if not is_open:
                found += [Value(f"({s}::text)", v.TEXT), Value(f"round({s}, 1)", v.NUMERIC)]
        case "double precision":
            found += [Value(f"(- {s})", v.FLOAT, is_open), Value(f"({s} * 0.5)", v.FLOAT, is_open)]
            if not is_open:
                found += [Value(f"({s}::text)", v.TEXT)]
        case "date":
            found += [Value(f"({s} + 1)", v.DATE), Value(f"({s}::text)", v.TEXT)]
        case "timestamptz":
            found += [Value(f"({s}::date)", v.DATE)]
        case "json":
            found += [Value(f"({s} ->> 'a')", v.TEXT)]
        case "jsonb" if not is_open:
            found += [Value(f"({s} ->> 'a')", v.TEXT), Value(f"({s} -> 'a')", v.JSONB)]
        case "bpchar":
            found += [Value(f"({s}::text)", v.TEXT)]
        case "mood":
            found += [Value(f"({s}::text)", v.TEXT)]
        case "integer[]":
            found += [Value(f"({s} || 9)", v.INTS), Value(f"cardinality({s})", v.INT)]
        case "text[]":
            found += [Value(f"array_to_string({s}, '/')", v.TEXT)]
    return found


def _calls(value: Value) -> list[Value]:
    """Aggregates whose result does not depend on the order of rows."""
    s, type, is_open = value.sql, value.type, value.open
    inexact = is_open or bool(type.normal)
    found = [Value(f"count({s})", v.BIGINT)]
    if type.comparable:
        found.append(Value(f"count(distinct {s})", v.BIGINT))
    if type.ordered and type.comparable:
        result = v.BPCHAR if type.family == "bpchar" else v.TYPES_OF_RESULTS[type.family]
        if type is not v.INTS and type is not v.TEXTS:
            found += [Value(f"{f}({s})", result, inexact) for f in ("min", "max")]
    match type.family:
        case "integer":
            found += [
                Value(f"sum({s})", v.BIGINT),
                Value(f"avg({s})", v.NUMERIC),
                Value(f"sum(distinct {s})", v.BIGINT),
                Value(f"array_agg({s} order by {s} desc)", v.INTS),
                Value(f"avg(distinct {s})", v.NUMERIC),
                *(Value(f"{f}({s})", v.INT) for f in ("bit_or", "bit_and", "bit_xor")),
                *(Value(f"{f}({s})", v.NUMERIC) for f in ("variance", "stddev_pop", "stddev")),
                Value(f"regr_count({s}, {s})", v.BIGINT),
            ]
        case "bigint":
            functions = ("sum", "avg", "var_pop", "stddev", "sum(distinct")
            found += [Value(_call(f, s), v.NUMERIC) for f in functions]
            found += [Value(f"{f}({s})", v.BIGINT) for f in ("bit_or", "bit_and", "bit_xor")]
        case "numeric":
            found += [Value(f"{f}({s})", v.NUMERIC, is_open) for f in ("sum", "avg")]
            if not is_open:
                found += [Value(f"{f}({s})", v.NUMERIC) for f in ("variance", "stddev_pop")]
        case "double precision":
            found += [Value(f"sum({s})", v.FLOAT, True), Value(f"avg({s})", v.FLOAT, True)]
        case "boolean":
            found += [Value(f"{f}({s})", v.BOOLEAN) for f in ("bool_and", "bool_or", "every")]
        case "text" if not is_open:
            found += [
                Value(f"string_agg({s}, ';' order by {s})", v.TEXT),
                Value(f"array_agg(distinct {s})", v.TEXTS),
            ]
        case "interval" if not is_open:
            found += [Value(f"{f}({s})", v.INTERVAL) for f in ("sum", "avg")]
    return found


def _call(function: str, argument: str) -> str:
    """``f(x)``, or for a function that ends in ``(distinct`` its call with different values."""
    return f"{function} {argument})" if "(" in function else f"{function}({argument})"
