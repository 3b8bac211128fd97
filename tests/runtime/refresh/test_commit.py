"""A refresh that finds nothing to do does not wait for the disk, where nothing else can be lost."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
REFRESH = "select pgtrickle.refresh_stream_table('marts.totals')"
AT_COMMIT = """
    create table committed (synchronous text);
    create function note() returns trigger security definer language plpgsql as
        'begin insert into public.committed values (current_setting(''synchronous_commit'')); return null; end';
    create constraint trigger note after insert on pgtrickle.pgt_refresh_history
        deferrable initially deferred for each row execute function note();
"""  # noqa: E501


@pytest.fixture
def admin(connect: Connect, owner: Connection) -> Connection:
    owner.execute("create table src.orders (id int primary key, customer int, amount int)")
    plans.totals(owner)
    owner.execute(REFRESH)
    admin = connect()
    admin.execute(AT_COMMIT)
    return admin


def setting_at_commit(admin: Connection) -> str:
    (setting,) = admin.execute("delete from committed returning synchronous").fetchone() or ("",)
    return str(setting)


@pytest.mark.parametrize(
    "query",
    [
        REFRESH,
        f"{REFRESH} ;\n",
        "select action, reason from pgtrickle.try_refresh('marts.totals')",
        "SELECT * FROM pgtrickle.try_refresh('marts.totals');",
    ],
)
def test_one_of_nothing_alone(admin: Connection, owner: Connection, query: str) -> None:
    owner.execute(query)
    assert setting_at_commit(admin) == "off"
    assert owner.execute("show synchronous_commit").fetchone() == ("on",)


@pytest.mark.parametrize(
    "query",
    [
        f"begin; {REFRESH}; commit",
        f"{REFRESH}; select 1",
        f"{REFRESH}, 1",
        f"{REFRESH} where random() < 2",
        "select pg_catalog.upper(action) from pgtrickle.try_refresh('marts.totals')",
        "select action from pg_class, pgtrickle.try_refresh('marts.totals') limit 1",
        "select 'x' from pg_class intersect select 'x' from pgtrickle.try_refresh('marts.totals')",
        "do $$begin perform pgtrickle.refresh_stream_table('marts.totals'); end$$",
    ],
)
def test_one_beside_which_something_may_be_written(
    admin: Connection, owner: Connection, query: str
) -> None:
    owner.execute(query)
    assert setting_at_commit(admin) == "on"


def test_one_in_a_transaction(admin: Connection, owner: Connection) -> None:
    with owner.transaction():
        owner.execute(REFRESH)
        assert owner.execute("show synchronous_commit").fetchone() == ("on",)
    assert setting_at_commit(admin) == "on"


def test_one_with_something_to_do(admin: Connection, owner: Connection) -> None:
    owner.execute("insert into src.orders values (1, 1, 1)")
    owner.execute(REFRESH)
    assert setting_at_commit(admin) == "on"
