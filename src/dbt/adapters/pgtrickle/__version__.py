from __future__ import annotations

import pgtrickle

# dbt reads semantic versions, in which a development release is written with a hyphen.
version = pgtrickle.__version__.replace(".dev", "-dev")
