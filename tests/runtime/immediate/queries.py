# ruff: noqa: E501 -- an SQL statement reads best on one line
"""The stream tables of these tests: a group, a join of groups, a filter, a projection."""

QUERIES = {
    "marts.totals": "select customer, sum(amount) as total, count(*) as n from src.orders group by customer",
    "marts.regions": "select c.region, count(*) as n, sum(o.amount) as total"
    " from src.orders o join src.customers c on c.id = o.customer group by c.region",
    "marts.big": "select id, amount from src.orders where amount > 50",
    "marts.names": "select id, region from src.customers",
}
