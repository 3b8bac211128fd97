"""What is due becomes units of work: what goes together, in which order, what has to wait."""

from __future__ import annotations

from pgtrickle.worker.units import Due, Group, Table, Unit, startable, units

# a and b read an ordinary table, c reads both, d reads c, e stands alone.
A, B, C, D, E = (
    Table(number, name, depth, frozenset(upstream))
    for number, (name, depth, upstream) in enumerate(
        [("a", 0, ()), ("b", 0, ()), ("c", 1, (0, 1)), ("d", 2, (2,)), ("e", 0, ())]
    )
)
DIAMOND = Group(at_one_snapshot=True, waits_for_all=False, tables=[A, B, C])


def due(*tables: Table, reads_wal: tuple[Table, ...] = ()) -> list[Due]:
    return [Due(table, float(number), table in reads_wal) for number, table in enumerate(tables)]


def shown(found: list[Unit]) -> list[str]:
    """Names of each unit's tables; with a star where they are refreshed at one snapshot."""
    return ["".join(t.name for t in unit.tables) + "*" * unit.at_one_snapshot for unit in found]


def test_what_is_not_grouped_is_done_one_by_one_upstream_first() -> None:
    assert shown(units(due(D, E, C, A), [])) == ["a", "c", "d", "e"]


def test_what_has_been_due_for_longest_comes_first_with_what_it_reads() -> None:
    """Ordinary tables' readers, due again and again, would else keep deeper ones waiting."""
    again_and_again = [Table(number, f"x{number}", 0, frozenset()) for number in range(10, 20)]
    todo = units(due(D, *again_and_again, C), [])
    assert shown(todo)[:2] == ["c", "d"]
    assert shown(startable(todo, frozenset(), 2)) == ["c", "x10"]


def test_a_group_whose_member_failed_waits() -> None:
    held = Group(at_one_snapshot=True, waits_for_all=False, held=True, tables=[A, B, C])
    assert shown(units(due(A, E), [held])) == ["e"]


def test_a_group_is_refreshed_whole_when_one_of_it_is_due() -> None:
    assert shown(units(due(B, E), [DIAMOND])) == ["abc*", "e"]
    by_turns = Group(at_one_snapshot=False, waits_for_all=False, tables=[A, E])
    assert shown(units(due(A), [by_turns])) == ["ae"]


def test_the_slowest_of_a_group_decides_where_that_is_asked_for() -> None:
    slowest = Group(at_one_snapshot=True, waits_for_all=True, tables=[A, B, C])
    assert shown(units(due(A, B, E), [slowest])) == ["e"]
    assert shown(units(due(A, B, C), [slowest])) == ["abc*"]


def test_a_group_of_which_one_is_under_way_waits() -> None:
    assert shown(units(due(B, E), [DIAMOND], frozenset({A.id}))) == ["e"]


def test_groups_that_share_a_table_are_one() -> None:
    other = Group(at_one_snapshot=False, waits_for_all=False, tables=[C, D])
    assert shown(units(due(A), [DIAMOND, other])) == ["abc*"]
    assert shown(units(due(A, D), [DIAMOND, other])) == ["abcd*"]


def test_all_that_reads_the_log_is_one_unit() -> None:
    found = units(due(A, E, D, reads_wal=(A, D)), [])
    assert shown(found) == ["ad*", "e"]
    assert [unit.reads_wal for unit in found] == [True, False]


def test_what_reads_something_unfinished_is_not_begun() -> None:
    todo = units(due(A, B, C, D, E), [])
    assert shown(startable(todo, frozenset(), 9)) == ["a", "b", "e"]
    assert shown(startable(todo, frozenset(), 2)) == ["a", "b"]
    todo = units(due(C, E), [])
    assert shown(startable(todo, frozenset({A.id}), 9)) == ["e"]
