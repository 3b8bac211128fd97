"""Measurements anyone can repeat: ``make bench``.

Every figure is a ratio taken in one run on one server: a refresh against
REFRESH MATERIALIZED VIEW of the same query after the same changes, alternating, medians over some
cycles, results verified equal at the end.
"""
