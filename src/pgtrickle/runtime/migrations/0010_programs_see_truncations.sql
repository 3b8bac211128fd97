-- Programs are told apart by the catalogs' stamp, and read truncations with the changes.

drop function if exists pgtrickle._program_mark(pgtrickle.pgt_stream_tables, jsonb, oid[]);
drop function if exists pgtrickle._changes_sql(oid, text[]);
