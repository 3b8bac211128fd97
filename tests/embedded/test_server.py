"""The life of a server, and who shares it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from tests.embedded.processes import end, postmaster_seen_by, use

from pgtrickle.embedded import DirectoryError, Server, ServerStartError, server


def _answer(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def _make_table(dsn: str, name: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(f"create table {name} as select 1 as a")


def test_a_server_starts_in_a_directory_that_does_not_exist_yet(home: Path) -> None:
    with server(home / "some" / "where") as used:
        assert _answer(used.dsn, "select 1") == 1


def test_a_server_started_to_stay_stays(home: Path) -> None:
    started = Server(home / "s").start()
    with server(home / "s") as used:
        assert used.status().pid == started.pid
    assert Server(home / "s").status() == started


def test_starting_a_running_server_changes_nothing(home: Path) -> None:
    assert Server(home / "s").start() == Server(home / "s").start()


def test_stopping_tells_whether_there_was_a_server(home: Path) -> None:
    stopped = Server(home / "s")
    assert not stopped.stop()
    stopped.start()
    assert stopped.stop()
    assert not stopped.stop()
    assert not stopped.status().running


def test_what_is_committed_outlives_a_restart(home: Path) -> None:
    with server(home / "s") as used:
        _make_table(used.dsn, "kept")
    with server(home / "s") as used:
        assert _answer(used.dsn, "select count(*) from kept") == 1


def test_the_end_of_a_block_stops_what_it_started(home: Path) -> None:
    with server(home / "s") as used:
        assert used.status().running
    assert not used.status().running


def test_the_last_of_several_users_stops_the_server(home: Path) -> None:
    first = Server(home / "s")
    first.acquire()
    with server(home / "s"):
        pass
    assert _answer(first.dsn, "select 1") == 1
    first.release()
    assert not first.status().running


def test_processes_that_start_at_once_share_one_server(home: Path) -> None:
    users = [use(home / "s") for _ in range(4)]
    assert len({postmaster_seen_by(user) for user in users}) == 1
    for user in users:
        assert Server(home / "s").status().running
        end(user)
    assert not Server(home / "s").status().running


def test_two_directories_are_two_servers(home: Path) -> None:
    with server(home / "a") as a, server(home / "b") as b:
        assert a.dsn != b.dsn
        _make_table(a.dsn, "only_here")
        assert _answer(b.dsn, "select to_regclass('only_here')") is None


def test_durability_is_as_postgresql_ships_it(home: Path) -> None:
    with server(home / "s") as used:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert _answer(used.dsn, f"show {setting}") == "on"


def test_settings_are_those_of_the_start(home: Path) -> None:
    with server(home / "s", settings={"work_mem": "7MB"}) as used:
        assert _answer(used.dsn, "show work_mem") == "7MB"


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    with (
        pytest.raises(ServerStartError, match="no_such_library"),
        server(home / "s", settings={"shared_preload_libraries": "no_such_library"}),
    ):
        pass


def test_a_dsn_is_only_for_a_running_server(home: Path) -> None:
    with pytest.raises(DirectoryError, match="No server is running"):
        _ = Server(home / "s").dsn


def test_a_data_directory_of_postgresql_is_refused(home: Path) -> None:
    (home / "PG_VERSION").write_text("18\n")
    with pytest.raises(DirectoryError, match="is a data directory"):
        Server(home).start()


def test_a_directory_that_holds_something_else_is_left_alone(home: Path) -> None:
    (home / "data").mkdir()
    (home / "data" / "customers.csv").touch()
    with pytest.raises(DirectoryError, match="holds no PostgreSQL data"):
        Server(home).start()
    assert [path.name for path in (home / "data").iterdir()] == ["customers.csv"]
