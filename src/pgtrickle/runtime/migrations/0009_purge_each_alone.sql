-- Buffers were purged, and what nobody uses was dropped, in one transaction that kept all its locks.

drop function if exists pgtrickle._purge_all(bigint);
