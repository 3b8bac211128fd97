-- The catalog. Columns of the first three tables are those of the pg_trickle contract, so that
-- tools written for the extension find what they look for; what is ours alone stands in tables of
-- its own (plans, frontiers, captures) or at the end.

create table pgtrickle.pgt_schema_version (
    version     text primary key,
    applied_at  timestamptz not null default now(),
    description text,
    -- ours
    migration   integer not null,
    fingerprint text not null
);
comment on table pgtrickle.pgt_schema_version is 'Versions of the runtime installed in this database, newest last';
comment on column pgtrickle.pgt_schema_version.migration is 'Number of the last migration the catalog has';
comment on column pgtrickle.pgt_schema_version.fingerprint is 'Tells two builds of one version apart';

create table pgtrickle.pgt_routines (
    name text primary key
);
comment on table pgtrickle.pgt_routines is 'The functions the installed runtime consists of; others in this schema are somebody else''s';

create table pgtrickle.pgt_stream_tables (
    pgt_id                      bigserial primary key,
    pgt_relid                   oid not null unique,
    pgt_name                    text not null,
    pgt_schema                  text not null,
    defining_query              text not null,
    original_query              text,
    schedule                    text,
    refresh_mode                text not null default 'DIFFERENTIAL',
    status                      text not null default 'INITIALIZING'
        check (status = any ('{INITIALIZING,ACTIVE,SUSPENDED,ERROR}')),
    is_populated                boolean not null default false,
    data_timestamp              timestamptz,
    frontier                    jsonb,
    last_refresh_at             timestamptz,
    consecutive_errors          integer not null default 0,
    needs_reinit                boolean not null default false,
    auto_threshold              double precision,
    last_full_ms                double precision,
    functions_used              text[],
    topk_limit                  integer,
    topk_order_by               text,
    topk_offset                 integer,
    diamond_consistency         text not null default 'atomic',
    diamond_schedule_policy     text not null default 'fastest',
    has_keyless_source          boolean not null default false,
    function_hashes             text,
    requested_cdc_mode          text,
    is_append_only              boolean not null default false,
    scc_id                      integer,
    last_fixpoint_iterations    integer,
    max_differential_joins      integer,
    max_delta_fraction          double precision,
    pooler_compatibility_mode   boolean not null default false,
    refresh_tier                text not null default 'hot',
    effective_refresh_mode      text,
    fuse_mode                   text not null default 'off',
    fuse_state                  text not null default 'armed',
    fuse_ceiling                bigint,
    fuse_sensitivity            integer,
    blown_at                    timestamptz,
    blow_reason                 text,
    last_error_message          text,
    last_error_at               timestamptz,
    downstream_publication_name text,
    freshness_deadline_ms       bigint,
    st_partition_key            text,
    st_placement                text not null default 'local',
    temporal_mode               boolean not null default false,
    storage_backend             text not null default 'heap',
    post_refresh_action         text not null default 'none',
    created_at                  timestamptz not null default now(),
    updated_at                  timestamptz not null default now(),
    -- ours
    requested_refresh_mode      text not null default 'AUTO',
    refresh_reason              text,
    last_error_code             text,
    defining_search_path        text not null,
    defining_settings           jsonb not null default '{}',
    pgt_owner                   oid not null,
    st_partitions               oid[],
    unique (pgt_schema, pgt_name),
    -- Each check is read and planned anew by each refresh, which updates the row; what it does not write
    -- is checked by a trigger (032). What the scheduler reckons with for all owners: none may bring it to an error.
    constraint moments_are_finite check (
        isfinite(data_timestamp) and isfinite(last_refresh_at) and isfinite(last_error_at) and isfinite(blown_at))
);
comment on table pgtrickle.pgt_stream_tables is 'One row per stream table';
comment on column pgtrickle.pgt_stream_tables.defining_query is 'Canonical text: what PostgreSQL itself understands the query to be, fully qualified';
comment on column pgtrickle.pgt_stream_tables.original_query is 'The text the user gave';
comment on column pgtrickle.pgt_stream_tables.schedule is 'Duration or cron expression; null is CALCULATED, from what stands downstream';
comment on column pgtrickle.pgt_stream_tables.requested_refresh_mode is 'The mode asked for; AUTO may stand here';
comment on column pgtrickle.pgt_stream_tables.refresh_reason is 'Why the table is recomputed although that was not asked for';
comment on column pgtrickle.pgt_stream_tables.defining_search_path is 'search_path at creation, pinned at every refresh';
comment on column pgtrickle.pgt_stream_tables.defining_settings is 'Further settings the query''s meaning depends on, pinned at every refresh: {"TimeZone": "UTC", ...}';
comment on column pgtrickle.pgt_stream_tables.pgt_owner is 'Role that owns the table and as which it is refreshed';
comment on column pgtrickle.pgt_stream_tables.st_partitions is 'Partitions of a partitioned stream table that a refresh has seen';

