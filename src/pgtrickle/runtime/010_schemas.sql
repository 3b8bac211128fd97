-- Schemas of the portable engine. `pgtrickle` is the contract; the other two hold what no user
-- reads: state of stream tables, and captured changes.

create schema pgtrickle;
comment on schema pgtrickle is 'Stream tables: functions, catalog and views of dbt-pgtrickle (portable engine)';

create schema pgtrickle_state;
comment on schema pgtrickle_state is 'Hidden state of stream tables and their executor functions; each object belongs to its stream table''s owner';

create schema pgtrickle_changes;
comment on schema pgtrickle_changes is 'Captured changes of source tables; written by capture triggers only';

grant usage on schema pgtrickle, pgtrickle_state, pgtrickle_changes to public;
