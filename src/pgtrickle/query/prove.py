"""The proof that our tree means what the user's query means.

SQL printed from the tree is given back to PostgreSQL. It must print the canonical text of it, and
hold the same rule tree and columns as for that.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgtrickle.database import Session
from pgtrickle.query.canonical import Canonical
from pgtrickle.query.render import render
from pgtrickle.query.rendition import InvalidQuery, UnreadableRendition, rendition_of_canonical
from pgtrickle.query.rule_tree import same_rule_tree
from pgtrickle.query.statement import Query


@dataclass(frozen=True, slots=True)
class ProofFailure:
    """Why the tree may not be used; `generated` is the SQL printed from it ('' for none)."""

    reason: str
    generated: str


def prove(session: Session, canonical: Canonical, query: Query) -> ProofFailure | None:
    """Prove that `query` means what a text in canonical form means; None when proved.

    Leaves the session as it was.
    """
    if canonical.obstacle is not None:
        return ProofFailure(canonical.obstacle, "")
    try:
        generated = render(query)
    except (ValueError, TypeError) as error:
        return ProofFailure(f"the tree has no SQL: {error}", "")
    except RecursionError:
        return ProofFailure("the tree is nested too deeply to be printed", "")
    try:
        found = rendition_of_canonical(session, generated, expected=canonical.text)
    except (InvalidQuery, UnreadableRendition) as error:
        return ProofFailure(f"PostgreSQL refuses the generated SQL: {error}", generated)
    if not found.at_rest or found.text != canonical.text:
        return ProofFailure("PostgreSQL prints the generated SQL differently", generated)
    if not same_rule_tree(found.source_tree, canonical.tree):
        return ProofFailure("PostgreSQL understands the generated SQL differently", generated)
    if found.columns != canonical.columns:
        return ProofFailure("the generated SQL has other columns", generated)
    return None
