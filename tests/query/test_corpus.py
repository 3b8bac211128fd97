"""Every query of the corpus is read, printed and proved to mean what it meant."""

from __future__ import annotations

import pytest

from pgtrickle.query.canonical import canonicalise
from pgtrickle.query.parse import parse
from pgtrickle.query.prove import prove
from pgtrickle.query.render import render

pytestmark = pytest.mark.every_server


def test_query_is_proved(corpus_query, corpus_session, server_version):
    session = corpus_session(corpus_query.corpus, server_version)
    corpus_query.skip_unless_understood(session)
    canonical = canonicalise(session, corpus_query.sql)
    if corpus_query.flaw is not None:
        assert canonical.obstacle is not None
        return
    assert canonical.obstacle is None
    tree = parse(canonical.text)
    assert parse(render(tree)) == tree
    assert prove(session, canonical, tree) is None


def test_canonical_text_is_canonical(corpus_query, corpus_session, server_version):
    session = corpus_session(corpus_query.corpus, server_version)
    corpus_query.skip_unless_understood(session)
    canonical = canonicalise(session, corpus_query.sql)
    if corpus_query.flaw == "unreadable":
        return
    session.rows("set search_path = pg_catalog")
    try:
        again = canonicalise(session, canonical.text)
    finally:
        session.rows("reset search_path")
    assert (again.text, again.columns) == (canonical.text, canonical.columns)
