-- What a writer's statement asks is less, and some of it is asked when a program is planned.

drop function if exists pgtrickle._immediate_readers(oid);
drop function if exists pgtrickle._is_as_before(pgtrickle.pgt_stream_tables, pgtrickle.pgt_frontiers, oid[]);
drop function if exists pgtrickle._program_of_written(bigint, text);
drop function if exists pgtrickle._create_program(bigint, text, text, text, text, text);
drop function if exists pgtrickle._apply_program(bigint, pgtrickle.pgt_frontiers, text, bigint);

-- Recomputing says by what.

drop function if exists pgtrickle._recompute_by_row(pgtrickle.pgt_stream_tables, text, jsonb, pgtrickle.pgt_frontiers);
