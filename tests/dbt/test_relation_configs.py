"""What a change of configuration is made of, and whether it needs the table built anew."""

from __future__ import annotations

from typing import Any

import pytest

from dbt.adapters.pgtrickle.relation_configs import (
    PgTrickleOptionConfigChange,
    PgTricklePartitionConfigChange,
    PgTrickleStreamTableConfig,
    PgTrickleStreamTableConfigChangeset,
)

INDEX = {"mark": "a" * 32, "label": "total", "raw": {"columns": ["total"]}}
KEY = {"mark": "b" * 32, "name": "totals_pk", "definition": "primary key (customer_id)"}


def side(**given: Any) -> PgTrickleStreamTableConfig:
    nothing: dict[str, Any] = {"settings": {}, "indexes": [], "constraints": [], "not_null": []}
    return PgTrickleStreamTableConfig.from_dict({**nothing, **given})


def changes(
    present: dict[str, Any], wanted: dict[str, Any]
) -> tuple[PgTrickleStreamTableConfigChangeset, list[tuple[str, Any]]]:
    found = PgTrickleStreamTableConfigChangeset.between(side(**present), side(**wanted))
    return found, [(change.action.value, change.context) for change in found.changes]


@pytest.mark.parametrize(
    ("present", "wanted"),
    [
        ({"settings": {"tier": "hot"}}, {"settings": {"tier": "HOT"}}),
        ({"settings": {"max_delta_fraction": 1.0}}, {"settings": {"max_delta_fraction": 1}}),
        ({"settings": {"fuse_ceiling": 5}}, {}),  # left to the engine
        ({}, {"settings": {"fuse_ceiling": 5}}),  # of which this engine keeps no record
        ({"indexes": [{**INDEX, "name": "0f" * 16, "raw": None}]}, {"indexes": [INDEX]}),
        ({"constraints": [{**KEY, "definition": None}]}, {"constraints": [KEY]}),
        ({"not_null": ["a", "b"]}, {"not_null": ["b", "a"]}),
    ],
)
def test_what_means_the_same_is_no_change(present: dict[str, Any], wanted: dict[str, Any]) -> None:
    found, listed = changes(present, wanted)
    assert listed == []
    assert not found.requires_full_refresh


@pytest.mark.parametrize(
    ("present", "wanted", "action", "is_rebuilt"),
    [
        ({"settings": {"schedule": "1m"}}, {"settings": {"schedule": "5m"}}, "alter", False),
        ({"settings": {"append_only": False}}, {"settings": {"append_only": True}}, "alter", False),
        ({"settings": {"partition_by": None}}, {"settings": {"partition_by": "d"}}, "alter", True),
        ({}, {"indexes": [INDEX]}, "create", False),
        ({"indexes": [INDEX]}, {}, "drop", False),
        ({}, {"constraints": [KEY]}, "create", False),
        ({"constraints": [KEY]}, {}, "drop", False),
        ({}, {"not_null": ["total"]}, "create", False),
        ({"not_null": ["total"]}, {}, "drop", False),
    ],
)
def test_a_difference_is_a_change_that_says_whether_the_table_is_built_anew(
    present: dict[str, Any], wanted: dict[str, Any], action: str, is_rebuilt: bool
) -> None:
    found, [(done, _)] = changes(present, wanted)
    assert done == action
    assert found.requires_full_refresh is is_rebuilt


def test_an_edited_constraint_is_dropped_before_it_is_made() -> None:
    edited = {**KEY, "mark": "c" * 32}
    _, listed = changes({"constraints": [KEY]}, {"constraints": [edited]})
    assert [action for action, _ in listed] == ["drop", "create"]


def test_configurations_and_changes_cannot_be_changed() -> None:
    found, _ = changes({"settings": {"tier": "hot"}}, {"settings": {"tier": "cold"}})
    [change] = found.options
    assert isinstance(change, PgTrickleOptionConfigChange)
    assert not isinstance(change, PgTricklePartitionConfigChange)
    for frozen, name in ((found, "options"), (change, "context"), (side(), "settings")):
        with pytest.raises(AttributeError):
            setattr(frozen, name, ())
