-- States that will hold many rows are filled before they are indexed.
drop function if exists pgtrickle._empty_states(jsonb);
