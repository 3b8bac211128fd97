-- A refresh sees without looking at any buffer that nothing was captured since the last one.

alter table pgtrickle.pgt_frontiers add column quiet_seq bigint;
comment on column pgtrickle.pgt_frontiers.quiet_seq is 'Change sequence number at which nothing was pending and nobody in flight had drawn one: nothing is while no other is drawn. Null where a refresh under this stamp has yet to find out';
