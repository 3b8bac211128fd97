-- A refresh tells the purge how much it has read, so that what others are about to read is not moved; a
-- statement says which sources it has written.

drop function if exists pgtrickle._purge(oid, bigint, boolean);
drop function if exists pgtrickle._purge_consumed(oid[], bigint);
drop function if exists pgtrickle._program_of_changed(bigint, pgtrickle.pgt_frontiers, text);
