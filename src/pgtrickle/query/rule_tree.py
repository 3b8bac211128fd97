"""The rule tree of a view (pg_rewrite.ev_action), compared without what is presentation only."""

from __future__ import annotations

import re

_TOKEN = r"(?:\\.|[^\s\\(){}])*"
_ALIAS = re.compile(
    rf'\{{ALIAS :aliasname {_TOKEN} :colnames (?:<>|\((?:"(?:\\.|[^"\\])*"|\s)*\))\}}', re.DOTALL
)
_PRESENTATION = re.compile(
    r" :(?:"
    # where it stood in the text
    r"(?:location|stmt_location|stmt_len|list_start|list_end) -?\d+"
    # by which of several names a column was reached, and which columns were looked at
    r"|(?:varnosyn|varattnosyn|resorigtbl|resorigcol) -?\d+"
    r"|(?:selectedCols|varnullingrelssyn) \(b[ \d]*\)"
    # whether a call was written as a cast, as an operator or as a function
    r"|(?:funcformat|relabelformat|coerceformat|coercionformat|convertformat|row_format) \d+"
    # names of columns inside, which a set operation takes from its first branch alone (those of
    # the result are compared apart)
    rf"|resname {_TOKEN}"
    # names given to relations, NATURAL for USING
    r"|(?:alias|eref|join_using_alias) <>"
    r"|isNatural (?:true|false)"
    r")(?![^\s)}])"
)


def masked(tree: str, view: int) -> str:
    """Blank out of a rule tree what does not change the meaning of the query.

    `view` is the OID of the view the tree belongs to, which PostgreSQL 15 mentions in it.
    """
    text = _PRESENTATION.sub("", _ALIAS.sub("<>", tree))
    return re.sub(rf":relid {view}(?!\d)", ":relid self", text)