create table pgtrickle.pgt_dependencies (
    pgt_id                  bigint not null references pgtrickle.pgt_stream_tables (pgt_id) on delete cascade,
    source_relid            oid not null,
    source_type             text not null
        check (source_type in ('TABLE', 'STREAM_TABLE', 'VIEW', 'MATVIEW', 'FOREIGN_TABLE')),
    columns_used            text[],
    column_snapshot         jsonb,
    schema_fingerprint      text,
    cdc_mode                text not null default 'TRIGGER'
        check (cdc_mode in ('TRIGGER', 'TRANSITIONING', 'WAL')),
    slot_name               text,
    decoder_confirmed_lsn   pg_lsn,
    transition_started_at   timestamptz,
    source_stable_name      text,
    source_placement        text not null default 'local',
    -- ours: how a source is recognised when its OID changes, and what capture cannot see
    source_schema           text not null,
    source_name             text not null,
    source_number           integer,
    source_storage          jsonb,
    primary key (pgt_id, source_relid)
);
create index on pgtrickle.pgt_dependencies (source_relid);
comment on table pgtrickle.pgt_dependencies is 'What each stream table reads';
comment on column pgtrickle.pgt_dependencies.source_number is 'Position in the plan''s sources; null when the plan captures nothing from it';
comment on column pgtrickle.pgt_dependencies.source_storage is '{"<member oid>": "relfilenode/version as a partition", ..., "epoch": capture epoch} of the source and its partitions when it was last read';

create table pgtrickle.pgt_refresh_history (
    refresh_id              bigserial primary key,
    pgt_id                  bigint not null references pgtrickle.pgt_stream_tables (pgt_id) on delete cascade,
    data_timestamp          timestamptz not null,
    start_time              timestamptz not null,
    end_time                timestamptz,
    action                  text not null
        check (action in ('NO_DATA', 'FULL', 'DIFFERENTIAL', 'REINITIALIZE', 'SKIP')),
    rows_inserted           bigint default 0,
    rows_deleted            bigint default 0,
    delta_row_count         bigint default 0,
    merge_strategy_used     text,
    was_full_fallback       boolean not null default false,
    error_message           text,
    status                  text not null
        check (status in ('RUNNING', 'COMPLETED', 'FAILED', 'SKIPPED')),
    initiated_by            text
        check (initiated_by in ('SCHEDULER', 'MANUAL', 'INITIAL', 'SELF_MONITOR')),
    freshness_deadline      timestamptz,
    tick_watermark_lsn      pg_lsn,
    fixpoint_iteration      integer,
    -- ours
    reason                  text,
    error_code              text,
    without_states          boolean not null default false,
    constraint moments_are_of_our_time check (
        isfinite(data_timestamp)
        and start_time between '2000-01-01 00:00+00' and '3000-01-01 00:00+00'
        and end_time between '2000-01-01 00:00+00' and '3000-01-01 00:00+00')
);
create index on pgtrickle.pgt_refresh_history (pgt_id, refresh_id desc);
comment on table pgtrickle.pgt_refresh_history is 'One row per refresh; rows_inserted and rows_deleted each count an updated row once';
comment on column pgtrickle.pgt_refresh_history.delta_row_count is 'Captured rows read from all sources';
comment on column pgtrickle.pgt_refresh_history.reason is 'Why this action was chosen';
comment on column pgtrickle.pgt_refresh_history.without_states is 'Whether the table was recomputed and its plan''s state tables left empty, which takes less';

create table pgtrickle.pgt_plans (
    pgt_id       bigint primary key references pgtrickle.pgt_stream_tables (pgt_id) on delete cascade,
    plan_status  text not null default 'PENDING' check (plan_status in ('PENDING', 'COMPILED')),
    plan         jsonb,
    compiled_at  timestamptz
);
comment on table pgtrickle.pgt_plans is 'How each stream table is maintained; PENDING until a compiler has seen it, recomputed until then';
comment on column pgtrickle.pgt_plans.plan is 'The compiled plan; its form is described in the runtime''s README';

