"""`pgtrickle demo`: dbt builds stream tables over a year of flights, and they keep up with it.

data        the published files, copied into the schema `feed`
feed.sql    the tables the models read (schema `nyc`), and what plays the year into them
calendar    which days belong to which batch
project     dbt on examples/flights
measure     one refresh or one recomputation, timed
play        the batches, one after the other
outcome     what was measured, per stream table
display     what the person at the terminal sees
run         all of it, in order
"""
