"""TPC-DS's tables with a few rows each, drawn so that the queries' predicates meet them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from psycopg import sql
from tests.corpora.corpus import read_queries

HERE = Path(__file__).parent
QUERIES = read_queries(HERE / "queries.sql")

FIRST_DAY = date(1999, 1, 1)
DAYS = 3 * 365
ROWS = {
    "time_dim": 48, "store": 4, "call_center": 3, "catalog_page": 4, "web_site": 3, "web_page": 4,
    "warehouse": 3, "ship_mode": 4, "reason": 3, "income_band": 4, "promotion": 6, "item": 40,
    "customer_address": 40, "customer_demographics": 60, "household_demographics": 24,
    "customer": 60, "inventory": 1200, "store_sales": 900, "catalog_sales": 700, "web_sales": 600,
}  # fmt: skip
RETURNS = {"store": "sr", "catalog": "cr", "web": "wr"}
# What a surrogate key refers to, by the end of its name.
REFERENCES = {
    "date_sk": "date_dim", "time_sk": "time_dim", "item_sk": "item", "customer_sk": "customer",
    "cdemo_sk": "customer_demographics", "hdemo_sk": "household_demographics",
    "addr_sk": "customer_address", "store_sk": "store", "promo_sk": "promotion",
    "call_center_sk": "call_center", "catalog_page_sk": "catalog_page", "ship_mode_sk": "ship_mode",
    "warehouse_sk": "warehouse", "web_page_sk": "web_page", "web_site_sk": "web_site",
    "reason_sk": "reason", "income_band_sk": "income_band",
}  # fmt: skip
# The values of other columns, by the end of their name.
DOMAINS: dict[str, tuple[Any, ...]] = {
    "t_meal_time": ("breakfast", "dinner", None),
    "state": ("TN", "GA", "CA"),
    "county": ("Williamson County", "Rush County"),
    "city": ("Midway", "Fairview"),
    "country": ("United States",),
    "zip": ("24128", "76232", "85669", "86197"),
    "gmt_offset": (-5, -6),
    "_id": (1, 2, 3, 4),
    "company_name": ("pri", "able"),
    "s_store_name": ("ese", "ought"),
    "street_number": ("10", "20"),
    "location_type": ("condo", "apartment"),
    "channel_dmail": ("Y", "N"), "channel_email": ("Y", "N"), "channel_tv": ("Y", "N"),
    "channel_event": ("Y", "N"),
    "i_brand": ("brand#1", "brand#2", "brand#3"),
    "i_class": ("personal", "portable", "reference"),
    "i_category": ("Books", "Electronics", "Sports", "Home", "Music"),
    "i_manufact": ("able", "ought", "ese"),
    "i_size": ("medium", "large", "small"),
    "i_color": ("pale", "powder", "orchid"),
    "i_units": ("Ounce", "Oz", "Bunch"),
    "cd_gender": ("M", "F"),
    "cd_marital_status": ("M", "S", "D", "W"),
    "cd_education_status": ("College", "Advanced Degree", "2 yr Degree", "Unknown"),
    "cd_credit_rating": ("Good", "Low Risk"),
    "cd_purchase_estimate": (500, 1000),
    "dep_count": (1, 3, 4), "dep_employed_count": (0, 1), "dep_college_count": (0, 1),
    "hd_buy_potential": (">10000", "Unknown", "501-1000"),
    "hd_vehicle_count": (0, 1, 2, 3),
    "preferred_cust_flag": ("Y", "N"),
    "birth_month": tuple(range(1, 13)), "birth_day": (1, 2, 15), "birth_year": (1960, 1970, 1980),
    "last_name": ("Smith", "Jones", "Brown"), "first_name": ("John", "Mary"),
    "salutation": ("Dr.", "Mrs."),
    "sm_type": ("EXPRESS", "OVERNIGHT", "REGULAR"), "sm_carrier": ("DHL", "BARIAN"),
    "r_reason_desc": ("reason 1", "reason 2", "reason 3"),
    "wp_char_count": (5000, 5100, 7000),
    "quantity": tuple(range(1, 101)), "quantity_on_hand": tuple(range(0, 1000, 7)),
    "sq_ft": (1000, 2000), "number_employees": (200, 250, 300),
    "t_hour": tuple(range(24)), "t_minute": (5, 15, 35, 45),
    "lower_bound": (0, 10001, 20001, 30001), "upper_bound": (10000, 20000, 30000, 80000),
}  # fmt: skip
NULLS = 0.03
STILL = frozenset({"date_dim", "time_dim"})
"""The calendar does not change."""


def load(connection: psycopg.Connection, seed: int = 1) -> None:
    """Create and fill the tables in the schema public."""
    connection.execute((HERE / "schema.sql").read_text())
    random = Random(seed)
    _insert(connection, "date_dim", [_day(number) for number in range(DAYS)])
    for table, count in ROWS.items():
        columns = _columns(connection, table)
        rows = [_row(random, columns, number) for number in range(1, count + 1)]
        _insert(connection, table, rows)
    for channel, short in RETURNS.items():
        _insert(connection, f"{channel}_returns", _returns(connection, random, channel, short))
    connection.execute("analyze")


def _day(number: int) -> dict[str, Any]:
    day = FIRST_DAY + timedelta(days=number)
    months = (day.year - 1900) * 12 + day.month - 1
    quarter = (day.month + 2) // 3
    return {
        "d_date_sk": number + 1, "d_date": day, "d_month_seq": months,
        "d_week_seq": 5000 + (number + 4) // 7, "d_year": day.year, "d_moy": day.month,
        "d_dom": day.day, "d_qoy": quarter, "d_dow": (day.weekday() + 1) % 7,
        "d_day_name": day.strftime("%A"), "d_quarter_name": f"{day.year}Q{quarter}",
    }  # fmt: skip


Columns = list[tuple[str, str, bool]]


def _columns(connection: psycopg.Connection, table: str) -> Columns:
    """Name, type and whether it is not null."""
    return connection.execute(
        "select attname, format_type(atttypid, null), attnotnull from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 order by attnum",
        [table],
    ).fetchall()


def _row(random: Random, columns: Columns, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for i, (name, type, not_null) in enumerate(columns):
        if i == 0 and not_null and name != "inv_date_sk":
            row[name] = number
        elif not not_null and random.random() < NULLS:
            row[name] = None
        else:
            row[name] = _value(random, name, type, number)
    return row


def _value(random: Random, name: str, type: str, number: int) -> Any:
    if name.endswith(("ticket_number", "order_number")):
        return (number + 1) // 2
    if name == "inv_date_sk":
        return random.randint(366, 580)
    for end, table in REFERENCES.items():
        if name.endswith(end):
            return random.randint(1, DAYS if table == "date_dim" else ROWS[table])
    if type != "character" or not name.endswith("_id"):
        for end, values in DOMAINS.items():
            if name.endswith(end):
                return random.choice(values)
    match type:
        case "integer":
            return random.randint(1, 60)
        case "numeric":
            return round(random.uniform(-50 if "net_p" in name else 1, 300), 2)
    return f"{name[-4:]}{random.randint(1, 30)}"


def _returns(
    connection: psycopg.Connection, random: Random, channel: str, short: str
) -> list[dict[str, Any]]:
    """A third of the sales come back, to the same customer where the names tell."""
    table = f"{channel}_sales"
    names = [name for name, _, _ in _columns(connection, table)]
    sales = connection.execute(sql.SQL("select * from {}").format(sql.Identifier(table))).fetchall()
    rows = []
    for values in sales[::3]:
        sale = dict(zip(names, values, strict=True))
        row = _row(random, _columns(connection, f"{channel}_returns"), 0)
        for name in row:
            end = name.removeprefix(f"{short}_")
            for prefix in (f"{short[0]}s_", f"{channel[0]}s_", "cs_bill_", "ws_bill_"):
                if prefix + end in sale and not end.startswith("return"):
                    row[name] = sale[prefix + end]
        row[f"{short}_item_sk"] = sale[f"{table[0]}s_item_sk"]
        if f"{short}_customer_sk" not in row:
            row[f"{short}_returning_customer_sk"] = sale[f"{table[0]}s_bill_customer_sk"]
        rows.append(row)
    return rows


def _insert(connection: psycopg.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    statement = sql.SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, rows[0])),
        sql.SQL(", ").join([sql.Placeholder()] * len(rows[0])),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, [list(row.values()) for row in rows])
