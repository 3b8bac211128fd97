"""A stand-in of the extension pg_trickle: signatures, catalog and CHECKs of its versions.

The extension itself needs a server of its own, built with it. What the macros say to it can be
checked without: a call with an argument that this version lacks, in a form it does not take, or
with a value its constraints refuse, fails here as there. What a stand-in does is the least that
keeps dbt going: it recomputes.
"""

from __future__ import annotations

from pathlib import Path

# Arguments of create_stream_table in their order, and the version that brought each.
_CREATE = [
    ("name text", "0.1.3"),
    ("query text", "0.1.3"),
    ("schedule text = 'calculated'", "0.1.3"),
    ("refresh_mode text = 'AUTO'", "0.1.3"),
    ("initialize bool = true", "0.1.3"),
    ("diamond_consistency text = null", "0.1.3"),
    ("diamond_schedule_policy text = null", "0.1.3"),
    ("cdc_mode text = null", "0.2.3"),
    ("append_only bool = false", "0.5"),
    ("pooler_compatibility_mode bool = false", "0.10"),
    ("partition_by text = null", "0.11"),
    ("max_differential_joins int = null", "0.13"),
    ("max_delta_fraction float8 = null", "0.13"),
    ("output_distribution_column text = null", "0.33"),
    ("temporal bool = false", "0.36"),
    ("storage_backend text = null", "0.36"),
]
_SINK = [
    ("sink text = null", "0.66"),
    ("ducklake_sink_path text = null", "0.66"),
    ("ducklake_sink_table_id bigint = null", "0.66"),
]
_LATER = [
    ("fillfactor int = null", "0.73"),
    ("target_freshness text = null", "0.86"),
    ("orchestration_mode text = {mode}", "0.93"),
]
_ALTER = [
    ("name text", "0.1.3"),
    ("query text = null", "0.2.2"),
    ("schedule text = null", "0.1.3"),
    ("refresh_mode text = null", "0.1.3"),
    ("status text = null", "0.1.3"),
    ("diamond_consistency text = null", "0.1.3"),
    ("diamond_schedule_policy text = null", "0.1.3"),
    ("cdc_mode text = null", "0.2.3"),
    ("append_only bool = null", "0.5"),
    ("pooler_compatibility_mode bool = null", "0.10"),
    ("tier text = null", "0.10"),
    ("fuse text = null", "0.13"),
    ("fuse_ceiling bigint = null", "0.13"),
    ("fuse_sensitivity int = null", "0.13"),
    ("partition_by text = null", "0.13"),
    ("max_differential_joins int = null", "0.13"),
    ("max_delta_fraction float8 = null", "0.13"),
    ("post_refresh_action text = null", "0.47"),
    ("reindex_drift_threshold float8 = null", "0.47"),
    *_SINK,
]

_EXTENSION = """
set allow_system_table_mods = on;
insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
values (987654, 'pg_trickle', 10, 'pgtrickle'::regnamespace, false, '{version}');
"""
_SQL = Path(__file__).parent / "standin"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _has(version: str, arguments: list[tuple[str, str]]) -> list[str]:
    return [text for text, since in arguments if _number(since) <= _number(version)]


def _function(name: str, arguments: list[str]) -> str:
    """A function that notes each call with its arguments, `given`, then does as its file says."""
    body = _SQL.joinpath(f"{name}.sql").read_text()
    names = [argument.split()[0] for argument in arguments]
    noted = ", ".join(f"'{n}', ${place}" for place, n in enumerate(names, 1))
    given = f"given jsonb := jsonb_strip_nulls(jsonb_build_object({noted}));"
    note = f"insert into pgtrickle.calls (function, arguments) values ('{name}', given);"
    body = body.replace("declare\n", f"declare\n    {given}\n", 1)
    body = body.replace("begin\n", f"begin\n    {note}\n", 1)
    return (
        f"create function pgtrickle.{name}({', '.join(arguments)}) returns void language plpgsql"
        f" as $body$\n#variable_conflict use_variable\n{body}$body$;\n"
    )


def standin(version: str, *, upgraded: bool = False) -> str:
    """SQL that makes a database look as if this version were installed.

    `upgraded`: as one that came from 0.40, where old signatures stayed beside the new ones.
    """
    create = _has(version, _CREATE)
    replace = _has(version, [a for a in _CREATE if a[1] != "0.36"])
    if _number(version) >= (0, 46):
        replace = list(create)
    if _number(version) >= (0, 93):
        create += [text.format(mode="'MANAGED'") for text in _has(version, _LATER)]
        replace += [text.format(mode="null") for text in _has(version, _LATER)]
    else:
        create += _has(version, _SINK)
    alter = _has(version, _ALTER)
    cascade = "true" if _number(version) < (0, 22) else "false"
    parts = [
        _SQL.joinpath("catalog.sql").read_text(),
        _function("create_stream_table", create),
        _function("create_or_replace_stream_table", replace),
        _function("alter_stream_table", alter),
        _function("drop_stream_table", ["name text", f"cascade bool = {cascade}"]),
        _EXTENSION.format(version=version),
    ]
    if upgraded:
        parts.append(_function("alter_stream_table", _has("0.40", _ALTER)))
    if _number(version) >= (0, 108):
        parts.append(
            "alter table pgtrickle.pgt_stream_tables add requested_refresh_mode text,"
            " add refresh_reason text;"
        )
    return "\n".join(parts)
