"""The classes of dbt's suite that run on this adapter with a change; each docstring says which."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dbt.tests.adapter.incremental.test_incremental_on_schema_change as on_schema_change
import dbt.tests.adapter.query_comment.test_query_comment as query_comment
import dbt.tests.adapter.store_test_failures_tests.basic as store_test_failures
import pytest
from dbt.tests.adapter.functions.test_udfs import SqlUDFDefaultArgSupport
from dbt.tests.adapter.hooks import test_model_hooks as model_hooks
from dbt.tests.adapter.hooks import test_run_hooks as run_hooks
from dbt.tests.adapter.simple_copy.test_copy_uppercase import BaseSimpleCopyUppercase
from dbt.tests.adapter.simple_seed import seeds, test_seed
from dbt.tests.adapter.utils.test_date_spine import BaseDateSpine
from dbt.tests.adapter.utils.test_get_intervals_between import BaseGetIntervalsBetween
from dbt.tests.util import check_relations_equal, run_dbt
from tests.dbt.conformance.conftest import profile_target

pytestmark = pytest.mark.slow


# -- Hooks: the suite expects the profile of dbt-postgres's own tests -----------------------------


class _OfThisProfile:
    """Expects this profile's type, user and database in the hooks' variables."""

    def check_hooks(self, state: str, project: Any, host: str, **count: int) -> None:
        expected = {
            "test_state": state,
            "target_dbname": project.database,
            "target_host": host,
            "target_name": "default",
            "target_schema": project.test_schema,
            "target_threads": 4,
            "target_type": "pgtrickle",
            "target_user": project.adapter.config.credentials.user,
            "target_pass": "",
        }
        for variables in self._variables(state, project, **count):
            assert {key: variables[key] for key in expected} == expected
            assert variables["run_started_at"]
            assert variables["invocation_id"]
            assert variables["thread_id"].startswith(("Thread-", "MainThread"))

    def _variables(self, state: str, project: Any, count: int = 1) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get_ctx_vars(state, count=count, project=project)  # type: ignore[attr-defined]
        return found


class TestPrePostModelHooks(_OfThisProfile, model_hooks.BasePrePostModelHooks):
    __doc__ = _OfThisProfile.__doc__


class TestHookRefs(_OfThisProfile, model_hooks.BaseHookRefs):
    __doc__ = _OfThisProfile.__doc__


class TestPrePostModelHooksInConfig(_OfThisProfile, model_hooks.BasePrePostModelHooksInConfig):
    __doc__ = _OfThisProfile.__doc__


class TestPrePostModelHooksInConfigWithCount(
    _OfThisProfile, model_hooks.BasePrePostModelHooksInConfigWithCount
):
    __doc__ = _OfThisProfile.__doc__


class TestPrePostModelHooksInConfigKwargs(
    _OfThisProfile, model_hooks.BasePrePostModelHooksInConfigKwargs
):
    __doc__ = _OfThisProfile.__doc__


class TestPrePostRunHooks(_OfThisProfile, run_hooks.BasePrePostRunHooks):
    __doc__ = _OfThisProfile.__doc__

    def _variables(self, state: str, project: Any, count: int = 1) -> list[dict[str, Any]]:
        return [self.get_ctx_vars(state, project)]


# -- Models that ask for `target.type == 'postgres'` ----------------------------------------------


def _for_this_type(models: dict[str, str]) -> dict[str, str]:
    return {
        name: text.replace("target.type == 'postgres'", "target.type == 'pgtrickle'")
        for name, text in models.items()
    }


class TestDateSpine(BaseDateSpine):
    """The models take the branch of PostgreSQL for this adapter's type."""

    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return _for_this_type(BaseDateSpine.models.__wrapped__(self))


class TestGetIntervalsBetween(BaseGetIntervalsBetween):
    """The models take the branch of PostgreSQL for this adapter's type."""

    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return _for_this_type(BaseGetIntervalsBetween.models.__wrapped__(self))


# -- Others ---------------------------------------------------------------------------------------


class TestSimpleCopyUppercase(BaseSimpleCopyUppercase):
    """The profile is this adapter's, on a database whose name has capitals."""

    @pytest.fixture(scope="class")
    def dbt_profile_target(
        self, fresh_database: Callable[..., AbstractContextManager[str]], prefix: str
    ) -> Iterator[dict[str, Any]]:
        with fresh_database(name=f"dbtMixedCase{prefix}") as dsn:
            yield profile_target(dsn)


