"""Other versions of dbt, each in an environment of its own under .venvs."""

from __future__ import annotations

import contextlib
import fcntl
import platform
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.dbt.project import REPOSITORY

UV = Path(sys.executable).parent / "uv"
# dbt-core 1.12 asks for the parser of dbt 2, whose newest packages download themselves from
# elsewhere while they are built. Nothing here needs it.
WITHOUT_PARSER = "dbt-core-experimental-parser ; sys_platform == 'nowhere'\n"
# The last of dbt 2 that is a wheel, and the driver it downloads, by the name it looks for.
DBT_2 = "dbt-core-experimental-parser==2.0.0a4"
DRIVER = "adbc-driver-postgresql>=1.8,<2"
DRIVER_NAME = "libadbc_driver_postgresql-0.21.0+dbt0.21.0.so"
DRIVER_PLATFORM = "x86_64-manylinux_2_17-linux-gnu"
CAN_RUN_DBT_2 = platform.system() == "Linux" and platform.machine() == "x86_64"


class InstallationError(Exception):
    """The registries at hand do not have all that a version needs."""


def _environment(name: str, requirements: list[str]) -> Path:
    """The programs of an environment with these requirements, made where it is not there yet."""
    home = REPOSITORY / ".venvs" / name
    home.parent.mkdir(exist_ok=True)
    with (home.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests ask for one environment, at once
        return _made(name, home, requirements)


def _made(name: str, home: Path, requirements: list[str]) -> Path:
    stamp = home / "requirements.txt"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([UV, "venv", "--quiet", "--clear", home], check=True)
        overrides = home / "overrides.txt"
        overrides.write_text(WITHOUT_PARSER if name != "dbt-2" else "")
        done = subprocess.run(
            [
                *(UV, "pip", "install", "--quiet", "--python", home / "bin" / "python"),
                *("--override", overrides, *requirements),
            ],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise InstallationError(f"{name} cannot be installed from here:\n{done.stderr}")
        stamp.write_text(wanted)
    return home / "bin"


def dbt_1(version: str) -> Path:
    """The programs `dbt`, `pgtrickle` and `python`, with dbt-core 1.x."""
    return _environment(
        f"dbt-{version}", ["-e", f"{REPOSITORY}[embedded]", f"dbt-core~={version}.0"]
    )


def dbt_2() -> Path:
    """The program of dbt 2."""
    requirements = [DBT_2, DRIVER] if CAN_RUN_DBT_2 else [DBT_2]
    return _environment("dbt-2", requirements) / "dbt-core-experimental-parser"


def provide_driver(cache: Path) -> None:
    """Put the database driver where dbt 2 looks for what it has downloaded."""
    [driver] = dbt_2().parents[1].glob("lib/*/site-packages/adbc_driver_postgresql/*.so")
    place = cache / "com.getdbt" / "adbc" / DRIVER_PLATFORM
    place.mkdir(parents=True)
    shutil.copy(driver, place / DRIVER_NAME)


@contextlib.contextmanager
def tcp_port(unix_socket: Path) -> Iterator[int]:
    """A port of this machine that leads to a server on a unix socket: dbt 2 knows no others."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def carry(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(unix_socket))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=carry, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
