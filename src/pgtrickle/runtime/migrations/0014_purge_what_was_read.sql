-- A refresh tells the purge how much it has read, so that what others are about to read is not moved.

drop function if exists pgtrickle._purge(oid, bigint, boolean);
drop function if exists pgtrickle._purge_consumed(oid[], bigint);
