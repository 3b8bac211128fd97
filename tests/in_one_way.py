"""In `make test` a test that can run in several ways runs in one, in `make test-all` in all.

A mistake that shows on one version of PostgreSQL alone, or in one of dbt's set-ups, nearly always
shows in several tests; and to run each of them in every way took half as long again.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pytest


def in_one_way(
    items: Sequence[pytest.Item], parameter: str, ids: Mapping[str, str], ways: Sequence[str]
) -> None:
    """Mark as `slow` all items of a test but one, of those that differ in a parameter alone.

    Its value there is one of `ways`, by the name of the test and its other parameters: the same in
    each run. Where none has that value all stay, and so do all of a test marked `in_every_way`.
    `ids`: how values stand in a test's name.
    """
    alike: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for item in items:
        call = getattr(item, "callspec", None)
        if call is None or parameter not in call.params or item.get_closest_marker("in_every_way"):
            continue
        value = call.params[parameter]
        if value in ids:
            alike[re.sub(rf"(?<=[\[-]){ids[value]}(?=[\]-])", "", item.nodeid, count=1)][value] = (
                item
            )
    for name, found in alike.items():
        way = ways[zlib.crc32(name.encode()) % len(ways)]
        if way in found:
            for value, item in found.items():
                if value != way:
                    item.add_marker(pytest.mark.slow)
