"""Random queries over all operators: those of `queries`, and those whose form is less free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.equality import values as v
from tests.equality.queries import QueryMaker, Relation, Value
from tests.equality.values import Type


class FurtherQueryMaker(QueryMaker):
    """Adds outer joins, subqueries in WHERE, SELECT and ON, set operations, windows, grouping sets,
    DISTINCT ON and LIMIT, recursion, whole rows, arrays of subqueries, joins under an alias,
    lateral joins, nested correlation and conditions on the time, each in forms whose answer is
    fixed but for open images."""

    def query(self, depth: int = 2, want: Sequence[Type] | None = None) -> Relation:
        if depth > 0 and self.choose.chance(12):
            operation = self.choose.one(("intersect", "except", "intersect all", "except all"))
            return self._combined(depth, want, operation)
        if depth > 0 and want is None and self.choose.chance(8):
            recursive = self._recursive()
            if recursive is not None:
                return recursive
        found = super().query(depth, want)
        shape = self.choose.weighted(
            plain=54, first=8, one_each=8, window=8, whole=5, array=6, joined=5, lateral=6
        )
        if want is None and shape in ("whole", "array", "joined", "lateral"):
            return getattr(self, f"_{shape}")(found)
        fixed = all(x.type.comparable and not x.type.normal for x in found.values)
        if want is not None or shape == "plain" or not fixed:
            return found
        alias = next(self.aliases)
        names = [f"{alias}.{value.sql}" for value in found.values]
        if shape == "window":
            return self._windowed(found, alias)
        order = ", ".join(name + self.choose.one(("", " desc")) for name in names)
        if shape == "first":
            tail = f"order by {order} limit {self.choose.number(0, 5)}"
            if self.choose.chance(30):
                tail += f" offset {self.choose.number(0, 3)}"
            sql = f"select {alias}.* from ({found.sql}) as {alias} {tail}"
            return replace(found, sql=f"select * from ({sql}) as limited", rows=5)
        one = f"select distinct on ({names[0]}) {alias}.* from ({found.sql}) as {alias} order by"
        return replace(found, sql=f"select * from ({one} {order}) as ones")

    def _windowed(self, found: Relation, alias: str) -> Relation:
        names = [f"{alias}.{value.sql}" for value in found.values]
        part, order = self.choose.one(names), self.choose.one(names)
        calls = [
            f"count(*) over (partition by {part})",
            f"rank() over (partition by {part} order by {order} desc)",
            f"count({order}) over (partition by {part} order by {order})",
            f"dense_rank() over (order by {order})",
        ]
        call = self.choose.one(calls)
        name = f"c{len(names) + 1}"
        sql = f"select {alias}.*, {call} as {name} from ({found.sql}) as {alias}"
        if self.choose.chance(40):
            kept = f"{name} {self.choose.one(('<=', '>', '='))} {self.choose.number(1, 3)}"
            sql = f"select * from ({sql}) as windowed where {kept}"
        return Relation(sql, (*found.values, Value(name, v.BIGINT)), found.rows)

    def _recursive(self) -> Relation | None:
        """Pairs of integers as edges: what is reached, or walks of a bounded length."""
        usable = [
            (relation, pair)
            for relation in self.relations
            for pair in [[x for x in relation.values if x.type is v.INT][:2]]
            if len(pair) == 2 and relation.rows <= 20
        ]
        if not usable:
            return None
        relation, (a, b) = self.choose.one(usable)
        x, y, r = next(self.aliases), next(self.aliases), f"reached_{next(self.aliases)}"
        a, b = v.quote(a.sql), v.quote(b.sql)
        edges = f"{relation.sql} as {y} on {y}.{a} = {r}.b"
        more = super().predicate(relation.columns(y)) if self.choose.chance(30) else "true"
        step = f"select {r}.a, {y}.{b} from {r} join {edges} where {more}"
        base = f"select {x}.{a}, {x}.{b} from {relation.sql} as {x}"
        columns, union = "a, b", "union"
        if self.choose.chance(50):
            columns, union = "a, b, l", "union all"
            base = base.replace(" from", ", 1 from", 1)
            step = step.replace(" from", f", {r}.l + 1 from", 1) + f" and {r}.l < 3"
        sql = f"with recursive {r}({columns}) as ({base} {union} {step})"
        if union == "union all" and self.choose.chance(40):  # else it may never end
            sql += f" search {self.choose.one(('depth', 'breadth'))} first by b, a set found"
            columns += ", length(found::text)"
        if self.choose.chance(30):
            sql += " cycle b set looped to 1 default 0 using way"
            columns += ", looped"
        names = ", ".join(f"{c} as c{i}" for i, c in enumerate(columns.split(", "), start=1))
        values = tuple(Value(f"c{i}", v.INT) for i in range(1, columns.count(",") + 2))
        return Relation(f"{sql} select {names} from {r}", values, 40)

    def _whole(self, found: Relation) -> Relation:
        """The row as text, where that is fixed."""
        if any(value.open for value in found.values):
            return found
        alias, name = next(self.aliases), f"c{len(found.values) + 1}"
        if self.choose.chance(30):
            sql = f"select count({alias}) as c1 from ({found.sql}) as {alias}"
            return Relation(sql, (Value("c1", v.BIGINT),), 1)
        sql = f"select {alias}.*, {alias}::text as {name} from ({found.sql}) as {alias}"
        return Relation(sql, (*found.values, Value(name, v.TEXT)), found.rows)

    def _array(self, found: Relation) -> Relation:
        """Values of another relation that belong to each row, collected."""
        alias, other = next(self.aliases), next(self.aliases)
        relation = self.choose.one(self.relations)
        elements = [x for x in relation.columns(other) if x.type in (v.INT, v.TEXT)]
        pairs = [
            (a, b)
            for a in found.columns(alias)
            for b in relation.columns(other)
            if a.type.family == b.type.family and a.type.comparable
        ]
        if not pairs or not elements:
            return found
        (a, b), element = self.choose.one(pairs), self.choose.one(elements)
        type = v.INTS if element.type is v.INT else v.TEXTS
        inner = f"select {element.sql} from {relation.sql} as {other} where {a.sql} = {b.sql}"
        name = f"c{len(found.values) + 1}"
        sql = f"select {alias}.*, array({inner} order by {element.sql}) as {name}"
        values = (*found.values, Value(name, type))
        return Relation(f"{sql} from ({found.sql}) as {alias}", values, found.rows)

    def _joined(self, found: Relation) -> Relation:
        """A join under an alias of its own."""
        a, b, alias = next(self.aliases), next(self.aliases), next(self.aliases)
        relation = self.choose.one(self.relations)
        pairs = [
            (x, y)
            for x in found.columns(a)
            for y in relation.columns(b)
            if x.type.family == y.type.family and x.type.comparable
        ]
        if not pairs:
            return found
        x, y = self.choose.one(pairs)
        kind = self.choose.one(("join", "left join", "full join"))
        both = (*found.values, *relation.values)
        names = ", ".join(f"c{i}" for i in range(1, len(both) + 1))
        join = f"(({found.sql}) as {a} {kind} {relation.sql} as {b} on {x.sql} = {y.sql})"
        values = tuple(replace(value, sql=f"c{i}") for i, value in enumerate(both, start=1))
        sql = f"select {alias}.* from {join} as {alias} ({names})"
        return Relation(sql, values, found.rows * 3)

    def _lateral(self, found: Relation) -> Relation:
        """LEFT JOIN LATERAL of what belongs to each row, on a condition."""
        alias, other, t = next(self.aliases), next(self.aliases), next(self.aliases)
        relation = self.choose.one(self.relations)
        columns = relation.columns(other)
        pairs = [
            (a, b)
            for a in found.columns(alias)
            for b in columns
            if a.type.family == b.type.family and a.type.ordered and not b.type.normal
        ]
        if not pairs:
            return found
        a, b = self.choose.one(pairs)
        sign = self.choose.one(("=", ">=", "is not distinct from"))
        source = f"from {relation.sql} as {other} where {a.sql} {sign} {b.sql}"
        quoted = b.sql.removeprefix(f"{other}.")
        more = self.predicate(columns)
        inner, type = self.choose.one(
            (
                (f"select {b.sql} as x {source}", b.type),
                (f"select count(*) as x {source}", v.BIGINT),
                (f"select count(*) as x {source} group by rollup ({b.sql})", v.BIGINT),
                (f"select distinct {b.sql} as x {source} and {more}", b.type),
                (f"select {b.sql} as x {source} union select {a.sql}", b.type),
                (f"select {b.sql} as x {source} order by 1 desc limit 2", b.type),
                (f"select {b.sql} as x {source} order by 1 fetch first row with ties", b.type),
                (f"select {b.sql} as x {source} except all select {a.sql}", b.type),
                (f"select {b.sql} as x {source} intersect values ({a.sql}), (null)", b.type),
                (
                    (
                        f"with s (x) as (select {b.sql} {source}) select s.x from s"
                        f" where s.x <> all (select z.x from s as z where z.x < {a.sql})"
                    ),
                    b.type,
                ),
                (
                    (
                        f"select count(*) over (partition by {b.sql}) as x {source}"
                        f" and ({a.sql} is not null or {more})"
                    ),
                    v.BIGINT,
                ),
                (
                    (
                        f"select (select count(*) from {relation.sql} as z"
                        f" where z.{quoted} > {other}.{quoted} and z.{quoted} <= {a.sql}) as x"
                        f" {source} group by {b.sql}"
                    ),
                    v.BIGINT,
                ),
                (
                    (
                        f"select z.x from (values ({a.sql}), ((select max({b.sql}) {source})))"
                        " as z (x)"
                    ),
                    b.type,
                ),
            )
        )
        on = self.choose.one(("true", self.predicate([Value(f"{t}.x", type), a])))
        name = f"c{len(found.values) + 1}"
        sql = f"select {alias}.*, {t}.x as {name} from ({found.sql}) as {alias}"
        values = (*found.values, Value(name, type))
        return Relation(f"{sql} left join lateral ({inner}) as {t} on {on}", values, found.rows * 2)

    def predicate(self, scope: list[Value], depth: int = 1) -> str:
        """At times a subquery, so that there are some in ON and HAVING too."""
        if depth > 0 and self.choose.chance(6):
            nested = self._nested(scope)
            if nested:
                return nested
        return super().predicate(scope, depth)

    def _nested(self, scope: list[Value]) -> str:
        """A subquery in a subquery, which reads both blocks around it."""
        x, y = next(self.aliases), next(self.aliases)
        first, second = self.choose.one(self.relations), self.choose.one(self.relations)
        outside = [
            (a, b, c, d)
            for a in scope
            if "(" not in a.sql  # else it may be an aggregate
            for b in first.columns(x)
            if a.type.family == b.type.family and a.type.comparable
            for c in second.columns(y)
            if a.type.family == c.type.family
            for d in first.columns(x)
            if d.type.family == c.type.family
        ]
        if not outside:
            return ""
        a, b, c, d = self.choose.one(outside)
        negated = self.choose.one(("", "not "))
        inner = f"select from {second.sql} as {y} where {c.sql} = {a.sql} and {c.sql} <> {d.sql}"
        return (
            f"exists (select from {first.sql} as {x} where {b.sql} = {a.sql}"
            f" and {negated}exists ({inner}))"
        )

    def join_kind(self, has_predicate: bool) -> str:
        kinds = ("join", "left join", "right join", "full join")
        return self.choose.one(kinds[:3] if has_predicate else kinds)

    def condition(self, scope: list[Value]) -> str:
        moving = [c for value in scope for c in _moving(value)]
        if moving and self.choose.chance(25):
            test = self.choose.one(moving)
            return f"{test} and {self.predicate(scope)}" if self.choose.chance(20) else test
        if self.choose.chance(50):
            return super().condition(scope)
        pairs = []
        relation = self.choose.one(self.relations)
        alias = next(self.aliases)
        columns = relation.columns(alias)
        for a in scope:
            pairs += [
                (a, b) for b in columns if a.type.family == b.type.family and a.type.comparable
            ]
        if not pairs:
            return super().condition(scope)
        a, b = self.choose.one(pairs)
        source = f"from {relation.sql} as {alias}"
        more = self.predicate(columns) if self.choose.chance(40) else "true"
        tests = (
            f"exists (select {source} where {a.sql} = {b.sql} and {more})",
            f"not exists (select {source} where {b.sql} = {a.sql} and {more})",
            f"{a.sql} in (select {b.sql} {source} where {more})",
            f"{a.sql} not in (select {b.sql} {source} where {more})",
            f"exists (select {source} where {a.sql} > {b.sql} and {more})",
            f"{a.sql} = (select max(inner_key) from (select {b.sql} as inner_key {source}"
            f" where {more}) as of_all)"
            if a.type.ordered
            else "true",
            f"{a.sql} is not null or exists (select {source} where {a.sql} = {b.sql})",
            f"(select count(*) {source} where {a.sql} > {b.sql} and {more}) > 1",
            f"(select count(*) {source} where {a.sql} is not distinct from {b.sql}) in (1, 2)",
            (
                f"exists (select {b.sql} {source} where {a.sql} >= {b.sql} and {more}"
                f" group by {b.sql} having count(*) > 1)"
            ),
            f"{a.sql} in (select distinct {b.sql} {source} where {a.sql} <= {b.sql} or {more})",
            f"{a.sql} >= any (select {b.sql} {source} where {more})",
            f"not {a.sql} < all (select {b.sql} {source} where {more})",
            f"({a.sql}, 1) not in (select {b.sql}, count(*) {source} group by {b.sql})",
            (
                f"exists (select {source} where {a.sql} = {b.sql}"
                f" union all select where {a.sql} is null)"
            ),
            (
                f"exists (select {b.sql} {source} where {more} except"
                f" select {b.sql} {source} where {a.sql} = {b.sql})"
            ),
            (
                f"(with s (x) as (select {b.sql} {source} where {a.sql} >= {b.sql})"
                f" select count(*) from s where exists (select from s as z where z.x > s.x)) < 2"
            ),
            (
                f"(select count({b.sql}) filter (where {b.sql} is not distinct from"
                f" (select max(z.x) from (select {b.sql} as x {source}"
                f" where {a.sql} <> {b.sql}) as z)) {source}) > 1"
                if a.type.ordered
                else "true"
            ),
        )
        test = self.choose.one(tests)
        if self.choose.chance(20):
            return f"({test}) and {self.predicate(scope)}"
        return test

    def _aggregate(
        self, source: str, scope: list[Value], rows: int, want: Sequence[Type] | None, keyed: bool
    ) -> Relation:
        found = super()._aggregate(source, scope, rows, want, keyed)
        head, by, keys = found.sql.rpartition(" group by ")
        of_this_block = keys.count("(") == keys.count(")")
        if not (by and of_this_block) or "having" in keys or not self.choose.chance(15):
            return found
        return replace(found, sql=f"{head}{by}{self.choose.one(('rollup', 'cube'))} ({keys})")


def _moving(value: Value) -> list[str]:
    """Conditions that change with time."""
    s = value.sql
    match value.type.family:
        case "timestamptz":
            return [
                f"{s} < now()",
                f"not ({s} >= now() - interval '100 ms')",
                f"{s} between now() - interval '200 ms' and now() + interval '100 ms'",
                f"({s} > now() or {s} is null)",
                f"case when {s} < now() then 'past' else 'to come' end = 'past'",
            ]
        case "date":
            return [f"{s} <= current_date", f"{s} <> current_date - 1"]
    return []
