"""The pages about dbt name what there is."""

from __future__ import annotations

import re

from tests.dbt.project import REPOSITORY

MACROS = REPOSITORY / "src" / "dbt" / "include" / "pgtrickle" / "macros"
DOCS = REPOSITORY / "docs"


def test_the_configuration_page_lists_every_key_with_its_default() -> None:
    rules = (MACROS / "stream_table" / "settings.sql").read_text().split("{% endmacro %}")[0]
    found = re.findall(r"^    '(\w+)': \{\s*'default': ([^,]+),", rules, re.MULTILINE)
    keys = {key: default.strip("'").replace("none", "null") for key, default in found}
    page = (DOCS / "configuration.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", page, re.MULTILINE)
    assert dict(listed) == keys


def test_the_pages_name_only_operations_and_tests_that_exist() -> None:
    macros = "\n".join(file.read_text() for file in MACROS.rglob("*.sql"))
    there = set(re.findall(r"\{% (?:macro|test) (\w+)\(", macros))
    pages = "\n".join(file.read_text() for file in DOCS.glob("*.md"))
    named = set(re.findall(r"run-operation (\w+)|dbt_pgtrickle\.(\w+)", pages))
    assert {one or other for one, other in named} <= there


def test_the_operations_page_names_every_operation() -> None:
    public = {
        name
        for file in (MACROS / "operations").glob("*.sql")
        for name in re.findall(r"\{% macro ([a-z]\w+)\(", file.read_text())
    }
    page = (DOCS / "operations.md").read_text()
    assert [name for name in sorted(public) if f"run-operation {name}" not in page] == []
