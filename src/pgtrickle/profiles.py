"""The databases of dbt's profiles.yml, for Python and the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import make_conninfo

from pgtrickle.errors import PgTrickleError

if TYPE_CHECKING:
    from dbt.adapters.postgres.connections import PostgresCredentials

# Keys of a profile that mean to libpq what they mean to dbt.
_OF_LIBPQ = (
    "host",
    "port",
    "user",
    "password",
    "connect_timeout",
    "keepalives_idle",
    "sslmode",
    "sslcert",
    "sslkey",
    "sslrootcert",
)
_OF_SESSIONS = ("search_path", "role")


class ProfileError(PgTrickleError):
    """profiles.yml, or what was asked of it, is not as it must be."""

    sqlstate = "22023"


def dsn_of_profile(
    profile: str | None = None, target: str | None = None, *, directory: str | Path | None = None
) -> str:
    """The DSN of a target in profiles.yml, which is read and rendered as dbt does it.

    `profile` left out is that of the dbt project in the working directory or above, `target` left
    out the profile's default, `directory` left out where dbt looks when it is run in that project:
    DBT_PROFILES_DIR, the working directory, the project's, ~/.dbt. An embedded server is started,
    and given back when the process ends; its directory is seen from the project's, where dbt is
    run.

    Raises:
        ProfileError: There is no such profile or target, or it is of another database.
    """
    credentials = _credentials(profile, target, directory)
    embedded = getattr(credentials, "embedded", None)
    if embedded:
        from dbt.adapters.pgtrickle.connections import EMBEDDED

        home = _project_directory() / Path(embedded).expanduser()
        return make_conninfo(EMBEDDED.acquire(str(home)).dsn, dbname=credentials.database)
    given = {key: getattr(credentials, key, None) for key in _OF_LIBPQ}
    sessions = {key: getattr(credentials, key, None) for key in _OF_SESSIONS}
    options = " ".join(
        f"-c {key}={value}".replace("\\", "\\\\").replace(" ", "\\ ").replace("-c\\ ", "-c ")
        for key, value in sessions.items()
        if value
    )
    return make_conninfo(
        dbname=credentials.database,
        options=options or None,
        **{key: value for key, value in given.items() if value},
    )


def _credentials(
    profile: str | None, target: str | None, directory: str | Path | None
) -> PostgresCredentials:
    from dbt.config.profile import Profile, read_profile
    from dbt.config.renderer import ProfileRenderer
    from dbt_common.context import set_invocation_context
    from dbt_common.dataclass_schema import ValidationError
    from dbt_common.exceptions import DbtBaseException

    home = Path(directory or os.environ.get("DBT_PROFILES_DIR") or _profiles_directory())
    file = home / "profiles.yml"
    try:
        set_invocation_context(os.environ)  # where env_var() looks
        name = profile or _profile_of_project()
        outputs = read_profile(str(home)).get(name)
        if not outputs:
            raise ProfileError(f"{file} has no profile named {name}.")
        target, found = Profile.render_profile(outputs, name, target, ProfileRenderer({}))
        credentials: PostgresCredentials = _credentials_class(name, target, found).from_dict(found)
        return credentials
    except DbtBaseException as error:
        raise ProfileError(str(error).strip(), hint=f"The file is {file}.") from error
    except ValidationError as error:
        raise ProfileError(f"The profile {name} in {file} is wrong: {error.message}") from error


def _profiles_directory() -> Path:
    """Where dbt looks, and the project's directory: scripts and notebooks may run beneath it."""
    from dbt.cli.resolvers import default_profiles_dir

    places = (Path.cwd(), _project_directory())
    return next(
        (here for here in places if (here / "profiles.yml").exists()), default_profiles_dir()
    )


def _project_directory() -> Path:
    """That of the dbt project in the working directory or above; the former where there is none."""
    from dbt.cli.resolvers import default_project_dir

    return default_project_dir()


def _credentials_class(name: str, target: str, found: dict[str, Any]) -> Any:
    """The class of these credentials; `found` is checked, and left with its fields alone."""
    from dbt.adapters.postgres.connections import PostgresCredentials

    from dbt.adapters.pgtrickle import PgTrickleCredentials

    classes: dict[str | None, Any] = {
        "postgres": PostgresCredentials,
        "pgtrickle": PgTrickleCredentials,
    }
    kind = found.pop("type", None)
    if kind not in classes:
        raise ProfileError(
            f"The target {target} of the profile {name} is of type {kind}, which is no PostgreSQL.",
            hint="Choose another target: --target NAME.",
        )
    found.pop("threads", None)
    fields = classes[kind].translate_aliases(found)
    classes[kind].validate(fields)
    found.clear()
    found.update(fields)
    return classes[kind]


def _profile_of_project() -> str:
    from dbt.config.project import load_raw_project

    name = load_raw_project(str(_project_directory())).get("profile")
    if not isinstance(name, str):
        raise ProfileError(
            "The dbt project names no profile.",
            hint="Name one with --profile, or in dbt_project.yml.",
        )
    return name
