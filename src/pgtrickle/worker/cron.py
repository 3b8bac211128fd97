"""The next times of cron schedules, stored where `pgtrickle._due()` sees them."""

from __future__ import annotations

import logging
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

if TYPE_CHECKING:
    from pgtrickle.database import Session

AHEAD = 100
"""How many times are stored: SQL alone, under pg_cron, goes on for as long."""
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
log = logging.getLogger(__name__)


def next_times(expression: str, time_zone: str, after: datetime, count: int) -> list[datetime]:
    """The first `count` times of a cron expression later than `after`; fewer where there are fewer.

    Five fields, six (seconds first) or an alias. Around a change of clocks as Debian's cron does
    it. Raises CronSimError or ZoneInfoNotFoundError.
    """
    expression = ALIASES.get(expression.strip().lower(), expression)
    start = after.astimezone(ZoneInfo(time_zone))
    return list(islice(CronSim(expression, start), count))


def store_next_times(session: Session) -> None:
    """Compute and store what `pgtrickle._cron_wanted()` asks for."""
    for pgt_id, schedule, time_zone, after in session.rows(
        "select pgt_id, schedule, time_zone, after from pgtrickle._cron_wanted()"
    ):
        try:
            times = next_times(schedule, time_zone, after, AHEAD)
        except (CronSimError, ZoneInfoNotFoundError, ValueError) as error:
            log.error("cron_failed", extra={"pgt_id": pgt_id, "cron": schedule, "error": error})
            times = []
        session.rows(
            "select pgtrickle._set_cron_times(%s, %s, %s, %s::timestamptz[])",
            (pgt_id, schedule, time_zone, times),
        )
