"""What of the tests runs in `make test`; all of it does in `make test-all`.

A mistake that shows on one version of PostgreSQL alone, or in one of dbt's set-ups, nearly always
shows in several tests, and to run each of them in every way took half as long again. Likewise of a
test that is repeated for dozens of values: some of these find nearly all that all would.
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


def in_part(items: Sequence[pytest.Item]) -> None:
    """Mark as `slow` all but one in n of the items of a test that is marked `one_in(n)`.

    Which, goes by their names: the same in each run, and at least one of each test.
    """
    of_test: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("one_in") and not item.get_closest_marker("slow"):
            of_test[item.nodeid.partition("[")[0]].append(item)
    for found in of_test.values():
        found.sort(key=lambda item: zlib.crc32(item.nodeid.encode()))
        marker = found[0].get_closest_marker("one_in")
        assert marker is not None
        for item in found[-(-len(found) // marker.args[0]) :]:
            item.add_marker(pytest.mark.slow)


def together(items: Sequence[pytest.Item]) -> None:
    """Have one worker run all tests that share what a module prepares for its own."""
    for item in items:
        fixtures = getattr(item, "_fixtureinfo", None)
        found = fixtures.name2fixturedefs.values() if fixtures is not None else ()
        if any(definitions[-1].scope == "module" for definitions in found):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
