"""Writes docs/conformance.md: which classes of dbt's suite for adapters run, and how.

    python -m tests.dbt.conformance.report [--against DIR]

`--against` an unpacked source distribution of dbt-postgres first checks that suite.py lists every
class that dbt-postgres runs.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from pathlib import Path

from tests.dbt.conformance import suite

PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"
WITH_CHANGES = ("test_adapted", "test_materialized_view")

HEAD = """# Conformance

`dbt-tests-adapter` is dbt's own suite for adapters. Of its classes dbt-postgres runs {total}.
Of these, {as_is} run on `type: pgtrickle` as they are and {adapted} with a change; {left_out} do
not apply. All that apply pass: `make test-all` runs them, `make test` those marked \N{BULLET}.

The classes that run with a change say what it is. Those on materialized views run twice: on
materialized views, and with stream tables in their place.

This page is written by `make conformance-report`.
"""


def classes_run_by(source: Path) -> dict[str, set[str]]:
    """Module and names of the suite's classes that the tests in `source` derive theirs from."""
    found: dict[str, set[str]] = {}
    for file in sorted(source.rglob("*.py")):
        tree = ast.parse(file.read_text())
        imported = {
            alias.asname or alias.name: (node.module.removeprefix(f"{suite.PACKAGE}."), alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.startswith(f"{suite.PACKAGE}.")
            for alias in node.names
        }
        for derived in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            for base in derived.bases:
                if isinstance(base, ast.Name) and base.id in imported:
                    module, name = imported[base.id]
                    found.setdefault(module, set()).add(name)
    return found


def changes() -> dict[str, list[str]]:
    """What is changed in the classes that run with a change, by the name of the suite's class."""
    found: dict[str, list[str]] = {}
    for module in WITH_CHANGES:
        tests = importlib.import_module(f"tests.dbt.conformance.{module}")
        for derived in vars(tests).values():
            if not isinstance(derived, type) or not derived.__name__.startswith("Test"):
                continue
            text = " ".join((derived.__doc__ or "").split())
            for base in derived.__mro__:
                if base.__module__.startswith(suite.PACKAGE) and base.__name__ in suite.ADAPTED:
                    told = found.setdefault(base.__name__, [])
                    told.extend([text] if text not in told else [])
    return found


def page() -> str:
    names = [name for names in suite.OF_DBT_POSTGRES.values() for name in names]
    head = HEAD.format(
        total=len(names),
        as_is=len(set(names) - suite.ADAPTED - suite.INAPPLICABLE.keys()),
        adapted=len(suite.ADAPTED),
        left_out=len(suite.INAPPLICABLE),
    )
    changed = changes()
    rows = [
        f"| `{module}` | `{name}` | {_how(name, changed)} |\n"
        for module, names in suite.OF_DBT_POSTGRES.items()
        for name in names
    ]
    return f"{head}\n| module | class | how |\n|---|---|---|\n{''.join(rows)}"


def _how(name: str, changed: dict[str, list[str]]) -> str:
    if name in suite.INAPPLICABLE:
        return f"does not apply: {suite.INAPPLICABLE[name]}"
    if name in suite.ADAPTED:
        return " ".join(changed[name])
    later = suite.OF_LATER_DBT.get(name)
    version = f", from dbt {'.'.join(map(str, later))} on" if later else ""
    quick = " \N{BULLET}" if name in suite.QUICK else ""
    return f"as it is{version}{quick}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, metavar="DIR")
    against = parser.parse_args().against
    if against is not None:
        listed = {module: set(names) for module, names in suite.OF_DBT_POSTGRES.items()}
        run = classes_run_by(against)
        if run != listed:
            for module in sorted(run.keys() | listed.keys()):
                missing = sorted(run.get(module, set()) - listed.get(module, set()))
                gone = sorted(listed.get(module, set()) - run.get(module, set()))
                if missing or gone:
                    print(f"{module}: not listed {missing}, not run any more {gone}")
            return 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
