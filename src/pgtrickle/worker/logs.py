"""The worker's log: an event and its fields on each line, as key=value or as JSON."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[^\s\"=]+")


def configure(form: str, level: str = "info") -> None:
    """Log to standard error; `form` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else KeyValues())
    logger = logging.getLogger("pgtrickle")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())


def fields_of(error: psycopg.Error) -> dict[str, Any]:
    """What a log line says of an error of PostgreSQL's."""
    message = error.diag.message_primary or str(error).strip() or type(error).__name__
    return {"error": message, "sqlstate": error.sqlstate}


class _Fields(logging.Formatter):
    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=timezone.utc).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        fields |= {
            name: value
            for name, value in vars(record).items()
            if name not in _OWN and value is not None
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return fields


class KeyValues(_Fields):
    """``time=... level=info event=refreshed name=s.t duration_ms=3.1``"""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={_text(value)}" for name, value in self.fields(record).items())


class JsonLines(_Fields):
    """An object on each line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record), default=str, ensure_ascii=False)


def _text(value: Any) -> str:
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