class TestSimpleSeedWithBOM(test_seed.BaseSimpleSeedWithBOM):
    """The seed is taken from the suite, where it is, and not from beside the test."""

    @pytest.fixture(scope="class", autouse=True)
    def setUp(self, project: Any) -> None:
        project.run_sql(seeds.seeds__expected_sql)
        shutil.copy(
            Path(test_seed.__file__).parent / "seed_bom.csv", project.project_root / "seeds"
        )


class TestMacroArgsQueryComments(query_comment.BaseMacroArgsQueryComments):
    """The version in the comment is dbt's; the suite compares it with the adapter's."""


class TestSqlUDFDefaultArgSupport(SqlUDFDefaultArgSupport):
    """Says that functions may have arguments with defaults, as PostgreSQL's may."""

    expect_default_arg_support = True


class _AuditSchema:
    """Looks for the name of the audit schema as PostgreSQL cuts it off, at 63 bytes."""

    audit_schema: str

    @pytest.fixture(autouse=True)
    def setup_audit_schema(self, project: Any, setup_method: None) -> None:
        self.audit_schema = self.audit_schema[:63]


class TestStoreTestFailuresAsInteractions(
    store_test_failures.StoreTestFailuresAsInteractions, _AuditSchema
):
    __doc__ = _AuditSchema.__doc__


class TestStoreTestFailuresAsProjectLevelOff(
    store_test_failures.StoreTestFailuresAsProjectLevelOff, _AuditSchema
):
    __doc__ = _AuditSchema.__doc__


class TestStoreTestFailuresAsProjectLevelView(
    store_test_failures.StoreTestFailuresAsProjectLevelView, _AuditSchema
):
    __doc__ = _AuditSchema.__doc__


class TestStoreTestFailuresAsProjectLevelEphemeral(
    store_test_failures.StoreTestFailuresAsProjectLevelEphemeral, _AuditSchema
):
    __doc__ = _AuditSchema.__doc__


class TestStoreTestFailuresAsGeneric(store_test_failures.StoreTestFailuresAsGeneric, _AuditSchema):
    __doc__ = _AuditSchema.__doc__


class TestStoreTestFailuresAsExceptions(
    store_test_failures.StoreTestFailuresAsExceptions, _AuditSchema
):
    __doc__ = _AuditSchema.__doc__


class TestIncrementalOnSchemaChangeQuotedNames(on_schema_change.BaseIncrementalOnSchemaChangeSetup):
    """Incremental models whose columns are key words or have dashes."""

    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        source = 'select n as id, \'v\' || n as "select", n * 111 as "field-with-dash"'
        source += " from generate_series(1, 6) n"
        new_rows = "where id not in (select id from {{ this }})"
        models = {"base.sql": "{{ config(materialized='table') }}\n" + source}
        for policy, then, first, expected in (
            ("append_new_columns", '"select", "field-with-dash"', '"select"', '"select", {}'),
            ("sync_all_columns", '"field-with-dash"', '"select"', "{}"),
        ):
            models[f"{policy}.sql"] = (
                "{{ config(materialized='incremental', unique_key='id',"
                f" on_schema_change='{policy}') }}}}\n"
                "{% if is_incremental() %}\n"
                f"select id, {then} from {{{{ ref('base') }}}} {new_rows}\n"
                f"{{% else %}}\nselect id, {first} from {{{{ ref('base') }}}} where id <= 3\n"
                "{% endif %}"
            )
            later = 'case when id > 3 then "field-with-dash" end as "field-with-dash"'
            models[f"{policy}_expected.sql"] = (
                "{{ config(materialized='table') }}\n"
                f"select id, {expected.format(later)} from {{{{ ref('base') }}}}"
            )
        return models

    @pytest.mark.parametrize("policy", ["append_new_columns", "sync_all_columns"])
    def test_names_that_need_quotes(self, project: Any, policy: str) -> None:
        for _ in range(2):
            run_dbt(["run", "--select", "base", policy, f"{policy}_expected"])
        check_relations_equal(project.adapter, [policy, f"{policy}_expected"])
