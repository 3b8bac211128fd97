"""The command `pgtrickle`.

Exit status: 0, all is well; 1, a check failed; 2, the call was wrong or could not be done.
"""

from __future__ import annotations

import itertools
import os
import sys

import psycopg

from pgtrickle.errors import NotUnicodeError, PgTrickleError

from . import output
from .app import app

FAILED = 2
INTERRUPTED = 130


def main() -> None:
    """Run the command of this process; what its user can mend is said without a traceback."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command and give its exit status."""
    try:
        try:
            app(_target_first(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except PgTrickleError as error:
        output.complain(str(error), error.hint)
        return FAILED
    except psycopg.Error as error:
        output.complain(_said_by_postgres(error), error.diag.message_hint)
        return FAILED
    except UnicodeError as error:
        complaint = NotUnicodeError(error)
        output.complain(str(complaint), complaint.hint)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _target_first(arguments: list[str]) -> list[str]:
    """The arguments with --profile and --target before the command: dbt has them after its own.

    Not of `server`, which hands on to psql what it is given.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "server" in arguments[:end]:
        return arguments
    first: list[str] = []
    others: list[str] = []
    given = iter(arguments[:end])
    for argument in given:
        if argument in {"--profile", "--target"}:
            first += [argument, *itertools.islice(given, 1)]
        elif argument.startswith(("--profile=", "--target=")):
            first.append(argument)
        else:
            others.append(argument)
    return [*first, *others, *arguments[end:]]


def _said_by_postgres(error: psycopg.Error) -> str:
    message = error.diag.message_primary or str(error).strip() or type(error).__name__
    return f"{message}\n{error.diag.message_detail}" if error.diag.message_detail else message
