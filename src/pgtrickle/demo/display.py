"""What the person at the terminal sees while the demo runs: always on standard error's side.

On a terminal a bar moves; elsewhere a line tells of each tenth of the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[str], None]


class Display:
    """Stages, their details and one bar, on `console`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.perf_counter()

    def stage(self, text: str) -> None:
        """Begin something that takes a while."""
        elapsed = time.perf_counter() - self._started
        self._print(f"[dim]{elapsed:5.1f} s[/]  [bold]{escape(text)}[/]")

    def detail(self, text: str) -> None:
        """Tell what goes on within a stage."""
        self._print(f"[dim]         {escape(text)}[/]" if text else "")

    @contextmanager
    def steps(self, total: int) -> Iterator[Advance]:
        """Give a function to call, with a few words, after each of `total` steps."""
        if self._console.is_terminal:
            with self._bar(total) as advance:
                yield advance
        else:
            yield self._lines(total)

    @contextmanager
    def _bar(self, total: int) -> Iterator[Advance]:
        columns = (
            TextColumn("        "),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task("", total=total)
            yield lambda words: progress.update(task, advance=1, description=escape(words))

    def _lines(self, total: int) -> Advance:
        done = 0

        def advance(words: str) -> None:
            nonlocal done
            done += 1
            if done * 10 // total > (done - 1) * 10 // total:
                self.detail(f"{done} of {total}: {words}")

        return advance

    def _print(self, markup: str) -> None:
        self._console.print(markup, highlight=False, soft_wrap=True)
