-- The delta's statement may be a program, and is told by its mark; programs go with the executor.

drop function if exists pgtrickle._refresh_by_delta(pgtrickle.pgt_stream_tables, jsonb, pgtrickle.pgt_frontiers, oid[], bigint[], text);
drop function if exists pgtrickle._drop_executor(bigint);
