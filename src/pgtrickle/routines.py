"""The functions an installed runtime consists of, told from those somebody else put beside them.

An upgrade replaces functions in place, but one whose arguments changed stands beside its
successor, and calls become ambiguous. So each install records what it made, and drops what the
install before it had made and it has not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgtrickle.errors import PgTrickleError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgtrickle.database import Session

# By the place of its row in pg_proc: `create or replace` always writes another one.
_PRESENT = """
    select p.oid, p.ctid::text, p.oid::regprocedure::text, p.proname,
        pg_catalog.obj_description(p.oid, 'pg_proc') is not null
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'pgtrickle'
      and pg_catalog.pg_get_userbyid(p.proowner) = current_user
"""
_DEPENDENTS = """
    select p.oid::regprocedure::text, pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
    from pg_catalog.pg_depend d
    join pg_catalog.pg_proc p on p.oid = d.refobjid
    where d.refclassid = 'pg_catalog.pg_proc'::regclass
      and d.refobjid = any (%s::oid[])
      and d.deptype in ('n', 'a')
      and not (d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = any (%s::oid[]))
    order by 1, 2
"""


class RetiredFunctionUsedError(PgTrickleError):
    """Something of the user's depends on a function that this version has no more."""

    sqlstate = "2BP01"
    hint = "Drop it, or have it use something else, and install again"


class Routines:
    """What was there before an install; `settle` is called after it, as the same role."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.before = {(oid, place) for oid, place, *_ in session.rows(_PRESENT)}

    def settle(self) -> None:
        """Drop what this version has no more, and record what it has.

        Raises RetiredFunctionUsedError where something else depends on what is to be dropped.
        """
        present = self.session.rows(_PRESENT)
        made = {
            name: proname
            for oid, place, name, proname, _ in present
            if (oid, place) not in self.before
        }
        recorded = {
            name for (name,) in self.session.rows("select name from pgtrickle.pgt_routines")
        }
        overloaded = set(made.values())
        retired = {
            oid: name
            for oid, _, name, proname, described in present
            if name not in made
            # Of before anything was recorded only what makes calls ambiguous is known.
            and (name in recorded if recorded else described and proname in overloaded)
        }
        self._drop(retired)
        self.session.rows("delete from pgtrickle.pgt_routines")
        self.session.rows(
            "insert into pgtrickle.pgt_routines select pg_catalog.unnest(%s::text[])",
            (sorted(made),),
        )

    def _drop(self, retired: dict[int, str]) -> None:
        if not retired:
            return
        oids = list(retired)
        dependents = self.session.rows(_DEPENDENTS, (oids, oids))
        if dependents:
            raise RetiredFunctionUsedError(_complaint(dependents))
        self.session.rows(f"drop routine {', '.join(retired.values())}")


def _complaint(dependents: Iterable[tuple[str, str]]) -> str:
    uses = "; ".join(f"{what} uses {function}" for function, what in dependents)
    return f"Functions that this version has no more cannot be dropped: {uses}"
