"""Random queries over all operators: those of `queries`, and what may still be recomputed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.equality import values as v
from tests.equality.queries import QueryMaker, Relation, Value
from tests.equality.values import Type


class FurtherQueryMaker(QueryMaker):
    """Adds outer joins, subqueries in WHERE and SELECT, set operations, windows, grouping sets,
    DISTINCT ON and LIMIT, each in forms whose answer is fixed but for open images."""

    def query(self, depth: int = 2, want: Sequence[Type] | None = None) -> Relation:
        if depth > 0 and self.choose.chance(12):
            operation = self.choose.one(("intersect", "except", "intersect all", "except all"))
            return self._combined(depth, want, operation)
        found = super().query(depth, want)
        shape = self.choose.weighted(plain=70, first=10, one_each=10, window=10)
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

    def join_kind(self, has_predicate: bool) -> str:
        kinds = ("join", "left join", "right join", "full join")
        return self.choose.one(kinds[:3] if has_predicate else kinds)

    def condition(self, scope: list[Value]) -> str:
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
