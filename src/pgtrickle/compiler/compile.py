"""Compilation: canonical text, tree, proof, algebra, delta rules, plan.

Whatever stands in the way of incremental maintenance ends in a plan of mode FULL that says so;
only what PostgreSQL itself refuses is an error here.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from pgtrickle import __version__
from pgtrickle.compiler.advice import advise
from pgtrickle.compiler.clock import check_clock
from pgtrickle.compiler.facts import DatabaseFacts
from pgtrickle.compiler.fan_out import fan_out
from pgtrickle.compiler.functions import check_functions, groups_as_compared
from pgtrickle.compiler.json_values import check_json_values
from pgtrickle.compiler.outline import outline
from pgtrickle.compiler.storable import check_states, check_storable
from pgtrickle.database import Session, pinned_search_path
from pgtrickle.delta.aggregate import Analysis
from pgtrickle.delta.apply import apply
from pgtrickle.delta.choices import Choosing, violations
from pgtrickle.delta.maintenance import Maintenance
from pgtrickle.delta.relation import select
from pgtrickle.delta.rules import RULES, prepare
from pgtrickle.delta.state import States, fit_an_index
from pgtrickle.delta.target import Target
from pgtrickle.plan import TIME, Check, Identity, Lineage, Plan, Source, State
from pgtrickle.query.algebra import (
    Filter,
    Node,
    Project,
    Recursion,
    TopN,
    Window,
    moves,
    scans,
    walk_nodes,
)
from pgtrickle.query.canonical import Canonical, canonicalise
from pgtrickle.query.functions import function_uses_of_tree
from pgtrickle.query.keys import group_key, keys
from pgtrickle.query.lineage import lineage
from pgtrickle.query.lowering import NotIncremental, lower
from pgtrickle.query.moments import with_moments
from pgtrickle.query.moving import separate_moments
from pgtrickle.query.names import quote_identifier
from pgtrickle.query.parse import QueryTooDeep, UnsupportedSyntax, parse
from pgtrickle.query.prove import prove
from pgtrickle.query.pruning import prune
from pgtrickle.query.pushdown import push_down
from pgtrickle.query.rendition import InvalidQuery
from pgtrickle.query.sharing import unshared
from pgtrickle.query.statement import Query
from pgtrickle.query.views import inline_views


def compile_query(session: Session, query: str) -> Plan:
    """Compile a query, read under the session's settings.

    Needs the rights to read its sources and to create temporary objects; leaves nothing behind.
    Raises InvalidQuery and InvalidSyntax for what PostgreSQL itself refuses.
    """
    canonical = canonicalise(session, query)
    try:
        with pinned_search_path(session) as path:
            return _differential(session, canonical, path)
    except NotIncremental as obstacle:
        return _full(canonical, obstacle.construct, obstacle.reason)
    except (UnsupportedSyntax, QueryTooDeep) as obstacle:
        return _full(canonical, "syntax", str(obstacle))
    except RecursionError:
        return _full(canonical, "syntax", "the query is nested too deeply")
    except InvalidQuery as error:  # of what was generated, for the query itself is canonical
        return _full(canonical, "generated SQL", str(error))


def _full(canonical: Canonical, construct: str, reason: str) -> Plan:
    return Plan(
        query=canonical.text,
        mode="FULL",
        compiler=__version__,
        construct=construct,
        reason=f"{construct}: {reason}",
    )


def _differential(session: Session, canonical: Canonical, path: list[str]) -> Plan:
    facts = DatabaseFacts(session, path)
    facts.check_settings()
    tree, one_equality = _trusted_tree(session, canonical, facts)
    lowered = lower(tree, facts, one_equality=one_equality)
    if one_equality and not facts.has_one_equality(lowered.node):
        one_equality = False
        lowered = lower(tree, facts, one_equality=False)
    root = separate_moments(prune(push_down(unshared(lowered.node))))
    check_storable(root)
    sources = _sources(root)  # none for a query of constants, which then has no deltas
    states = States(facts, one_equality)
    numbers = {source.relid: number for number, source in enumerate(sources)}

    def maintenance(changed: frozenset[int]) -> Maintenance:
        return Maintenance(RULES, numbers, changed, states)

    target = _target(root, canonical, facts)
    prepare(root, target, maintenance(frozenset()))
    check_states(root, states, facts)
    expensive = fan_out(root, states)
    sources = tuple(replace(s, fans_out=s.relid in expensive) for s in sources)
    variants = {str(number): frozenset({number}) for number in numbers.values()}
    if len(sources) > 1:
        variants["*"] = frozenset(numbers.values())
    if sources and moves(root):
        variants[TIME] = frozenset()
    deltas = {}
    for name, changed in variants.items():
        variant = maintenance(changed)
        if not variant.is_changed(root):
            raise NotIncremental("sources", "no source contributes to the result")
        deltas[name] = apply(root, target, variant)
    return Plan(
        query=canonical.text,
        mode="DIFFERENTIAL",
        compiler=__version__,
        target=target.token,
        sources=sources,
        identity=_identity(target),
        state=_states(root, states),
        deltas=deltas,
        tree=tuple(outline(root, states)),
        open=(left_open := _left_open(root, states)),
        result=_result(root, target, maintenance(frozenset())) if left_open else None,
        advice=advise(root, states),
        check=_check(root, target, maintenance(frozenset()), left_open),
        lineage=tuple(
            Lineage(column.name, numbers[relid], name)
            for column, origins in zip(target.columns, lineage(root), strict=True)
            for relid, name in sorted(origins)
        ),
    )


def _trusted_tree(
    session: Session, canonical: Canonical, facts: DatabaseFacts
) -> tuple[Query, bool]:
    """The tree of the query, views inlined: proved to mean what the user's query means.

    And whether its comparisons have the equality that groups have.
    """
    if canonical.obstacle is not None:
        raise NotIncremental("canonical form", canonical.obstacle)
    tree = parse(canonical.text)
    failure = prove(session, canonical, tree)
    if failure is not None:
        raise NotIncremental("proof", failure.reason)
    facts.catalog.read_relations(canonical.relations)
    inlined = inline_views(session, tree, facts.catalog)
    for view in inlined.opaque_views:
        raise NotIncremental(f"view {view.schema}.{view.name}", view.reason)
    trees = [canonical.tree, *(view.tree for view in inlined.views.values())]
    uses = function_uses_of_tree(session, " ".join(trees))
    check_functions(uses)
    check_clock(session, inlined.query)
    check_json_values(session, inlined.query)
    facts.read_functions(inlined.query)
    return with_moments(inlined.query), groups_as_compared(uses)


MOST_COLUMNS = 1597
"""A table has at most 1,600; three of a change buffer are its own."""


def _sources(root: Node) -> tuple[Source, ...]:
    """Captured relations in order of OID, each with all columns any scan of it reads."""
    columns: dict[int, dict[str, None]] = {}
    whole = set()
    for scan in scans(root):
        columns.setdefault(scan.relid, {}).update({name: None for _, name in scan.columns})
        if scan.whole:
            whole.add(scan.relid)
    if any(len(names) > MOST_COLUMNS for names in columns.values()):
        raise NotIncremental("columns", f"a change buffer holds at most {MOST_COLUMNS} of a table")
    return tuple(Source(relid, tuple(columns[relid]), relid in whole) for relid in sorted(columns))


def _states(root: Node, states: States) -> tuple[State, ...]:
    """The state tables; what stands at the top is joined with nothing."""
    top = root
    while isinstance(top, Project | Filter):
        top = top.child
    return tuple(
        State(
            table.name,
            table.fill,
            table.key,
            table.unique,
            () if owner == id(top) else table.lookup,
        )
        for owner, table in states.tables.items()
    )


def _result(root: Node, target: Target, maintenance: Maintenance) -> str:
    """The stream table's rows as `maintenance` computes them from nothing."""
    values = [
        f"({id})::{column.type} AS {quote_identifier(column.name)}"
        for id, column in zip(root.ids, target.columns, strict=True)
    ]
    return select(values, f"FROM {maintenance.initial(root).source('r')}")


