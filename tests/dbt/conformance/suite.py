"""The classes of dbt's suite for adapters that dbt-postgres runs, by module.

`python -m tests.dbt.conformance.report --against DIR` compares this list with an unpacked source
distribution of dbt-postgres, and writes docs/conformance.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import dbt.version

PACKAGE = "dbt.tests.adapter"

OF_DBT_POSTGRES: dict[str, list[str]] = {
    "aliases.test_aliases": [
        "BaseAliasErrors",
        "BaseAliases",
        "BaseSameAliasDifferentDatabases",
        "BaseSameAliasDifferentSchemas",
    ],
    "basic.test_adapter_methods": [
        "BaseAdapterMethod",
    ],
    "basic.test_base": [
        "BaseSimpleMaterializations",
    ],
    "basic.test_docs_generate": [
        "BaseDocsGenReferences",
        "BaseDocsGenerate",
    ],
    "basic.test_empty": [
        "BaseEmpty",
    ],
    "basic.test_ephemeral": [
        "BaseEphemeral",
    ],
    "basic.test_generic_tests": [
        "BaseGenericTests",
    ],
    "basic.test_incremental": [
        "BaseIncremental",
        "BaseIncrementalBadStrategy",
        "BaseIncrementalNotSchemaChange",
    ],
    "basic.test_singular_tests": [
        "BaseSingularTests",
    ],
    "basic.test_singular_tests_ephemeral": [
        "BaseSingularTestsEphemeral",
    ],
    "basic.test_snapshot_check_cols": [
        "BaseSnapshotCheckCols",
    ],
    "basic.test_snapshot_timestamp": [
        "BaseSnapshotTimestamp",
    ],
    "basic.test_table_materialization": [
        "BaseTableMaterialization",
    ],
    "basic.test_validate_connection": [
        "BaseValidateConnection",
    ],
    "caching.test_caching": [
        "BaseCachingLowercaseModel",
        "BaseCachingSelectedSchemaOnly",
        "BaseCachingUppercaseModel",
        "BaseNoPopulateCache",
    ],
    "catalog.relation_types": [
        "CatalogRelationTypes",
    ],
    "column_types.test_column_types": [
        "BasePostgresColumnTypes",
    ],
    "concurrency.test_concurrency": [
        "BaseConcurrency",
    ],
    "constraints.test_constraints": [
        "BaseConstraintQuotedColumn",
        "BaseConstraintsRollback",
        "BaseConstraintsRuntimeDdlEnforcement",
        "BaseIncrementalConstraintsColumnsEqual",
        "BaseIncrementalConstraintsRollback",
        "BaseIncrementalConstraintsRuntimeDdlEnforcement",
        "BaseIncrementalContractSqlHeader",
        "BaseIncrementalForeignKeyConstraint",
        "BaseModelConstraintsRuntimeEnforcement",
        "BaseTableConstraintsColumnsEqual",
        "BaseTableContractSqlHeader",
        "BaseViewConstraintsColumnsEqual",
    ],
    "dbt_clone.test_dbt_clone": [
        "BaseCloneNotPossible",
        "BaseClonePossible",
        "BaseCloneSameTargetAndState",
    ],
    "dbt_debug.test_dbt_debug": [
        "BaseDebugInvalidProjectPostgres",
        "BaseDebugPostgres",
    ],
    "dbt_show.test_dbt_show": [
        "BaseShowDoesNotHandleDoubleLimit",
        "BaseShowLimit",
        "BaseShowSqlHeader",
    ],
    "empty.test_empty": [
        "BaseTestEmpty",
        "BaseTestEmptySeedFlag",
    ],
    "ephemeral.test_ephemeral": [
        "BaseEphemeralErrorHandling",
        "BaseEphemeralMulti",
        "BaseEphemeralNested",
    ],
    "functions.test_udfs": [
        "CanFindScalarFunctionRelation",
        "DeterministicUDF",
        "ErrorForUnsupportedType",
        "NonDeterministicUDF",
        "PythonUDFNotSupported",
        "SqlUDFDefaultArgSupport",
        "StableUDF",
        "UDFsBasic",
    ],
    "grants.test_incremental_grants": [
        "BaseIncrementalGrants",
    ],
    "grants.test_invalid_grants": [
        "BaseInvalidGrants",
    ],
    "grants.test_model_grants": [
        "BaseModelGrants",
    ],
    "grants.test_seed_grants": [
        "BaseSeedGrants",
    ],
    "grants.test_snapshot_grants": [
        "BaseSnapshotGrants",
    ],
    "hooks.test_model_hooks": [
        "BaseDuplicateHooksInConfigs",
        "BaseHookRefs",
        "BaseHooksRefsOnSeeds",
        "BasePrePostModelHooks",
        "BasePrePostModelHooksInConfig",
        "BasePrePostModelHooksInConfigKwargs",
        "BasePrePostModelHooksInConfigWithCount",
        "BasePrePostModelHooksOnSeeds",
        "BasePrePostModelHooksOnSeedsPlusPrefixed",
        "BasePrePostModelHooksOnSeedsPlusPrefixedWhitespace",
        "BasePrePostModelHooksOnSnapshots",
        "BasePrePostSnapshotHooksInConfigKwargs",
    ],
    "hooks.test_run_hooks": [
        "BaseAfterRunHooks",
        "BasePrePostRunHooks",
    ],
    "incremental.test_incremental_merge_exclude_columns": [
        "BaseMergeExcludeColumns",
    ],
    "incremental.test_incremental_microbatch": [
        "BaseMicrobatch",
    ],
    "incremental.test_incremental_on_schema_change": [
        "BaseIncrementalOnSchemaChange",
        "BaseIncrementalOnSchemaChangeSetup",
    ],
    "incremental.test_incremental_predicates": [
        "BaseIncrementalPredicates",
    ],
    "incremental.test_incremental_unique_id": [
        "BaseIncrementalUniqueKey",
    ],
    "materialized_view.basic": [
        "MaterializedViewBasic",
    ],
    "materialized_view.changes": [
        "MaterializedViewChanges",
        "MaterializedViewChangesApplyMixin",
        "MaterializedViewChangesContinueMixin",
        "MaterializedViewChangesFailMixin",
    ],
    "persist_docs.test_persist_docs": [
        "BasePersistDocs",
        "BasePersistDocsAllColumnsMissing",
        "BasePersistDocsColumnMissing",
        "BasePersistDocsCommentOnQuotedColumn",
        "BasePersistDocsQuotedColumnCaseSensitive",
        "BasePersistDocsQuotedDescriptionNotAppliedOnMismatch",
    ],
    "query_comment.test_query_comment": [
        "BaseEmptyQueryComments",
        "BaseMacroArgsQueryComments",
        "BaseMacroInvalidQueryComments",
        "BaseMacroQueryComments",
        "BaseNullQueryComments",
        "BaseQueryComments",
    ],
    "relations.test_changing_relation_type": [
        "BaseChangeRelationTypeValidator",
    ],
    "relations.test_dropping_schema_named": [
        "BaseDropSchemaNamed",
    ],
    "sample_mode.test_sample_mode": [
        "BaseSampleModeTest",
    ],
    "simple_copy.test_copy_uppercase": [
        "BaseSimpleCopyUppercase",
    ],
    "simple_copy.test_simple_copy": [
        "EmptyModelsArentRunBase",
        "SimpleCopyBase",
    ],
    "simple_seed.test_seed": [
        "BaseBasicSeedTests",
        "BaseSeedConfigFullRefreshOff",
        "BaseSeedConfigFullRefreshOn",
        "BaseSeedCustomSchema",
        "BaseSeedParsing",
        "BaseSeedSpecificFormats",
        "BaseSeedWithEmptyDelimiter",
        "BaseSeedWithUniqueDelimiter",
        "BaseSeedWithWrongDelimiter",
        "BaseSimpleSeedEnabledViaConfig",
        "BaseSimpleSeedWithBOM",
        "BaseTestEmptySeed",
    ],
    "simple_seed.test_seed_type_override": [
        "BaseSimpleSeedColumnOverride",
    ],
    "simple_snapshot.new_record_check_mode": [
        "BaseSnapshotNewRecordCheckMode",
    ],
    "simple_snapshot.new_record_dbt_valid_to_current": [
        "BaseSnapshotNewRecordDbtValidToCurrent",
    ],
    "simple_snapshot.new_record_timestamp_mode": [
        "BaseSnapshotNewRecordTimestampMode",
    ],
    "simple_snapshot.test_snapshot": [
        "BaseSimpleSnapshot",
        "BaseSnapshotCheck",
    ],
    "store_test_failures_tests.basic": [
        "StoreTestFailuresAsExceptions",
        "StoreTestFailuresAsGeneric",
        "StoreTestFailuresAsInteractions",
        "StoreTestFailuresAsProjectLevelEphemeral",
        "StoreTestFailuresAsProjectLevelOff",
        "StoreTestFailuresAsProjectLevelView",
    ],
    "store_test_failures_tests.test_store_test_failures": [
        "BaseStoreTestFailures",
        "BaseStoreTestFailuresLimit",
    ],
    "unit_testing.test_case_insensitivity": [
        "BaseUnitTestCaseInsensivity",
    ],
    "unit_testing.test_invalid_input": [
        "BaseUnitTestInvalidInput",
    ],
    "unit_testing.test_quoted_reserved_word_column_names": [
        "BaseUnitTestQuotedReservedWordColumnNames",
    ],
    "unit_testing.test_types": [
        "BaseUnitTestingTypes",
        "BaseUnitTestingVarcharFixtureNoTruncation",
    ],
    "utils.data_types.test_type_bigint": [
        "BaseTypeBigInt",
    ],
    "utils.data_types.test_type_boolean": [
        "BaseTypeBoolean",
    ],
    "utils.data_types.test_type_float": [
        "BaseTypeFloat",
    ],
    "utils.data_types.test_type_int": [
        "BaseTypeInt",
    ],
    "utils.data_types.test_type_numeric": [
        "BaseTypeNumeric",
    ],
    "utils.data_types.test_type_string": [
        "BaseTypeString",
    ],
    "utils.data_types.test_type_timestamp": [
        "BaseTypeTimestamp",
    ],
    "utils.test_any_value": [
        "BaseAnyValue",
    ],
    "utils.test_array_append": [
        "BaseArrayAppend",
    ],
    "utils.test_array_concat": [
        "BaseArrayConcat",
    ],
    "utils.test_array_construct": [
        "BaseArrayConstruct",
    ],
    "utils.test_bool_or": [
        "BaseBoolOr",
    ],
    "utils.test_cast": [
        "BaseCast",
    ],
    "utils.test_cast_bool_to_text": [
        "BaseCastBoolToText",
    ],
    "utils.test_concat": [
        "BaseConcat",
    ],
    "utils.test_current_timestamp": [
        "BaseCurrentTimestampAware",
    ],
    "utils.test_date": [
        "BaseDate",
    ],
    "utils.test_date_spine": [
        "BaseDateSpine",
    ],
    "utils.test_date_trunc": [
        "BaseDateTrunc",
    ],
    "utils.test_dateadd": [
        "BaseDateAdd",
    ],
    "utils.test_datediff": [
        "BaseDateDiff",
    ],
    "utils.test_equals": [
        "BaseEquals",
    ],
    "utils.test_escape_single_quotes": [
        "BaseEscapeSingleQuotesBackslash",
        "BaseEscapeSingleQuotesQuote",
    ],
    "utils.test_except": [
        "BaseExcept",
    ],
    "utils.test_generate_series": [
        "BaseGenerateSeries",
    ],
    "utils.test_get_intervals_between": [
        "BaseGetIntervalsBetween",
    ],
    "utils.test_get_powers_of_two": [
        "BaseGetPowersOfTwo",
    ],
    "utils.test_hash": [
        "BaseHash",
    ],
    "utils.test_intersect": [
        "BaseIntersect",
    ],
    "utils.test_last_day": [
        "BaseLastDay",
    ],
    "utils.test_length": [
        "BaseLength",
    ],
    "utils.test_listagg": [
        "BaseListagg",
    ],
    "utils.test_null_compare": [
        "BaseMixedNullCompare",
        "BaseNullCompare",
    ],
    "utils.test_position": [
        "BasePosition",
    ],
    "utils.test_replace": [
        "BaseReplace",
    ],
    "utils.test_right": [
        "BaseRight",
    ],
    "utils.test_safe_cast": [
        "BaseSafeCast",
    ],
    "utils.test_split_part": [
        "BaseSplitPart",
    ],
    "utils.test_string_literal": [
        "BaseStringLiteral",
    ],
    "utils.test_timestamps": [
        "BaseCurrentTimestamps",
    ],
    "utils.test_validate_sql": [
        "BaseValidateSqlMethod",
    ],
}

# dbt-postgres leaves these out as well.
INAPPLICABLE = {
    "BaseClonePossible": "PostgreSQL has no way to clone a table; `dbt clone` makes a view.",
    "BaseEscapeSingleQuotesBackslash": "PostgreSQL escapes a quote by doubling it"
    " (`BaseEscapeSingleQuotesQuote` runs), not by a backslash.",
}

# Left out below the version of dbt-core that they test an option of.
OF_LATER_DBT = {"BaseTestEmptySeedFlag": (1, 12)}

# Run in a subclass that changes something; the subclass is in test_adapted.py or, for those on
# materialized views, in test_materialized_view.py, and its docstring says what and why.
ADAPTED = {
    "BaseDateSpine",
    "BaseGetIntervalsBetween",
    "BaseHookRefs",
    "BaseIncrementalOnSchemaChangeSetup",
    "BaseMacroArgsQueryComments",
    "BasePrePostModelHooks",
    "BasePrePostModelHooksInConfig",
    "BasePrePostModelHooksInConfigKwargs",
    "BasePrePostModelHooksInConfigWithCount",
    "BasePrePostRunHooks",
    "BaseSimpleCopyUppercase",
    "BaseSimpleSeedWithBOM",
    "SqlUDFDefaultArgSupport",
    "MaterializedViewBasic",
    "MaterializedViewChanges",
    "MaterializedViewChangesApplyMixin",
    "MaterializedViewChangesContinueMixin",
    "MaterializedViewChangesFailMixin",
    "StoreTestFailuresAsExceptions",
    "StoreTestFailuresAsGeneric",
    "StoreTestFailuresAsInteractions",
    "StoreTestFailuresAsProjectLevelEphemeral",
    "StoreTestFailuresAsProjectLevelOff",
    "StoreTestFailuresAsProjectLevelView",
}

# What `make test` runs of the classes that run as they are: they touch what the adapter overrides.
QUICK = {
    "BaseSimpleMaterializations",
    "BaseEmpty",
    "BaseEphemeral",
    "BaseGenericTests",
    "BaseIncremental",
    "BaseSingularTests",
    "BaseSingularTestsEphemeral",
    "BaseSnapshotCheckCols",
    "BaseSnapshotTimestamp",
    "BaseTableMaterialization",
    "BaseValidateConnection",
    "CatalogRelationTypes",
    "BaseChangeRelationTypeValidator",
}


def as_they_are() -> Iterator[type]:
    """The classes dbt-postgres runs that this adapter runs unchanged."""
    for module, names in OF_DBT_POSTGRES.items():
        for name in names:
            if name not in ADAPTED and is_applicable(name):
                yield getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)


def is_applicable(name: str) -> bool:
    """Whether a class can pass with this dbt, on PostgreSQL."""
    this_dbt = tuple(int(part) for part in dbt.version.__version__.split(".")[:2])
    return name not in INAPPLICABLE and OF_LATER_DBT.get(name, this_dbt) <= this_dbt
