-- Deltas for two sources, and for those rows alone that changed in what a query reads.

drop function if exists pgtrickle._pending_sql(oid[]);
drop function if exists pgtrickle._aimed(text, text, oid);
drop function if exists pgtrickle._delta_sql(oid, jsonb, oid[], text, bigint[]);
drop function if exists pgtrickle._delta_program(pgtrickle.pgt_stream_tables, jsonb, text, oid[], text, bigint);
drop function if exists pgtrickle._pending_program(pgtrickle.pgt_stream_tables, text, oid[]);
drop function if exists pgtrickle._refresh_by_delta(pgtrickle.pgt_stream_tables, jsonb, pgtrickle.pgt_frontiers, oid[], bigint[], text, pg_snapshot, text);
drop function if exists pgtrickle._which_changed(bigint, pgtrickle.pgt_frontiers, text);
