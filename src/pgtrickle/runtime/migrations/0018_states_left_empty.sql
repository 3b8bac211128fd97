-- Where as much changes each time, recomputing leaves states empty.

alter table pgtrickle.pgt_frontiers add column states_are_empty boolean not null default false;
alter table pgtrickle.pgt_refresh_history add column without_states boolean not null default false;

comment on column pgtrickle.pgt_frontiers.states_are_empty is 'Whether the last refresh left the plan''s state tables empty: the next change of a source is not followed by delta';
comment on column pgtrickle.pgt_refresh_history.without_states is 'Whether the table was recomputed and its plan''s state tables left empty, which takes less';

drop function if exists pgtrickle._past_refreshes(bigint);
drop function if exists pgtrickle._recompute_is_cheaper(pgtrickle.pgt_stream_tables, oid[], bigint);
drop function if exists pgtrickle._refresh_by_recompute(pgtrickle.pgt_stream_tables, jsonb, pgtrickle.pgt_frontiers);
