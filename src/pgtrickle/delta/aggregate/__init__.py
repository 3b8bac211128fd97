"""GROUP BY and DISTINCT.

With groups K touched by the child's delta, and the state table S as it stands at the frontier:

    old(γ) = S
    δ(γ)   = Σ over K of  - row(S_k)  + row(S_k + Δ_k)        Δ_k from the child's delta
    new(γ) = (S without K) + the new rows of K

Groups that cannot be carried forward are aggregated afresh from new(child) restricted to their
keys. The delta of one Aggregate is these common table expressions (n is the state table's
number):

    g_n   the child's delta, grouped: what each touched group gains and loses (grouped a first time
          before it is joined, where that comes to the same: `eager`)
    m_n   each with its state: old and new parts, whether it existed, whether to go afresh
    r_n, a_n   the groups to go afresh, and their parts (only where an aggregate needs it)
    v_n_x, w_n_x, y_n_x, z_n_x   for an aggregate x that looks at single values: by how much the
          number of rows of each value changed, in which groups that matters, what the number was,
          and how many values came or went in a group
    f_n   old and new output row of each touched group, and whether they differ

and the changes of the state table itself. Group keys may be NULL; then groups are matched by a
hash of the key, rechecked with IS NOT DISTINCT FROM, for no index serves that operator.
Where equal values of a key's type print differently (1.0 and 1.00), a group shows the key of a
row that is there. The row it was taken from may go; a group that lost such a row goes afresh.
"""

from __future__ import annotations

from pgtrickle.delta.aggregate.analysis import Analysis, asked
from pgtrickle.delta.aggregate.chosen import chosen
from pgtrickle.delta.aggregate.rules import AGGREGATE, prepare
from pgtrickle.delta.aggregate.touched import touched_groups
from pgtrickle.delta.aggregate.visible import Grouped, grouped, make_visible

__all__ = [
    "AGGREGATE",
    "Analysis",
    "Grouped",
    "asked",
    "chosen",
    "grouped",
    "make_visible",
    "prepare",
    "touched_groups",
]
