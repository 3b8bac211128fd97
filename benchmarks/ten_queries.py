"""Orders and customers, ten queries over them, and the changes between two refreshes."""

from __future__ import annotations

from typing import Any

import psycopg

SCHEMA = """
    create table customers (id integer primary key, name text not null, region text not null);
    create table orders (
        id integer primary key,
        customer_id integer not null,
        channel integer not null,
        amount numeric(10, 2) not null,
        quantity integer not null,
        note text
    );
"""

QUERIES = {
    "scan": "select id, customer_id, amount from orders",
    "filter": "select id, amount from orders where quantity > 3",
    "aggregate, 5 groups": "select channel, sum(amount) as s, count(*) as n from orders"
    " group by channel",
    "aggregate, 10,000 groups": "select customer_id, sum(amount) as s, count(*) as n from orders"
    " group by customer_id",
    "join": "select o.id, c.name, o.amount from orders o join customers c on c.id = o.customer_id",
    "join and aggregate": "select c.region, sum(o.amount) as s, avg(o.quantity) as a"
    " from orders o join customers c on c.id = o.customer_id group by c.region",
    "count distinct": "select customer_id, count(distinct quantity) as n from orders"
    " group by customer_id",
    "min and max": "select customer_id, min(amount) as lo, max(amount) as hi from orders"
    " group by customer_id",
    "top 3 by window": "select id, customer_id, amount from (select id, customer_id, amount,"
    " row_number() over (partition by customer_id order by amount desc, id) as place from orders) o"
    " where place <= 3",
    "left join and aggregate": "select c.id, count(o.id) as n, sum(o.amount) as s"
    " from customers c left join orders o on o.customer_id = c.id and o.quantity > 2 group by c.id",
}


def load(connection: psycopg.Connection[Any], rows: int) -> None:
    """Create and fill the tables: `rows` orders of rows / 100 customers."""
    connection.execute(SCHEMA)
    customers = max(rows // 100, 10)
    connection.execute(
        f"insert into customers select i, 'customer ' || i, 'region ' || i % 5"
        f" from generate_series(1, {customers}) i"
    )
    connection.execute(
        f"insert into orders select i, 1 + i % {customers}, i % 5, (i * 7 % 1000) / 10.0, i % 7,"
        f" 'note ' || i % 4 from generate_series(1, {rows}) i"
    )
    connection.execute("create index on orders (customer_id)")
    connection.execute("vacuum analyze")


def change(connection: psycopg.Connection[Any], rows: int, share: float, cycle: int) -> int:
    """Update 70, delete 15 and insert 15 of every 100 rows that change; returns their number."""
    number = max(int(rows * share), 1)
    step = max(rows // number, 1)
    offset = cycle % step
    chosen = f"id % {step} = {offset}" if step > 1 else "true"
    changed = 0
    changed += connection.execute(
        f"update orders set amount = amount + 1, quantity = (quantity + 1) % 7"
        f" where {chosen} and id / {step} % 100 < 70"
    ).rowcount
    changed += connection.execute(
        f"delete from orders where {chosen} and id / {step} % 100 between 70 and 84"
    ).rowcount
    customers, inserted = max(rows // 100, 10), number * 15 // 100
    changed += connection.execute(
        f"insert into orders select top.id + i, 1 + i % {customers}, i % 5, i % 90, i % 7, null"
        f" from (select max(id) as id from orders) top, generate_series(1, {inserted}) i"
    ).rowcount
    return changed
