-- To analyze a query tells which functions of users it calls, so that this is not asked again.

drop function if exists pgtrickle._analyze_query(text, text);
drop function if exists pgtrickle._analyze_stored(pgtrickle.pgt_stream_tables);
drop function if exists pgtrickle._store_dependencies(bigint, jsonb);
