-- Tables of what holds refreshes back (gates, watermarks, the fuse's memory), of refresh groups and
-- of snapshots; of pauses and subscriptions. Columns of the contract's tables are the contract's.

create table pgtrickle.pgt_source_gates (
    source_relid  oid primary key,
    gated         boolean not null default true,
    gated_at      timestamptz not null default now(),
    ungated_at    timestamptz,
    gated_by      text,
    -- ours: a source rebuilt under its name stays gated
    source_schema text not null,
    source_name   text not null
);
comment on table pgtrickle.pgt_source_gates is 'Sources closed by gate_source: stream tables that read one are not refreshed until it is opened';

create table pgtrickle.pgt_watermarks (
    source_relid       oid primary key,
    watermark          timestamptz not null,
    updated_at         timestamptz not null default now(),
    advanced_by        text,
    wal_lsn_at_advance text,
    constraint moments_are_finite check (isfinite(watermark) and isfinite(updated_at))
);
comment on table pgtrickle.pgt_watermarks is 'Up to which time each source is complete, as its loader says';

create table pgtrickle.pgt_watermark_groups (
    group_id       serial primary key,
    group_name     text unique not null,
    source_relids  oid[] not null,
    tolerance_secs double precision not null default 0,
    created_at     timestamptz not null default now(),
    -- ours
    created_by     oid not null default to_regrole(quote_ident(current_user))::oid,
    constraint tolerance_is_a_time check (tolerance_secs between 0 and 1e300)
);
comment on table pgtrickle.pgt_watermark_groups is 'Sources that must be equally complete before a stream table that reads two of them is refreshed';

create table pgtrickle.pgt_refresh_groups (
    group_id    serial primary key,
    group_name  text not null unique,
    member_oids oid[] not null,
    isolation   text not null default 'read_committed' check (isolation in ('read_committed', 'repeatable_read')),
    created_at  timestamptz not null default now(),
    -- ours
    created_by  oid not null default to_regrole(quote_ident(current_user))::oid
);
comment on table pgtrickle.pgt_refresh_groups is 'Stream tables to be refreshed together; repeatable_read: at one snapshot';

create table pgtrickle.pgt_fuse_observations (
    pgt_id   bigint primary key references pgtrickle.pgt_stream_tables (pgt_id) on delete cascade,
    exceeded integer not null
);
comment on table pgtrickle.pgt_fuse_observations is 'How many refreshes in a row met more changes than the fuse''s ceiling, and went ahead because its sensitivity asks for more';

create table pgtrickle.pgt_snapshots (
    snapshot_schema text not null,
    snapshot_table  text not null,
    pgt_id          bigint references pgtrickle.pgt_stream_tables (pgt_id) on delete set null,
    created_at      timestamptz not null default now(),
    row_count       bigint not null,
    frontier        jsonb,
    created_by      oid not null default to_regrole(quote_ident(current_user))::oid,
    primary key (snapshot_schema, snapshot_table)
);
comment on table pgtrickle.pgt_snapshots is 'Copies made by snapshot_stream_table';

grant select, insert, update, delete
    on pgtrickle.pgt_source_gates, pgtrickle.pgt_watermarks, pgtrickle.pgt_watermark_groups,
       pgtrickle.pgt_refresh_groups, pgtrickle.pgt_fuse_observations, pgtrickle.pgt_snapshots
    to public;
grant usage on all sequences in schema pgtrickle to public;

-- Every refresh must see every gate; who writes a source says when it may be read. The name and the
-- OID may be those of two tables, for a source may be rebuilt: then both must be writable, and one of
-- them where the other is gone.
alter table pgtrickle.pgt_source_gates enable row level security;
create policy everybody_sees on pgtrickle.pgt_source_gates for select using (true);
create policy writers_decide on pgtrickle.pgt_source_gates
    using (coalesce(
        has_table_privilege(source_relid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            and has_table_privilege(to_regclass(format('%I.%I', source_schema, source_name)), 'INSERT, UPDATE, DELETE, TRUNCATE'),
        has_table_privilege(source_relid, 'INSERT, UPDATE, DELETE, TRUNCATE'),
        has_table_privilege(to_regclass(format('%I.%I', source_schema, source_name)), 'INSERT, UPDATE, DELETE, TRUNCATE')))
    with check (coalesce(
        has_table_privilege(source_relid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            and has_table_privilege(to_regclass(format('%I.%I', source_schema, source_name)), 'INSERT, UPDATE, DELETE, TRUNCATE'),
        has_table_privilege(source_relid, 'INSERT, UPDATE, DELETE, TRUNCATE'),
        has_table_privilege(to_regclass(format('%I.%I', source_schema, source_name)), 'INSERT, UPDATE, DELETE, TRUNCATE')));
alter table pgtrickle.pgt_watermarks enable row level security;
create policy everybody_sees on pgtrickle.pgt_watermarks for select using (true);
create policy writers_decide on pgtrickle.pgt_watermarks
    using (has_table_privilege(source_relid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
    with check (has_table_privilege(source_relid, 'INSERT, UPDATE, DELETE, TRUNCATE'));
alter table pgtrickle.pgt_watermark_groups enable row level security;
create policy everybody_sees on pgtrickle.pgt_watermark_groups for select using (true);
create policy creator_decides on pgtrickle.pgt_watermark_groups
    using (pg_has_role(created_by, 'USAGE')) with check (pg_has_role(created_by, 'USAGE'));
alter table pgtrickle.pgt_refresh_groups enable row level security;
create policy everybody_sees on pgtrickle.pgt_refresh_groups for select using (true);
create policy creator_decides on pgtrickle.pgt_refresh_groups
    using (pg_has_role(created_by, 'USAGE')) with check (pg_has_role(created_by, 'USAGE'));
alter table pgtrickle.pgt_fuse_observations enable row level security;
create policy with_stream_table on pgtrickle.pgt_fuse_observations
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_fuse_observations.pgt_id and pg_has_role(s.pgt_owner, 'USAGE')));
alter table pgtrickle.pgt_snapshots enable row level security;
create policy creator_only on pgtrickle.pgt_snapshots
    using (pg_has_role(created_by, 'USAGE')) with check (pg_has_role(created_by, 'USAGE'));

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
