"""`python -m pgtrickle` is `pgtrickle`."""

from pgtrickle.cli import main

main()