create table pgtrickle.pgt_offered_plans (
    offered_by  oid not null,
    query_md5   text not null,
    offered_xid xid8 not null default pg_current_xact_id(),
    plan        jsonb not null,
    primary key (offered_by, query_md5, offered_xid)
);
comment on table pgtrickle.pgt_offered_plans is 'Plans compiled for a query that this transaction is about to create or alter; gone at its end';

create table pgtrickle.pgt_frontiers (
    pgt_id     bigint primary key references pgtrickle.pgt_stream_tables (pgt_id) on delete cascade,
    snapshot   pg_snapshot,
    own_xid    xid8,
    own_seq    bigint,
    cluster_id text,
    locked_by  xid8,
    moment     timestamptz,
    statement_moment timestamptz,
    stamp      text,
    quiet_seq  bigint,
    states_are_empty boolean not null default false
);
comment on table pgtrickle.pgt_frontiers is 'What each stream table has consumed, and the row every refresh of it locks';
comment on column pgtrickle.pgt_frontiers.snapshot is 'Snapshot of the statement that last read the sources';
comment on column pgtrickle.pgt_frontiers.own_seq is 'Last change sequence number consumed of those written by own_xid itself';
comment on column pgtrickle.pgt_frontiers.quiet_seq is 'Change sequence number at which nothing was pending and nobody in flight had drawn one: nothing is while no other is drawn. Null where a refresh under this stamp has yet to find out';
comment on column pgtrickle.pgt_frontiers.moment is 'now() of the last refresh: what the query said of time then';
comment on column pgtrickle.pgt_frontiers.statement_moment is 'statement_timestamp() of the last refresh';
comment on column pgtrickle.pgt_frontiers.states_are_empty is 'Whether the last refresh left the plan''s state tables empty: the next change of a source is not followed by delta';
comment on column pgtrickle.pgt_frontiers.stamp is 'What _catalog_stamp was when a refresh last found that nothing it relies on had changed';
comment on column pgtrickle.pgt_frontiers.cluster_id is 'Server and database the snapshot belongs to; after a dump and restore it means nothing';

create table pgtrickle.pgt_cron_times (
    pgt_id    bigint primary key references pgtrickle.pgt_stream_tables (pgt_id) on delete cascade,
    schedule  text not null,
    time_zone text not null,
    due_times timestamptz[] not null
);
comment on table pgtrickle.pgt_cron_times is 'The next times of cron schedules, as a worker computed them';

create table pgtrickle.pgt_captures (
    source_relid oid primary key,
    cdc_mode     text not null default 'TRIGGER' check (cdc_mode in ('TRIGGER', 'WAL')),
    wal_until    pg_lsn,
    obstacle     text,
    columns      text[] not null,
    segments     integer not null default 2,
    epoch        integer not null default 1,
    triggers     text,
    cluster_id   text,
    installed_by xid8,
    purged_by    xid8,
    archived_from  xid8,
    archived_until xid8,
    archived_by    xid8,
    unused_since timestamptz,
    created_at   timestamptz not null default now()
);
comment on table pgtrickle.pgt_captures is 'Sources whose changes are captured, and the columns captured';
comment on column pgtrickle.pgt_captures.cdc_mode is 'TRIGGER: triggers write the buffer; WAL: a worker does, from the write-ahead log';
comment on column pgtrickle.pgt_captures.wal_until is 'Where the log was left for triggers: until it is decoded to here, the buffer lacks changes';
comment on column pgtrickle.pgt_captures.obstacle is 'Why changes are not read from the log although that was asked for';
comment on column pgtrickle.pgt_captures.epoch is 'Grows when changes may have been missed: every consumer then starts anew';
comment on column pgtrickle.pgt_captures.triggers is 'Fingerprint of the capture triggers, or of the place in the publication, as they were created; another one now means that somebody changed them';
comment on column pgtrickle.pgt_captures.cluster_id is 'Server and database the capture was made in';
comment on column pgtrickle.pgt_captures.installed_by is 'Transaction that last locked writers out to make the triggers: a snapshot it had taken before may miss what they wrote';
comment on column pgtrickle.pgt_captures.purged_by is 'Transaction that last emptied a segment; writing it makes a newcomer with an older snapshot fail instead of missing rows';
comment on column pgtrickle.pgt_captures.archived_until is 'Highest transaction of the changes in the archive: whose snapshot has none in flight up to it has consumed the archive; null when the archive is empty';
comment on column pgtrickle.pgt_captures.archived_by is 'Transaction that last moved changes to the archive, all of them committed then: whose snapshot sees it has consumed the archive';
comment on column pgtrickle.pgt_captures.archived_from is 'Changes of transactions before it are not in the archive any more';
comment on column pgtrickle.pgt_captures.unused_since is 'When its last consumer went, where the triggers could not be dropped then';

