-- Functions that return other columns now.
drop function if exists pgtrickle._due(bigint[]);
drop function if exists pgtrickle._adrift();
drop function if exists pgtrickle._groups();

create table pgtrickle.pgt_scheduler_pauses (
    pgt_id    bigint primary key references pgtrickle.pgt_stream_tables (pgt_id) on delete cascade,
    paused_at timestamptz not null default now(),
    paused_by text not null default current_user
);
comment on table pgtrickle.pgt_scheduler_pauses is 'Stream tables that pause_scheduler keeps from being refreshed by their schedules';

create table pgtrickle.pgt_subscriptions (
    pgt_id     bigint not null references pgtrickle.pgt_stream_tables (pgt_id) on delete cascade,
    channel    text not null,
    created_at timestamptz not null default now(),
    primary key (pgt_id, channel)
);
comment on table pgtrickle.pgt_subscriptions is 'Channels that are notified when the rows of a stream table have changed';

grant select, insert, update, delete on pgtrickle.pgt_scheduler_pauses, pgtrickle.pgt_subscriptions to public;
alter table pgtrickle.pgt_scheduler_pauses enable row level security;
create policy with_stream_table on pgtrickle.pgt_scheduler_pauses
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_scheduler_pauses.pgt_id and pg_has_role(s.pgt_owner, 'USAGE')));
alter table pgtrickle.pgt_subscriptions enable row level security;
create policy with_stream_table on pgtrickle.pgt_subscriptions
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_subscriptions.pgt_id and pg_has_role(s.pgt_owner, 'USAGE')));
