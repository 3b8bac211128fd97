"""What the compiler hands to the runtime: how one stream table is maintained, as data.

The form is described, from the runtime's side, in ``runtime/README.md``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

FORMAT = 1
TIME = "time"
"""The delta for when no source changed, in a plan that reads the moment."""


@dataclass(frozen=True, slots=True)
class Source:
    """A captured relation and the columns captured from it.

    `whole`: the query uses its rows as values, so a column added to it ends the plan.
    `fans_out`: one changed row may lead to many, so rows that came and went are left out first.
    """

    relid: int
    columns: tuple[str, ...]
    whole: bool = False
    fans_out: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """How a row of the stream table is found: `kind` is 'key' (with `columns`) or 'row'.

    `hashed`: through an index on the hash of the key, which may be NULL or long.
    """

    kind: str
    columns: tuple[str, ...] = ()
    hashed: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """A state table: its name, the SELECT that fills it, the columns of its indexes."""

    name: str
    fill: str
    key: tuple[str, ...]
    unique: bool = True
    lookup: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexAdvice:
    """Columns of a source by which refreshes look rows up, and why: an index would find them."""

    relid: int
    schema: str
    table: str
    columns: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """A column of the stream table is computed from this column of that source, by its number."""

    output: str
    source: int
    column: str


@dataclass(frozen=True, slots=True)
class Check:
    """How a table is verified where PostgreSQL chose among rows: by what it chose.

    Where none of the `wrong_choices` returns a row, the table must equal `query`, which reads the
    choices from the state tables and everything else from the sources.
    `unchosen`, which is there where groups alone are open, is the same with what PostgreSQL chooses
    now: only where that is what the user's query gives, is `query` trusted to tell more.
    """

    query: str
    wrong_choices: tuple[str, ...]
    unchosen: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled query. `mode` is DIFFERENTIAL, or FULL with `construct` and `reason`.

    `deltas` maps the number of a source that changed alone, or ``*``, or `TIME`, to the CTEs of
    the refresh statement. `target` is the token that stands for the stream table's name in them.
    `open` is what PostgreSQL leaves open in the result: 'keys' (equal group keys print
    differently), 'order' (aggregates that depend on the order of rows), 'ties' (rows or numbers
    among peers); then `result` is the SELECT that gives the table's first rows from what its state
    is filled with (CTEs filled_1, filled_2, … in the order of `state`).
    `advice` names the indexes that the deltas could use, `lineage` what each column comes from.
    """

    query: str
    mode: str
    compiler: str
    reason: str | None = None
    construct: str | None = None
    target: str | None = None
    sources: tuple[Source, ...] = ()
    identity: Identity = Identity("row")
    state: tuple[State, ...] = ()
    deltas: dict[str, str] = field(default_factory=dict)
    tree: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    result: str | None = None
    advice: tuple[IndexAdvice, ...] = ()
    check: Check | None = None
    lineage: tuple[Lineage, ...] = ()
    format: int = FORMAT

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.as_dict())

    @classmethod
    def of_dict(cls, stored: dict[str, Any]) -> Plan:
        """The plan that `as_dict` gave; what a plan of another version has besides is left out."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored.items()
            if name in cls.__dataclass_fields__
        }
        if known.get("identity"):
            identity = known["identity"]
            known["identity"] = Identity(
                identity["kind"], tuple(identity.get("columns", ())), identity.get("hashed", False)
            )
        if known.get("check"):
            known["check"] = _of_dict(Check, known["check"])
        for name, form in (
            ("sources", Source),
            ("state", State),
            ("advice", IndexAdvice),
            ("lineage", Lineage),
        ):
            known[name] = tuple(_of_dict(form, each) for each in known.get(name, ()))
        return cls(**{**known, "deltas": known.get("deltas") or {}})


_T = TypeVar("_T")


def _of_dict(form: type[_T], stored: dict[str, Any]) -> _T:
    return form(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored.items()
        }
    )
