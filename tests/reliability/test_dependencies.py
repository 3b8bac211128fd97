"""What is installed is what is locked, and may be: an audit that needs no network.

Known vulnerabilities are asked of their database by `make audit`, where there is a network.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
# By name: text-unidecode may be had under the Artistic License; its metadata names both.
ALLOWED = re.compile(
    r"apache|bsd|mit\b|isc\b|psf|python software|lgpl|lesser general|mpl|mozilla|cc0|0bsd|zlib",
    re.IGNORECASE,
)
EXCEPTIONS = {"text-unidecode"}


def locked() -> list[tuple[str, str, int]]:
    """Canonical name, version and number of hashes of each line of the lock file."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line.split(" --hash", 1)[0].strip())
            (pin,) = requirement.specifier
            assert pin.operator == "==", line
            name = canonicalize_name(requirement.name)
            found.append((name, pin.version, line.count("--hash=sha256:")))
    return found


def licence(distribution: Distribution) -> str:
    metadata = distribution.metadata
    classifiers = metadata.get_all("Classifier") or []
    named = [line for line in classifiers if line.startswith("License ::")]
    return metadata.get("License-Expression") or "; ".join(named) or metadata.get("License") or ""


def test_everything_locked_is_pinned_by_hash() -> None:
    assert len(locked()) > 50
    assert [name for name, _, hashes in locked() if hashes == 0] == []


def test_what_is_installed_is_what_is_locked() -> None:
    pins = {(name, version) for name, version, _ in locked()}
    names = {name for name, _ in pins}
    installed = {(canonicalize_name(each.name), each.version) for each in distributions()}
    assert {pin for pin in installed if pin[0] in names} - pins == set()


def test_licences_allow_it() -> None:
    refused = [
        f"{distribution.name}: {licence(distribution)}"
        for distribution in distributions()
        if not ALLOWED.search(licence(distribution)) and distribution.name not in EXCEPTIONS
    ]
    assert refused == []
