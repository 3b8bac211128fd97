"""Lost connections: opening is tried again, and a model it was lost in leaves nothing half made."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.dbt.project import Project
from tests.dbt.test_stream_table import TOTALS


class Proxy:
    """A port that leads to a server, and hangs up on its first callers."""

    def __init__(self, host: str, port: int, *, hang_up_on: int) -> None:
        self._server = (host, port)
        self._to_hang_up_on = hang_up_on
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.calls = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                self.calls += 1
                if self.calls <= self._to_hang_up_on:
                    caller.close()
                    continue
                server = self._connect()
                for one, other in ((caller, server), (server, caller)):
                    threading.Thread(target=_copy, args=(one, other), daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = self._server
        if not host.startswith("/"):
            return socket.create_connection(self._server)
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server


def _copy(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(database: str, request: pytest.FixtureRequest) -> Iterator[Proxy]:
    server = conninfo_to_dict(database)
    opened = Proxy(server["host"], int(server["port"]), hang_up_on=request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("proxy", "retries", "fails"), [(1, 1, False), (2, 1, True), (2, 2, False)], indirect=["proxy"]
)
def test_opening_is_tried_again_as_often_as_the_profile_says(
    make_project: Callable[..., Project], proxy: Proxy, retries: int, fails: bool
) -> None:
    changes: dict[str, Any] = {"host": "127.0.0.1", "port": proxy.port, "retries": retries}
    project = make_project("adapter", **changes)
    project.dbt("debug", fails=fails)
    assert proxy.calls >= (retries + 1)


def test_a_connection_lost_in_a_model_fails_that_model_and_no_other(project: Project) -> None:
    triggers = "select count(*) from pg_trigger where tgrelid = '$schema.orders'::regclass"
    before = project.value(triggers)
    lost = "select pg_terminate_backend(pg_backend_pid())"
    # The adapter has begun to capture when the hook runs.
    project.model("totals", TOTALS, pre_hook=lost)
    project.model("others", "select customer_id, name from {{ source('shop', 'customers') }}")
    messages = project.dbt("run", "--threads", "1", fails=True)
    assert "connection" in messages["totals"]
    assert messages["others"].startswith("created")
    assert project.value(triggers) == before
    assert project.sql("select pgt_name from pgtrickle.pgt_stream_tables") == [("others",)]
    project.model("totals", TOTALS)
    assert project.dbt("run")["totals"].startswith("created")
