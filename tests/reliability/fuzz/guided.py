"""Texts that a coverage-guided fuzzer makes of the corpus's queries, for as long as one likes:

    pip install atheris
    python -m tests.reliability.fuzz.guided -max_total_time=600

It ends with the text that broke something, or with nothing. atheris is no dependency of this
project.
"""

from __future__ import annotations

import sys
from random import Random

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["pgtrickle.query", "tests.reliability.fuzz.texts"]):
    from tests.reliability.fuzz.test_parser import mutated, queries
    from tests.reliability.fuzz.texts import check

KNOWN = queries()


def mutate(data: bytes, largest: int, seed: int) -> bytes:
    """Half the time as atheris would; else pieces of a query cut, doubled or exchanged."""
    random = Random(seed)
    if random.random() < 0.5:
        return bytes(atheris.Mutate(data, largest))
    text = data.decode("utf-8", "ignore")
    return mutated(random, [text, *KNOWN] if text.strip() else KNOWN).encode()[:largest]


def one(data: bytes) -> None:
    check(data.decode("utf-8", "replace"))


if __name__ == "__main__":
    atheris.Setup([*sys.argv, "-max_len=4096"], one, custom_mutator=mutate)
    atheris.Fuzz()
