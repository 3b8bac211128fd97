"""dbt's suite for materialized views: on materialized views, and on stream tables in their place.

The suite's own words are kept: what it calls a materialized view is, in the second half, a stream
table, and `query_relation_type` answers accordingly.
"""

from __future__ import annotations

from typing import Any

import pytest
from dbt.tests.adapter.materialized_view import basic, changes, files
from dbt.tests.util import (
    assert_message_in_logs,
    get_model_file,
    run_dbt_and_capture,
    set_model_file,
)

pytestmark = pytest.mark.slow

RELATION_TYPE = """
select case
  when {is_stream_table} then 'stream_table'
  when c.relkind = 'r' then 'table'
  when c.relkind = 'v' then 'view'
  when c.relkind = 'm' then 'materialized_view'
end
from pg_class c
where c.oid = '{relation}'::regclass
"""
IS_STREAM_TABLE = "exists (select from pgtrickle.pgt_stream_tables s where s.pgt_relid = c.oid)"
INDEXED = """
select string_agg(a.attname, ',')
from pg_index x
join pg_class i on i.oid = x.indexrelid
join pg_attribute a on a.attrelid = x.indrelid and a.attnum = any (x.indkey)
where x.indrelid = '{}'::regclass
  and length(i.relname) = 32
"""


class _OnPostgres:
    """What the suite leaves to the adapter: an index is what can be changed in place."""

    kind = "materialized_view"
    refresh = "refresh materialized view {}"

    @pytest.fixture(scope="class", autouse=True)
    def models(self) -> dict[str, str]:
        config = f"materialized='{self.kind}', indexes=[{{'columns': ['id']}}]"
        return {
            "my_table.sql": files.MY_TABLE,
            "my_view.sql": files.MY_VIEW,
            "my_materialized_view.sql": (
                f"{{{{ config({config}) }}}} select * from {{{{ ref('my_seed') }}}}"
            ),
        }

    @classmethod
    def query_relation_type(cls, project: Any, relation: Any) -> str | None:
        there = project.run_sql(
            "select to_regclass('pgtrickle.pgt_stream_tables') is not null", fetch="one"
        )[0]
        is_stream_table = IS_STREAM_TABLE if there else "false"
        found: str = project.run_sql(
            RELATION_TYPE.format(relation=relation, is_stream_table=is_stream_table), fetch="one"
        )[0]
        assert found != "materialized_view" or cls.kind == found
        return "materialized_view" if found == cls.kind else found

    @staticmethod
    def insert_record(project: Any, table: Any, record: tuple[int, int]) -> None:
        project.run_sql(f"insert into {table} (id, value) values {record}")

    @classmethod
    def refresh_materialized_view(cls, project: Any, materialized_view: Any) -> None:
        project.run_sql(cls.refresh.format(materialized_view.include(database=False)))

    @staticmethod
    def query_row_count(project: Any, relation: Any) -> int:
        count: int = project.run_sql(f"select count(*) from {relation}", fetch="one")[0]
        return count

    # -- changes ---------------------------------------------------------------------------------

    @staticmethod
    def _edit(project: Any, relation: Any, old: str, new: str) -> None:
        set_model_file(project, relation, get_model_file(project, relation).replace(old, new))

    @staticmethod
    def check_start_state(project: Any, materialized_view: Any) -> None:
        assert project.run_sql(INDEXED.format(materialized_view), fetch="one")[0] == "id"

    @classmethod
    def change_config_via_alter(cls, project: Any, materialized_view: Any) -> None:
        cls._edit(project, materialized_view, "'columns': ['id']", "'columns': ['value']")

    @staticmethod
    def check_state_alter_change_is_applied(project: Any, materialized_view: Any) -> None:
        assert project.run_sql(INDEXED.format(materialized_view), fetch="one")[0] == "value"


class TestMaterializedViewBasic(_OnPostgres, basic.MaterializedViewBasic):
    """Implements what the suite asks an adapter to implement."""


class TestMaterializedViewChangesApply(
    _OnPostgres, changes.MaterializedViewChanges, changes.MaterializedViewChangesApplyMixin
):
    """Implements what the suite asks for; dbt-postgres replaces a view for no change."""

    test_change_is_applied_via_replace = None


class TestMaterializedViewChangesContinue(
    _OnPostgres, changes.MaterializedViewChanges, changes.MaterializedViewChangesContinueMixin
):
    """Implements what the suite asks for."""


