# ruff: noqa: E501 -- an SQL statement reads best on one line
"""The forms of recomputing for many changed rows and for a small result are as exact as the other."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


def large(owner: Connection, query: str, unique: str = "k") -> None:
    """A table of 5,000 rows with a unique index, half of which differed in the last refresh."""
    owner.execute(
        "create table src.t as select i as k, i % 10 as v, 'row ' || i as note from generate_series(1, 5000) i"
    )
    plans.create(owner, "marts.t", query)
    owner.execute(f"alter table marts.t alter {unique} set not null")
    owner.execute(f"create unique index on marts.t ({unique})")
    owner.execute("analyze marts.t")
    owner.execute("update src.t set v = v + 10 where k % 2 = 0")
    assert plans.refresh(owner, "marts.t").rows_deleted == 2500


def updated(owner: Connection) -> int:
    """How many rows of the stream table this session has updated in place of writing them anew."""
    owner.execute("select pg_stat_force_next_flush()")
    found = owner.execute(
        "select n_tup_upd from pg_stat_all_tables where relid = 'marts.t'::regclass"
    ).fetchone()
    assert found is not None
    return int(found[0])


def test_rows_that_keep_their_key_are_updated_where_many_differed(owner: Connection) -> None:
    large(owner, "select k, v, note from src.t")
    owner.execute("update src.t set v = v + 1 where k % 2 = 1")
    owner.execute("delete from src.t where k <= 100")
    owner.execute("insert into src.t select i, 0, 'new' from generate_series(6001, 6200) i")
    outcome = plans.refresh(owner, "marts.t")
    assert (outcome.rows_inserted, outcome.rows_deleted) == (2450 + 200, 2450 + 100)
    assert plans.difference(owner, "marts.t") == []
    merges = owner.info.server_version >= 170000
    assert updated(owner) == (2450 if merges else 0)


def test_few_changes_after_many_are_merged_once_and_then_written_alone(owner: Connection) -> None:
    large(owner, "select k, v, note from src.t")
    for _ in range(2):
        owner.execute("update src.t set v = v + 1 where k = 1")
        outcome = plans.refresh(owner, "marts.t")
        assert (outcome.rows_inserted, outcome.rows_deleted) == (1, 1)
    assert updated(owner) <= 1
    assert plans.difference(owner, "marts.t") == []


def test_a_key_that_comes_twice_is_noticed_while_many_differ(owner: Connection) -> None:
    large(owner, "select k, v, note from src.t")
    owner.execute("update src.t set v = v + 1")
    owner.execute("insert into src.t select * from src.t where k = 7")
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("select pgtrickle.refresh_stream_table('marts.t')")
    owner.execute("update src.t set v = v - 1")  # as in the table: nothing would be written
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("select pgtrickle.refresh_stream_table('marts.t')")
    owner.execute("delete from src.t where k = 7")
    plans.refresh(owner, "marts.t")
    assert plans.difference(owner, "marts.t") == []


def test_unique_values_are_swapped_while_many_differ(owner: Connection) -> None:
    large(owner, "select k, v, note from src.t")
    owner.execute("create unique index on marts.t (note)")
    owner.execute("update src.t set note = 'row ' || 5001 - k")
    plans.refresh(owner, "marts.t")
    assert plans.difference(owner, "marts.t") == []


def test_equal_values_that_print_otherwise_are_written_while_many_differ(owner: Connection) -> None:
    large(owner, "select k::numeric as k, v::float8 as v, note from src.t")
    owner.execute("update src.t set v = v + 1")
    plans.refresh(owner, "marts.t")
    owner.execute("alter table src.t alter k type numeric using k::numeric(10, 2)")
    outcome = plans.refresh(owner, "marts.t")
    assert outcome.rows_inserted == 5000
    assert plans.difference(owner, "marts.t") == []


def below(owner: Connection) -> None:
    """A filter of the stream table, by delta."""
    changes = "select k, v, __pgt_weight from changes_0 where v > 0"
    plans.create(
        owner,
        "marts.below",
        "select k, v from marts.t where v > 0",
        sources=[("marts.t", ["k", "v"])],
        identity=["k"],
        deltas={"0": plans.keyed("marts.below", ["k", "v"], "k", changes)},
        mode="DIFFERENTIAL",
    )


def test_what_stands_downstream_gets_what_a_merge_changed(owner: Connection) -> None:
    large(owner, "select k, v, note from src.t")
    below(owner)
    owner.execute("update src.t set v = v - 5")
    owner.execute("delete from src.t where k % 10 = 0")
    plans.refresh(owner, "marts.t")
    assert plans.refresh(owner, "marts.below").action == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.below") == []


def test_a_small_result_of_much_is_computed_first(owner: Connection) -> None:
    owner.execute("set min_parallel_table_scan_size = 0")
    owner.execute(
        "create table src.t as select i as k, i % 10 as v, null::int[] as a from generate_series(1, 1000) i"
    )
    owner.execute("create type src.pair as (x int, y text)")
    plans.create(
        owner,
        "marts.t",
        "select v as \"Group\", sum(k) as s, array_agg(k order by k) as a, row(v, 'x')::src.pair as p, min(a) as none from src.t group by v",
    )
    owner.execute("update src.t set k = k + 1 where v = 3")
    outcome = plans.refresh(owner, "marts.t")
    assert (outcome.rows_inserted, outcome.rows_deleted) == (1, 1)
    assert plans.difference(owner, "marts.t") == []
    owner.execute("delete from src.t")
    plans.refresh(owner, "marts.t")
    assert plans.difference(owner, "marts.t") == []


def test_a_result_grown_too_large_to_be_computed_first_is_not(owner: Connection) -> None:
    owner.execute("set min_parallel_table_scan_size = 0")
    owner.execute("create table src.t as select i as k from generate_series(1, 10) i")
    plans.create(owner, "marts.t", "select k from src.t")
    owner.execute("insert into src.t select i from generate_series(11, 9000) i")
    assert plans.refresh(owner, "marts.t").rows_inserted == 8990
    assert plans.difference(owner, "marts.t") == []
