"""The quick start, word by word, in an empty directory and with the distribution installed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.dbt.project import REPOSITORY

from pgtrickle.embedded import Server

PAGE = REPOSITORY / "docs" / "quick-start.md"
PROGRAMS = Path(sys.executable).parent


class Newcomer:
    """Does what the page says, in the directory the page has led to."""

    def __init__(self, home: Path, installed: Path) -> None:
        self.directory = home
        path = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PYTHONPATH": str(installed)}
        self.environment = {**os.environ, **path, "HOME": str(home)}
        self.environment.pop("DBT_PROFILES_DIR", None)
        self.printed: dict[str, str] = {}

    def follow(self, block: str) -> None:
        if match := re.match(r"(?:--|#) (\S+/\S+)\n", block):
            file = self.directory / match[1]
            text = block.removeprefix(match[0]) if file.suffix == ".csv" else block
            file.write_text(f"{text}\n")
        else:
            for line in block.split("\n"):
                self.printed[line] = self._run(line)

    def _run(self, line: str) -> str:
        program, *arguments = shlex.split(line)
        if program == "cd":
            self.directory /= arguments[0]
            return ""
        if program == "pip":  # what is installed here is the same
            return ""
        if arguments[-1] == "worker":
            return self._serve([program, *arguments])
        command = [program, *arguments]
        if program == "dbt":  # as the program does, but with the adapter beside dbt's own
            command = [sys.executable, "-m", "dbt.cli.main", *arguments]
        answers = self._answers() if arguments[0] == "init" else ""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            input=answers,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        return done.stdout

    def _answers(self) -> str:
        """What to type at `dbt init`: the number of the adapter, of the server, and Enter."""
        offered = subprocess.run(
            [sys.executable, "-m", "dbt.cli.main", "init", "looking"],
            cwd=self.directory,
            env=self.environment,
            input="",
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        ).stdout
        shutil.rmtree(self.directory / "looking")
        number = re.search(r"\[(\d+)\] pgtrickle$", offered, re.MULTILINE)
        assert number, offered
        return f"{number[1]}\n1\n" + "\n" * 4

    def _serve(self, command: list[str]) -> str:
        """Let a worker serve, and end it by Ctrl-C."""
        worker = subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        try:
            dsn = Server(self.directory / ".pgtrickle").status().dsn
            assert dsn
            serving = "select scheduler_running from pgtrickle.quick_health"
            with psycopg.connect(dsn, autocommit=True) as connection:
                while connection.execute(serving).fetchall() != [(True,)]:
                    assert worker.poll() is None, worker.communicate()[0]
                    time.sleep(0.1)
            worker.send_signal(signal.SIGINT)
            printed, _ = worker.communicate(timeout=120)
        finally:
            worker.kill()
        assert worker.returncode == 0, printed
        return printed


@pytest.fixture
def newcomer(installed: Path) -> Iterator[Newcomer]:
    home = Path(tempfile.mkdtemp(prefix="pgtrickle-newcomer-"))
    home.chmod(0o711)  # root's servers run under another account
    yield Newcomer(home, installed)
    Server(home / "shop" / ".pgtrickle").stop()
    shutil.rmtree(home)


@pytest.mark.slow
def test_the_quick_start_leads_to_a_stream_table_that_is_kept(newcomer: Newcomer) -> None:
    told = re.findall(r"(?<=\n\n)((?:[ ]{4}[^\n]*\n+)+)", PAGE.read_text())
    for part in told:
        # The query of a model, too, begins after an empty line.
        for block in re.split(r"\n\n(?=# |-- )", textwrap.dedent(part).strip()):
            newcomer.follow(block)
    printed = newcomer.printed
    assert "created" in printed["dbt build"]
    assert "PASS=" in printed["dbt build"]
    assert "unchanged, refreshed 3 rows in " in printed["dbt run"]
    assert "8.25" in printed["dbt show --select customer_totals"]
    assert (newcomer.directory / "target" / "catalog.json").exists()
    assert not Server(newcomer.directory / ".pgtrickle").status().running
