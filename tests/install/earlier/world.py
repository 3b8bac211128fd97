"""What stands in a database with an earlier runtime: sources and stream tables of every kind."""

SOURCES = """
    create table account (id integer primary key, region text, opened date);
    create table entry (id integer primary key, account integer, amount numeric(12, 2), kind text)
        partition by range (id);
    create table entry_low partition of entry for values from (0) to (1000);
    create table entry_high partition of entry for values from (1000) to (1000000);
    insert into account select n, 'r' || n % 4, date '2026-01-01' + n from generate_series(1, 40) n;
    insert into entry select n, n % 50, n, 'k' || n % 3 from generate_series(1, 1500) n;
"""

STREAM_TABLES = {
    "totals": (
        (
            "select a.region, count(*) as n, sum(e.amount) as total, max(e.amount) as largest"
            " from account a join entry e on e.account = a.id group by a.region"
        ),
        "DIFFERENTIAL",
    ),
    "quiet": (
        (
            "select a.id, a.region from account a"
            " where not exists (select from entry e where e.account = a.id)"
        ),
        "DIFFERENTIAL",
    ),
    "ranked": (
        (
            "select id, account, rank() over (partition by account order by amount desc) as place"
            " from entry"
        ),
        "AUTO",
    ),
    "kinds": ("select kind, count(distinct account) as accounts from entry group by kind", "AUTO"),
    "outer_joined": (
        "select a.id, a.region, e.amount from account a left join entry e on e.account = a.id",
        "AUTO",
    ),
    "live": ("select account, sum(amount) as total from entry group by account", "IMMEDIATE"),
    "recomputed": ("select random() < 2 as yes, count(*) as n from entry group by 1", "FULL"),
    "summary": ("select count(*) as regions, sum(total) as total from totals", "AUTO"),
}
"""Query and refresh mode by name; `summary` reads a stream table."""

CHANGES = """
    update entry set amount = amount + 1 where id % 7 = 0;
    delete from entry where id % 11 = 0;
    insert into entry select n, n % 60, n, 'k4' from generate_series(2000, 2100) n;
    update account set region = 'r9' where id % 9 = 0;
    insert into account select n, 'r1', date '2026-02-01' from generate_series(41, 55) n;
"""
