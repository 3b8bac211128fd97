"""A source and two ways to look at what a lifecycle operation left."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def orders(owner: Connection) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount numeric(10,2),"
        " note varchar(20))"
    )
    owner.execute(
        "insert into src.orders values (1, 1, 10.00, 'a'), (2, 1, 5.50, 'b'), (3, 2, 7.25, 'c')"
    )
