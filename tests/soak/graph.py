"""Sources, and stream tables over them in chains and diamonds.

Every relation has the columns id integer, k integer and v numeric, so that any can stand upon any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

ODD_NAME = 'Mixed "Case" Name.s'
SOURCE_NAMES = {ODD_NAME, *(f"source_{number}" for number in range(1000))}
"""What plain tables and partitioned ones may be called."""
ROWS = 200
"""Ids are below this, keys below a fifth of it."""

_ONE = {
    "filter": "select id, k, v from {a} where k % 3 <> 0",
    "sum": "select min(id) as id, k, sum(v) as v from {a} group by k",
    "extremes": "select max(id) as id, k, count(distinct v)::numeric as v from {a} group by k",
    "distinct": "select distinct id % 50 as id, k, 0.0 as v from {a}",
    "window": "select id, k, sum(v) over (partition by k) as v from {a}",
    "rank": "select id, rank() over (partition by k order by v)::integer as k, v from {a}",
    "top": "select id, k, v from {a} order by v desc, id, k limit 20",
    "rollup": "select count(*)::integer as id, k, sum(v) as v from {a} group by rollup (k)",
}
_TWO = {
    "join": "select a.id, b.k, a.v + b.v as v from {a} a join {b} b on b.id = a.id",
    "outer": "select a.id, b.k, coalesce(b.v, a.v) as v from {a} a left join {b} b on b.id = a.id",
    "exists": "select id, k, v from {a} a"
    " where exists (select from {b} b where b.k = a.k and b.v > a.v)",
    "union": "select id, k, v from {a} union all select id, k, -v from {b} where k < 5",
    "except": "select id, k, v from {a} except select id, k, v from {b} where k > 3",
    "scalar": "select id, k, (select count(*) from {b} b where b.k = a.k)::numeric as v from {a} a",
}


@dataclass(frozen=True)
class StreamTable:
    name: str
    query: str
    options: dict[str, Any]
    by_sql_alone: bool


@dataclass
class Graph:
    """What a run plays with; names are as SQL reads them."""

    plain: list[str] = field(default_factory=list)
    keyless: list[str] = field(default_factory=list)
    partitioned: list[str] = field(default_factory=list)
    stream_tables: list[StreamTable] = field(default_factory=list)

    @property
    def sources(self) -> list[str]:
        return self.plain + self.keyless + self.partitioned

    @property
    def logged(self) -> list[str]:
        """Those that may be read from the write-ahead log."""
        return self.sources[::2]

    def members(self, names: list[str]) -> list[str]:
        """Tables with their partitions."""
        return [
            member
            for name in names
            for member in (
                [name, f"{name}_low", f"{name}_rest"] if name in self.partitioned else [name]
            )
        ]

    @property
    def schema(self) -> str:
        """The DDL of the sources, filled."""
        statements = [
            f"create table {name} (id integer primary key, {_REST}" for name in self.plain
        ]
        statements += [f"create table {name} (id integer, {_REST}" for name in self.keyless]
        for name in self.partitioned:
            statements.append(f"create table {name} (id integer, {_REST} partition by list (k)")
            statements.append(
                f"create table {name}_low partition of {name} for values in (0, 1, 2)"
            )
            statements.append(f"create table {name}_rest partition of {name} default")
        statements += [
            f"alter table {name} replica identity full" for name in self.members(self.logged)
        ]
        statements += [
            f"insert into {name} select n, n % {ROWS // 5}, n % 7 from generate_series(1, 150) n"
            for name in self.sources
        ]
        return "; ".join(statements)


_REST = "k integer not null, v numeric, note varchar(8))"


def make(sources: int, stream_tables: int, random: Random) -> Graph:
    """A random graph, of at most four layers of stream tables."""
    graph = Graph()
    for number in range(sources):
        kind = (graph.plain, graph.plain, graph.keyless, graph.partitioned)[number % 4]
        kind.append('"' + ODD_NAME.replace('"', '""') + '"' if number == 0 else f"source_{number}")
    depths = dict.fromkeys(graph.sources, 0)
    for number in range(stream_tables):
        options = _options(number, random)
        # Who reads what an IMMEDIATE table reads has it captured by triggers.
        avoided = graph.logged if options["refresh_mode"] == "IMMEDIATE" else []
        upon = [name for name in depths if depths[name] < 4 and name not in avoided]
        a, b = random.choice(upon), random.choice(upon)
        depth = 1 + max(depths[a], depths[b])
        template = random.choice([*_ONE.values(), *_TWO.values()])
        name = (
            f'"stream {ODD_NAME.replace(chr(34), chr(34) * 2)}"' if number == 0 else f"t_{number}"
        )
        graph.stream_tables.append(
            StreamTable(name, template.format(a=a, b=b), options, random.random() < 0.2)
        )
        depths[name] = depth
    return graph


def _options(number: int, random: Random) -> dict[str, Any]:
    mode = ("DIFFERENTIAL", "AUTO", "DIFFERENTIAL", "FULL", "IMMEDIATE", "DIFFERENTIAL")[number % 6]
    if mode == "IMMEDIATE":
        return {"refresh_mode": mode}
    schedule = random.choice(("1s", "1s", "2s", "5s", "calculated", "*/3 * * * * *"))
    return {"refresh_mode": mode, "schedule": schedule, "cdc_mode": "auto"}