def _check(
    root: Node, target: Target, maintenance: Maintenance, left_open: tuple[str, ...]
) -> Check | None:
    """How to verify what PostgreSQL chose, and the result with these choices."""
    choosing = Choosing.of(maintenance, root)
    if not choosing.states.tables:
        return None
    unchosen = None
    if "ties" not in left_open:
        unchosen = _result(root, target, Choosing.anew(maintenance))
    return Check(_result(root, target, choosing), tuple(violations(root, choosing)), unchosen)


def _left_open(root: Node, states: States) -> tuple[str, ...]:
    """What PostgreSQL itself leaves open in the result."""
    found = set()
    for node in walk_nodes(root):
        analysis = states.analyses.get(id(node))  # none where nothing is kept
        if isinstance(analysis, Analysis) and not analysis.keys_are_images:
            found.add("keys")
        elif isinstance(analysis, Analysis) and analysis.is_open:
            found.add("order")
        if isinstance(node, TopN | Window):
            found.add("ties")
        if isinstance(node, Recursion) and analysis and node.distinct and not analysis.same_image:
            found.add("keys")
    return tuple(sorted(found))


def _target(root: Node, canonical: Canonical, facts: DatabaseFacts) -> Target:
    """The stream table; its key is the query's shortest, where the output holds one."""
    found = [key for key in keys(root) if key]
    chosen = found[0] if found else frozenset(group_key(root) or ())
    key = tuple(i for i, id in enumerate(root.ids) if id in chosen)
    if not all(facts.compares(canonical.columns[i]) for i in key):
        found, key = [], ()
    columns = facts.output(canonical.columns)
    hashed = not fit_an_index(columns[i].width for i in key) or not found
    return Target(f"t_{uuid4().hex}", columns, key or None, hashed)


def _identity(target: Target) -> Identity:
    if target.key is None:
        return Identity("row")
    return Identity("key", tuple(target.columns[i].name for i in target.key), target.key_hashed)
