"""What is refreshed together, and in which order: the tables that are due become units of work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pgtrickle.database import Session


@dataclass(frozen=True, slots=True)
class Table:
    """A stream table; `depth` counts what stands between it and ordinary tables."""

    id: int
    name: str
    depth: int
    upstream: frozenset[int]


@dataclass(frozen=True, slots=True)
class Due:
    """A table whose time has come, `at` seconds since the epoch.

    `awaits_compiler`: it was never populated and has no plan yet.
    """

    table: Table
    at: float
    reads_wal: bool
    awaits_compiler: bool = False


@dataclass(slots=True)
class Group:
    """Tables that are refreshed together: when one of them is due, or all (`waits_for_all`).

    `held`: one of them failed, and its time to be tried again has not come.
    """

    at_one_snapshot: bool
    waits_for_all: bool
    held: bool = False
    tables: list[Table] = field(default_factory=list)


@dataclass(slots=True)
class Unit:
    """Tables that one connection refreshes one after another, what is read before what reads it.

    `at_one_snapshot`: in one transaction. `reads_wal`: which decodes the log first.
    """

    tables: list[Table]
    at_one_snapshot: bool = False
    reads_wal: bool = False

    @property
    def ids(self) -> frozenset[int]:
        return frozenset(table.id for table in self.tables)

    @property
    def upstream(self) -> frozenset[int]:
        """What its tables read, themselves left out."""
        return frozenset().union(*(table.upstream for table in self.tables)) - self.ids

    @property
    def depth(self) -> int:
        return max(table.depth for table in self.tables)


def due(session: Session, under_way: Iterable[int] = ()) -> list[Due]:
    """What is due, in order; tables under way are left out."""
    return _due(session, "pgtrickle._due(%s::bigint[])", list(under_way))


def due_now(session: Session, ids: list[int]) -> list[Due]:
    """These tables as if they had just become due, in order."""
    return _due(
        session,
        "pgtrickle._as_due(%s::bigint[], array_fill(clock_timestamp(), array[%s]))",
        ids,
        len(ids),
    )


def _due(session: Session, source: str, *parameters: object) -> list[Due]:
    return [
        Due(Table(pgt_id, name, depth, frozenset(upstream)), float(at), reads_wal, awaits_compiler)
        for pgt_id, name, at, depth, upstream, reads_wal, awaits_compiler in session.rows(
            "select pgt_id, name, extract(epoch from due_at), depth, upstream, reads_wal,"
            f" awaits_compiler from {source} due",
            parameters,
        )
    ]


def adrift(session: Session) -> list[Table]:
    """The IMMEDIATE tables that nobody may be maintaining any more."""
    return [
        Table(pgt_id, name, 0, frozenset())
        for pgt_id, name in session.rows("select pgt_id, name from pgtrickle._adrift()")
    ]


def groups(session: Session) -> list[Group]:
    """The groups there are."""
    found: dict[int, Group] = {}
    for number, at_one, waits_for_all, held, pgt_id, table, depth, upstream in session.rows(
        "select group_id, at_one_snapshot, waits_for_all, held, pgt_id, name, depth, upstream"
        " from pgtrickle._groups()"
    ):
        group = found.setdefault(number, Group(at_one, waits_for_all, held))
        group.tables.append(Table(pgt_id, table, depth, frozenset(upstream)))
    return list(found.values())


def units(due: list[Due], groups: list[Group], held: frozenset[int] = frozenset()) -> list[Unit]:
    """What is to be done for what is due, in the order in which it may be begun: what has been due
    for longest first, and before it what it reads, whenever that became due. So nothing starves,
    however much there is to do.

    A group of which a member is in `held` waits. All that reads the log is one unit, for one
    transaction decodes it.
    """
    wanted = {one.table.id: one for one in due}
    made = [Unit([one.table], one.reads_wal, one.reads_wal) for one in due]
    for group in groups:
        members = frozenset(table.id for table in group.tables)
        if not members & wanted.keys():
            continue
        waits = group.held or (group.waits_for_all and not members <= wanted.keys())
        if waits or members & held:
            made = [unit for unit in made if not unit.ids & members]
            continue
        made = _joined([*made, Unit(group.tables, group.at_one_snapshot)], members)
    made = _joined(made, ids(unit for unit in made if unit.reads_wal))
    return _in_order(made, {one.table.id: one.at for one in due})


def _in_order(units: list[Unit], at: dict[int, float]) -> list[Unit]:
    """By the time since which the unit, or what reads it, is due; upstream first."""
    since = {unit.ids: min(at[id] for id in unit.ids & at.keys()) for unit in units}
    of_table = {id: unit.ids for unit in units for id in unit.ids}
    for unit in sorted(units, key=lambda unit: -unit.depth):
        for upstream in unit.upstream & of_table.keys():
            ids = of_table[upstream]
            since[ids] = min(since[ids], since[unit.ids])
    return sorted(units, key=lambda unit: (since[unit.ids], unit.depth))


def _joined(units: list[Unit], members: frozenset[int]) -> list[Unit]:
    """Those that have one of the members as one unit, the others as they are."""
    together = [unit for unit in units if unit.ids & members]
    if not together:
        return units
    tables = {table.id: table for unit in together for table in unit.tables}
    reads_wal = any(unit.reads_wal for unit in together)
    whole = Unit(
        sorted(tables.values(), key=lambda table: (table.depth, table.name)),
        at_one_snapshot=reads_wal or any(unit.at_one_snapshot for unit in together),
        reads_wal=reads_wal,
    )
    return [*(unit for unit in units if not unit.ids & members), whole]


def ids(units: Iterable[Unit]) -> frozenset[int]:
    """Of all their tables."""
    return frozenset().union(*(unit.ids for unit in units))


def startable(units: list[Unit], under_way: frozenset[int], at_most: int) -> list[Unit]:
    """The first units that read nothing that is under way or is still to be done before them."""
    chosen: list[Unit] = []
    unfinished = set(under_way)
    for unit in units:
        if len(chosen) == at_most:
            break
        if not unit.upstream & unfinished:
            chosen.append(unit)
        unfinished |= unit.ids
    return chosen
