create table pgtrickle.pgt_cron_times (
    pgt_id    bigint primary key references pgtrickle.pgt_stream_tables (pgt_id) on delete cascade,
    schedule  text not null,
    time_zone text not null,
    due_times timestamptz[] not null
);
comment on table pgtrickle.pgt_cron_times is 'The next times of cron schedules, as a worker computed them';
grant select, insert, update, delete on pgtrickle.pgt_cron_times to public;
alter table pgtrickle.pgt_cron_times enable row level security;
create policy with_stream_table on pgtrickle.pgt_cron_times
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_cron_times.pgt_id and pg_has_role(s.pgt_owner, 'USAGE')));
