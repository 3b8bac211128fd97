"""TPC-DS: its queries as stream tables, against recomputing them."""
