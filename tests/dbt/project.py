"""A dbt project in a directory, run as its users would run it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import psycopg
import yaml
from dbt.cli.main import dbtRunner

REPOSITORY = Path(__file__).parents[2]


class Project:
    """One project, one target. `package` installs the dbt package as `dbt deps` would."""

    def __init__(self, directory: Path, output: dict[str, Any], dsn: str, *, package: bool) -> None:
        self.directory = directory
        self.output = output
        self.dsn = dsn
        self.has_package = package
        self.schema: str = output["schema"]
        self.messages: list[str] = []
        directory.mkdir(parents=True, exist_ok=True)
        self.write(
            "dbt_project.yml",
            yaml.safe_dump(
                {
                    "name": "shop",
                    "version": "1.0.0",
                    "profile": "shop",
                    "flags": {"send_anonymous_usage_stats": False, "use_colors": False},
                }
            ),
        )
        self.profile(output)
        if package:
            local = {"packages": [{"local": str(REPOSITORY)}]}
            self.write("packages.yml", yaml.safe_dump(local))
            packages = directory / "dbt_packages"
            packages.mkdir()
            (packages / "dbt_pgtrickle").symlink_to(REPOSITORY)

    @property
    def parsed(self) -> Path:
        """What dbt keeps of its last parse."""
        return self.directory / "target" / "partial_parse.msgpack"

    def begin_with(self, parsed: Path) -> Project:
        """Let dbt parse only what differs from another project."""
        self.parsed.parent.mkdir()
        shutil.copy(parsed, self.parsed)
        return self

    def profile(self, output: dict[str, Any]) -> None:
        self.write(
            "profiles.yml",
            yaml.safe_dump({"shop": {"target": "test", "outputs": {"test": output}}}),
        )

    def write(self, path: str, text: str) -> None:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def model(self, name: str, query: str, **config: Any) -> None:
        """A model; a stream table unless `materialized` says otherwise."""
        config = {"materialized": "stream_table", **config}
        pairs = ", ".join(f"{key}={value!r}" for key, value in config.items())
        self.write(f"models/{name}.sql", f"{{{{ config({pairs}) }}}}\n{query}\n")

    def remove(self, path: str) -> None:
        (self.directory / path).unlink()

    def dbt(
        self, *arguments: str, fails: bool = False, artifacts: bool = False, quiet: bool = True
    ) -> dict[str, str]:
        """Run dbt; the message of each node by its name. `messages` has all it printed.

        `artifacts` has it write manifest.json and run_results.json, which takes a while.
        """
        self.messages = []
        runner = dbtRunner(callbacks=[self._keep])
        done = runner.invoke(
            [
                *arguments,
                "--project-dir",
                str(self.directory),
                "--profiles-dir",
                str(self.directory),
                *(["--quiet"] if quiet else []),
                "--write-json" if artifacts else "--no-write-json",
            ]
        )
        printed = "\n".join(self.messages)
        if done.exception is not None and not fails:
            raise AssertionError(f"dbt {' '.join(arguments)}: {done.exception}\n{printed}")
        assert done.success is not fails, printed
        results = getattr(done.result, "results", None) or []
        return {result.node.name: result.message for result in results if hasattr(result, "node")}

    def _keep(self, event: Any) -> None:
        if event.info.level != "debug":
            self.messages.append(event.info.msg)

    # -- the database behind it ------------------------------------------------------------------

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement beside dbt; `$schema` stands for the target schema."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.replace("$schema", self.schema))  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description is not None else []

    def value(self, statement: str) -> Any:
        return self.sql(statement)[0][0]

    def oid(self, name: str) -> int:
        oid: int = self.value(f"select '$schema.{name}'::regclass::oid")
        return oid
