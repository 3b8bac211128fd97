-- A query that is analyzed is described once, for all that ask.

drop function if exists pgtrickle._probe_functions(oid);
drop function if exists pgtrickle._user_functions_of(oid);
drop function if exists pgtrickle._check_probe(oid);

-- A buffer has its columns from the start.

drop function if exists pgtrickle._prepare_capture(oid, name);