class TestMaterializedViewChangesFail(
    _OnPostgres, changes.MaterializedViewChanges, changes.MaterializedViewChangesFailMixin
):
    """Implements what the suite asks for."""


class _AsStreamTable(_OnPostgres):
    kind = "stream_table"
    refresh = "select pgtrickle.refresh_stream_table('{}')"

    @classmethod
    def swap_table_to_materialized_view(cls, project: Any, table: Any) -> None:
        cls._edit(project, table, "materialized='table'", "materialized='stream_table'")

    @classmethod
    def swap_view_to_materialized_view(cls, project: Any, view: Any) -> None:
        cls._edit(project, view, "materialized='view'", "materialized='stream_table'")

    @classmethod
    def swap_materialized_view_to_table(cls, project: Any, materialized_view: Any) -> None:
        cls._edit(project, materialized_view, "materialized='stream_table'", "materialized='table'")

    @classmethod
    def swap_materialized_view_to_view(cls, project: Any, materialized_view: Any) -> None:
        changed = "materialized='stream_table', indexes=[{'columns': ['id']}]"
        cls._edit(project, materialized_view, changed, "materialized='view'")


class TestStreamTableBasic(_AsStreamTable, basic.MaterializedViewBasic):
    """Stream tables in the place of materialized views."""


class _StreamTableChanges(_AsStreamTable, changes.MaterializedViewChanges):
    """What is changed in place are an index and the schedule; partitions need another table."""

    @classmethod
    def change_config_via_alter(cls, project: Any, materialized_view: Any) -> None:
        super().change_config_via_alter(project, materialized_view)
        cls._edit(project, materialized_view, "indexes=", "schedule='7m', indexes=")

    @staticmethod
    def check_start_state(project: Any, materialized_view: Any) -> None:
        _OnPostgres.check_start_state(project, materialized_view)
        assert _setting(project, materialized_view, "schedule") == "1m"
        assert _setting(project, materialized_view, "st_partition_key") is None

    @staticmethod
    def check_state_alter_change_is_applied(project: Any, materialized_view: Any) -> None:
        _OnPostgres.check_state_alter_change_is_applied(project, materialized_view)
        assert _setting(project, materialized_view, "schedule") == "7m"

    @classmethod
    def change_config_via_replace(cls, project: Any, materialized_view: Any) -> None:
        cls._edit(project, materialized_view, "indexes=", "partition_by='id', indexes=")

    @staticmethod
    def check_state_replace_change_is_applied(project: Any, materialized_view: Any) -> None:
        assert _setting(project, materialized_view, "st_partition_key") == "id"


def _setting(project: Any, relation: Any, column: str) -> str | None:
    query = (
        f"select {column} from pgtrickle.pgt_stream_tables where pgt_relid = '{relation}'::regclass"
    )
    found: str | None = project.run_sql(query, fetch="one")[0]
    return found


class TestStreamTableChangesApply(_StreamTableChanges, changes.MaterializedViewChangesApplyMixin):
    """Stream tables in the place of materialized views; one that has to be another table, for its
    partitions are other ones, asks for --full-refresh first.
    """

    def test_change_is_applied_via_replace(self, project: Any, my_materialized_view: Any) -> None:
        self.check_start_state(project, my_materialized_view)
        self.change_config_via_alter(project, my_materialized_view)
        self.change_config_via_replace(project, my_materialized_view)
        run = ["--debug", "run", "--models", my_materialized_view.name]
        _, logs = run_dbt_and_capture(run, expect_pass=False)
        assert_message_in_logs("Run with --full-refresh to do that", logs)
        self.check_start_state(project, my_materialized_view)

        _, logs = run_dbt_and_capture([*run, "--full-refresh"])
        self.check_state_alter_change_is_applied(project, my_materialized_view)
        self.check_state_replace_change_is_applied(project, my_materialized_view)
        assert_message_in_logs(f"Applying REPLACE to: {my_materialized_view}", logs)


class TestStreamTableChangesContinue(
    _StreamTableChanges, changes.MaterializedViewChangesContinueMixin
):
    """Stream tables in the place of materialized views."""


class TestStreamTableChangesFail(_StreamTableChanges, changes.MaterializedViewChangesFailMixin):
    """Stream tables in the place of materialized views."""
