-- Deltas for those sources, and those rows, alone that changed in what a query reads; another way to
-- tell what is cheaper.

drop function if exists pgtrickle._pending_sql(oid[]);
drop function if exists pgtrickle._aimed(text, text, oid);
drop function if exists pgtrickle._delta_sql(oid, jsonb, oid[], text, bigint[]);
drop function if exists pgtrickle._delta_program(pgtrickle.pgt_stream_tables, jsonb, text, oid[], text, bigint);
drop function if exists pgtrickle._pending_program(pgtrickle.pgt_stream_tables, text, oid[]);
drop function if exists pgtrickle._refresh_by_delta(pgtrickle.pgt_stream_tables, jsonb, pgtrickle.pgt_frontiers, oid[], bigint[], text, pg_snapshot, text);
drop function if exists pgtrickle._which_changed(bigint, pgtrickle.pgt_frontiers, text);
drop function if exists pgtrickle._expected_ms(bigint, bigint);
drop function if exists pgtrickle._has_recomputed(bigint);
