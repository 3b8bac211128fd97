"""Which functions a maintained query may call.

An immutable function is a fact of its arguments. A stable one may be used where all it depends on
besides is a setting that the stream table pins; of PostgreSQL's own functions those are listed
here by name. So may what gives the moment the query is evaluated at, for which there are delta
rules. Everything else can change with no data change, and the query is recomputed.

Strings like 'today' inside *data*, cast to a date, are the one thing not looked for: input
functions of dates count as facts of their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pgtrickle.query.functions import FunctionUse
from pgtrickle.query.lowering import NotIncremental
from pgtrickle.query.moments import KEYWORDS

SETTINGS_ONLY = re.compile(
    r"""to_char | to_date | to_number | to_timestamp | to_tsvector | to_tsquery | plainto_tsquery
    | phraseto_tsquery | websearch_to_tsquery | ts_headline | jsonb_to_tsvector | json_to_tsvector
    | date_trunc | date_part | date_bin | extract | timezone | generate_series
    | timestamptz | timestamp | date | time | timetz | interval | date_add | date_subtract
    | make_timestamptz | overlaps
    | concat | concat_ws | format | array_to_string | string_to_array | textanycat | anytextcat
    | quote_literal | quote_nullable | pg_typeof | text | bpchar | varchar | name
    | (array_)?to_jsonb? | row_to_json | array_to_json | jsonb?_(build_\w+|agg\w*|object\w*)
    | jsonb?_populate_record\w* | jsonb?_to_record\w* | jsonb_path_\w+_tz | jsonb_\w+_tz
    | xml\w* | cursor_to_xml | money | cash_\w+ | numeric
    | (date|timestamp|timestamptz|timestamp_tz)_(\w+_)?(date|timestamp|timestamptz)
    | \w*timestamptz\w* | \w+_(in|out|recv|send) | in_range | cashlarger | cashsmaller
    """,
    re.VERBOSE,
)
MOMENTS = frozenset({"now", "transaction_timestamp", "statement_timestamp"})
AGES = frozenset({1386, 2059})
"""OIDs of age(x), reckoned from today, for timestamptz and timestamp."""


GROUPS_OTHERWISE = re.compile(
    r"(timestamp|date)_eq_timestamptz | timestamptz_eq_(timestamp|date)"
    r" | (circle|box|lseg|line|path_n)_eq",
    re.VERBOSE,
)
"""Equalities by which nothing is grouped: of two values equal to a third, both may differ."""


def groups_as_compared(uses: Iterable[FunctionUse]) -> bool:
    """Whether values that are equal by a comparison of the query are equal for GROUP BY, too."""
    return not any(GROUPS_OTHERWISE.fullmatch(use.name) for use in uses)


def check_functions(uses: Iterable[FunctionUse]) -> None:
    """Raise NotIncremental for the first function whose value may change by itself."""
    for use in uses:
        shown = use.name if use.schema == "pg_catalog" else f"{use.schema}.{use.name}"
        if use.kind == "sampling":
            raise NotIncremental("TABLESAMPLE", "which rows it returns is random")
        if use.volatility == "v":
            raise NotIncremental(
                f"volatile function {shown}", "its value is different each time it is called"
            )
        if use.volatility == "i":
            continue
        if use.is_user_defined:
            raise NotIncremental(
                f"stable function {shown}", "it may read anything, so its value can change"
            )
        if use.name in MOMENTS or use.name in KEYWORDS or use.oid in AGES:
            continue
        if use.kind == "moment":
            raise NotIncremental(shown, "its value changes without any change of data")
        if not SETTINGS_ONLY.fullmatch(use.name):
            raise NotIncremental(
                f"stable function {shown}", "its value can change without a change of the sources"
            )