create table pgtrickle.pgt_wal_slot (
    slot_name   name primary key,
    decoded_lsn pg_lsn not null,
    decoded_by  xid8,
    decoded_at  timestamptz
);
comment on table pgtrickle.pgt_wal_slot is 'The replication slot by which a worker reads the log, and how far its changes are in the buffers; at most one row';
comment on column pgtrickle.pgt_wal_slot.decoded_lsn is 'Transactions committed before are in the buffers, others are not';
comment on column pgtrickle.pgt_wal_slot.decoded_by is 'Transaction that decoded last: it may refresh from what it has decoded, for it did so up to its own snapshot';

create sequence pgtrickle_changes.change_seq as bigint;
comment on sequence pgtrickle_changes.change_seq is 'Orders the changes of one transaction; one value per statement and source';
grant select on sequence pgtrickle_changes.change_seq to public;

create type pgtrickle.refresh_outcome as (
    pgt_id            bigint,
    status            text,
    action            text,
    rows_inserted     bigint,
    rows_deleted      bigint,
    delta_row_count   bigint,
    was_full_fallback boolean,
    reason            text,
    duration_ms       double precision,
    error_code        text,
    error_message     text
);
comment on type pgtrickle.refresh_outcome is 'What a refresh did: status COMPLETED, FAILED or SKIPPED; the rest as in pgt_refresh_history';

create table pgtrickle.settings (
    name        text primary key,
    value       text not null,
    unit        text,
    description text not null
);
comment on table pgtrickle.settings is 'Settings of the engine; a session placeholder pg_trickle.<name> overrides the row of that name';

create table pgtrickle.pgt_graph_turn ();
comment on table pgtrickle.pgt_graph_turn is
    'Empty. Who refreshes several stream tables at one snapshot locks it first, and so takes the snapshot when the one before has committed';
grant update on pgtrickle.pgt_graph_turn to public;

-- Rights: everybody may have stream tables; rows belong to the table's owner.
grant select, insert, update, delete
    on pgtrickle.pgt_stream_tables, pgtrickle.pgt_dependencies, pgtrickle.pgt_refresh_history,
       pgtrickle.pgt_plans, pgtrickle.pgt_offered_plans, pgtrickle.pgt_frontiers,
       pgtrickle.pgt_cron_times
    to public;
grant select on pgtrickle.pgt_schema_version, pgtrickle.pgt_captures, pgtrickle.pgt_wal_slot, pgtrickle.settings to public;
grant usage on all sequences in schema pgtrickle to public;

alter table pgtrickle.pgt_stream_tables enable row level security;
create policy owner_writes on pgtrickle.pgt_stream_tables
    using (pg_has_role(pgt_owner, 'USAGE'))
    with check (pg_has_role(pgt_owner, 'USAGE'));
create policy readers_see on pgtrickle.pgt_stream_tables for select
    using (has_table_privilege(pgt_relid, 'SELECT'));
alter table pgtrickle.pgt_offered_plans enable row level security;
create policy owner_only on pgtrickle.pgt_offered_plans
    using (pg_has_role(offered_by, 'USAGE')) with check (pg_has_role(offered_by, 'USAGE'));

alter table pgtrickle.pgt_dependencies enable row level security;
alter table pgtrickle.pgt_refresh_history enable row level security;
alter table pgtrickle.pgt_plans enable row level security;
alter table pgtrickle.pgt_frontiers enable row level security;
alter table pgtrickle.pgt_cron_times enable row level security;
create policy with_stream_table on pgtrickle.pgt_dependencies
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_dependencies.pgt_id and pg_has_role(s.pgt_owner, 'USAGE')));
create policy readers_see on pgtrickle.pgt_dependencies for select
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_dependencies.pgt_id));
create policy with_stream_table on pgtrickle.pgt_refresh_history
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_refresh_history.pgt_id and pg_has_role(s.pgt_owner, 'USAGE')));
create policy readers_see on pgtrickle.pgt_refresh_history for select
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_refresh_history.pgt_id));
create policy with_stream_table on pgtrickle.pgt_plans
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_plans.pgt_id and pg_has_role(s.pgt_owner, 'USAGE')));
create policy with_stream_table on pgtrickle.pgt_frontiers
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_frontiers.pgt_id and pg_has_role(s.pgt_owner, 'USAGE')));
create policy with_stream_table on pgtrickle.pgt_cron_times
    using (exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = pgt_cron_times.pgt_id and pg_has_role(s.pgt_owner, 'USAGE')));
