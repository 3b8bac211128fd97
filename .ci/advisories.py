"""Whether a locked package has a known vulnerability, asked of no network.

    python .ci/advisories.py                   check requirements.lock; exit status 1 where one has
    python .ci/advisories.py DIRECTORY DATE    take what is known from a checkout of
                                               github.com/pypa/advisory-database (CC BY 4.0)

advisories.json holds, for the packages locked, the ranges of versions each advisory speaks of, and
the day up to which it knows. pip-audit, where a network answers it, knows more: `.ci/audit` asks
both.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
KNOWN = Path(__file__).with_name("advisories.json")
SOURCE = "https://github.com/pypa/advisory-database, CC BY 4.0: identifiers and ranges"

Range = list[str | None]  # first version, first version that is mended or None


def locked() -> dict[str, set[str]]:
    """Versions of each package in requirements.lock; several where platforms differ."""
    pins: dict[str, set[str]] = {}
    text = (ROOT / "requirements.lock").read_text()
    for name, version in re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", text, re.MULTILINE):
        pins.setdefault(canonicalize_name(name), set()).add(version)
    return pins


def ranges(advisory: dict[str, Any]) -> list[Range]:
    """The ranges of versions that an advisory of the database affects."""
    found: list[Range] = []
    for each in advisory["affected"]:
        for ordered in each.get("ranges", ()):
            if ordered["type"] != "ECOSYSTEM":
                continue
            for event in ordered["events"]:
                if "introduced" in event:
                    found.append([event["introduced"], None])
                elif "fixed" in event:
                    found[-1][1] = event["fixed"]
    return found


def is_affected(version: str, span: Range) -> bool:
    first, mended = span
    return (first in (None, "0") or Version(version) >= Version(str(first))) and (
        mended is None or Version(version) < Version(mended)
    )


def take(directory: Path, day: str) -> None:
    import yaml  # of dbt's own requirements

    packages: dict[str, dict[str, list[Range]]] = {}
    for name in sorted(locked()):
        for file in sorted((directory / "vulns" / name).glob("*.yaml")):
            advisory = yaml.safe_load(file.read_text(encoding="utf-8"))
            if "withdrawn" not in advisory:
                packages.setdefault(name, {})[advisory["id"]] = ranges(advisory)
    text = json.dumps({"source": SOURCE, "as_of": day, "packages": packages}, indent=1)
    one_a_line = re.sub(r"\s*\n {4,}", " ", re.sub(r"\s*\n {3}\]", " ]", text))
    KNOWN.write_text(one_a_line + "\n")


def check() -> int:
    known = json.loads(KNOWN.read_text())
    pins = locked()
    found = [
        f"{name} {version}: {advisory}"
        for name, versions in sorted(pins.items())
        for advisory, spans in known["packages"].get(name, {}).items()
        for version in sorted(versions)
        if any(is_affected(version, span) for span in spans)
    ]
    number = sum(map(len, known["packages"].values()))
    print(
        f"audit without a network: {len(pins)} packages, {number} advisories known on"
        f" {known['as_of']}, {len(found)} vulnerabilities"
    )
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) == 3:
        take(Path(sys.argv[1]), sys.argv[2])
    else:
        sys.exit(check())
