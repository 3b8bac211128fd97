-- Catalog, CHECKs and the functions whose arguments never changed, from pg_trickle's install SQL.
create schema pgtrickle;
create schema pgtrickle_changes;
create table pgtrickle.calls (number serial, function text, arguments jsonb);
create table pgtrickle.pgt_stream_tables (
    pgt_id bigserial primary key,
    pgt_relid oid not null unique,
    pgt_name text not null,
    pgt_schema text not null,
    defining_query text not null,
    original_query text,
    schedule text,
    refresh_mode text not null default 'DIFFERENTIAL'
        check (refresh_mode in ('FULL', 'DIFFERENTIAL', 'IMMEDIATE')),
    status text not null default 'INITIALIZING'
        check (status in ('INITIALIZING', 'ACTIVE', 'SUSPENDED', 'ERROR')),
    is_populated bool not null default false,
    data_timestamp timestamptz,
    last_refresh_at timestamptz,
    consecutive_errors int not null default 0,
    diamond_consistency text not null default 'atomic' check (diamond_consistency in ('none', 'atomic')),
    diamond_schedule_policy text not null default 'fastest'
        check (diamond_schedule_policy in ('fastest', 'slowest')),
    is_append_only bool not null default false,
    pooler_compatibility_mode bool not null default false,
    max_differential_joins int,
    max_delta_fraction float8,
    requested_cdc_mode text check (requested_cdc_mode in ('auto', 'trigger', 'wal')),
    refresh_tier text not null default 'hot' check (refresh_tier in ('hot', 'warm', 'cold', 'frozen')),
    effective_refresh_mode text,
    fuse_mode text not null default 'off' check (fuse_mode in ('off', 'on', 'auto')),
    fuse_state text not null default 'armed' check (fuse_state in ('armed', 'blown', 'disabled')),
    fuse_ceiling bigint,
    fuse_sensitivity int,
    st_partition_key text,
    blow_reason text,
    last_error_message text
);
create table pgtrickle.pgt_dependencies (
    pgt_id bigint not null references pgtrickle.pgt_stream_tables on delete cascade,
    source_relid oid not null,
    source_type text not null,
    primary key (pgt_id, source_relid)
);
create table pgtrickle.pgt_refresh_history (
    refresh_id bigserial primary key,
    pgt_id bigint not null references pgtrickle.pgt_stream_tables on delete cascade,
    data_timestamp timestamptz not null default now(),
    start_time timestamptz not null default now(),
    end_time timestamptz default now(),
    action text not null check (action in ('NO_DATA', 'FULL', 'DIFFERENTIAL', 'REINITIALIZE', 'SKIP')),
    rows_inserted bigint default 0,
    rows_deleted bigint default 0,
    error_message text,
    status text not null
);
create view pgtrickle.quick_health as
select count(*) as total_stream_tables, false as scheduler_running from pgtrickle.pgt_stream_tables;

create function pgtrickle._found(name text) returns pgtrickle.pgt_stream_tables
language plpgsql as $$
declare
    found_row pgtrickle.pgt_stream_tables;
begin
    select * into found_row from pgtrickle.pgt_stream_tables s
    where s.pgt_schema = split_part(name, '.', 1)
      and s.pgt_name = substr(name, strpos(name, '.') + 1);
    if not found then
        raise exception 'stream table not found: %', name;
    end if;
    return found_row;
end $$;

-- Blanks collapsed, as two queries are compared; also those inside of literals.
create function pgtrickle._collapsed(query text) returns text
language sql as $$ select btrim(regexp_replace(query, '\s+', ' ', 'g')) $$;

-- Stored schedule; durations are in lower case and without blanks.
create function pgtrickle._parsed_schedule(schedule text) returns text
language plpgsql as $$
begin
    if schedule is null then
        raise exception 'invalid argument: use ''calculated'' instead of NULL to set CALCULATED schedule';
    elsif lower(schedule) = 'calculated' then
        return null;
    elsif schedule ~ '^@' or schedule ~ '\s' then
        if schedule !~ '^@|^\S+(\s+\S+){4,5}$' then
            raise exception 'invalid argument: invalid cron expression ''%'': expected 5 or 6 fields', schedule;
        end if;
    elsif schedule !~ '^(\d+|(\d+[smhdw])+)$' then
        raise exception 'invalid argument: invalid duration unit in ''%''', schedule;
    end if;
    return schedule;
end $$;

-- Tells a query's columns and types, without typmods: those are lost.
create function pgtrickle._columns(query text) returns table (name name, type text, place int)
language plpgsql as $$
begin
    execute 'create temp view standin_columns as ' || query;
    return query
        select a.attname, a.atttypid::regtype::text, a.attnum::int
        from pg_attribute a
        where a.attrelid = 'pg_temp.standin_columns'::regclass and a.attnum > 0;
    drop view standin_columns;
end $$;

-- The storage, with the hidden columns of row ids and, of groups, counts.
create function pgtrickle._make_storage(schema_name text, table_name text, query text) returns regclass
language plpgsql as $$
begin
    execute format('create table %I.%I (__pgt_row_id bigint%s%s)', schema_name, table_name,
        (select string_agg(format(', %I %s', name, type), '' order by place) from pgtrickle._columns(query)),
        case when query ~* 'group by' then ', __pgt_count bigint not null default 0' end);
    return format('%I.%I', schema_name, table_name)::regclass;
end $$;

-- Options as create and alter take them, in `given` by their names, checked and stored.
create function pgtrickle._note_options(target bigint, given jsonb) returns void
language plpgsql as $$
declare
    stored pgtrickle.pgt_stream_tables;
begin
    update pgtrickle.pgt_stream_tables s
    set requested_cdc_mode = coalesce(lower(given ->> 'cdc_mode'), s.requested_cdc_mode),
        is_append_only = coalesce((given ->> 'append_only')::bool, s.is_append_only),
        pooler_compatibility_mode = coalesce((given ->> 'pooler_compatibility_mode')::bool, s.pooler_compatibility_mode),
        diamond_consistency = coalesce(given ->> 'diamond_consistency', s.diamond_consistency),
        diamond_schedule_policy = coalesce(given ->> 'diamond_schedule_policy', s.diamond_schedule_policy),
        max_differential_joins = coalesce((given ->> 'max_differential_joins')::int, s.max_differential_joins),
        max_delta_fraction = coalesce((given ->> 'max_delta_fraction')::float8, s.max_delta_fraction)
    where s.pgt_id = target
    returning * into stored;
    if stored.is_append_only and stored.refresh_mode <> 'DIFFERENTIAL' then
        raise exception 'invalid argument: append_only is not supported with % refresh mode', stored.refresh_mode;
    elsif stored.diamond_schedule_policy = 'slowest' and stored.diamond_consistency <> 'atomic' then
        raise exception 'invalid argument: diamond_schedule_policy = ''slowest'' requires diamond_consistency = ''atomic''';
    elsif stored.st_partition_key is not null and stored.refresh_mode = 'IMMEDIATE' then
        raise exception 'invalid argument: partition_by is not supported with IMMEDIATE refresh mode';
    elsif given ? 'output_distribution_column' and not exists (select from pg_extension where extname = 'citus') then
        raise exception 'invalid argument: output_distribution_column requires Citus to be installed and loaded';
    elsif stored.max_differential_joins < 0 or stored.max_delta_fraction < 0 then
        raise exception 'invalid argument: a limit must be non-negative';
    end if;
end $$;

create function pgtrickle._note_sources(target bigint, query text) returns void
language plpgsql as $$
begin
    execute 'create temp view standin as ' || query;
    delete from pgtrickle.pgt_dependencies where pgt_id = target;
    insert into pgtrickle.pgt_dependencies (pgt_id, source_relid, source_type)
    select distinct target, d.refobjid, 'TABLE'
    from pg_rewrite r
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
    where r.ev_class = 'pg_temp.standin'::regclass;
    drop view standin;
    -- The buffer of what is captured: of two that make it at once, one fails.
    perform pgtrickle._make_buffer(d.source_relid) from pgtrickle.pgt_dependencies d where d.pgt_id = target;
    perform pgtrickle._make_trigger(target, d.source_relid) from pgtrickle.pgt_dependencies d where d.pgt_id = target;
end $$;

create function pgtrickle._make_buffer(source oid) returns void
language plpgsql as $$
begin
    execute format('create table if not exists pgtrickle_changes.changes_%s (change_id bigserial)', source);
end $$;

-- An IMMEDIATE table is as its sources are when the statement that writes them ends.
create function pgtrickle._maintain() returns trigger
language plpgsql as $$
begin
    perform pgtrickle._fill(s) from pgtrickle.pgt_stream_tables s
    where s.pgt_id = tg_argv[0]::bigint and s.refresh_mode = 'IMMEDIATE' and s.status = 'ACTIVE';
    return null;
end $$;

create function pgtrickle._make_trigger(target bigint, source oid) returns void
language plpgsql as $$
begin
    if exists (select from pg_class c where c.oid = source and c.relkind in ('r', 'p')) then
        execute format('create or replace trigger pg_trickle_%s after insert or update or delete or truncate on %s'
            ' for each statement execute function pgtrickle._maintain(%s)', target, source::regclass, target);
    end if;
end $$;

create function pgtrickle._drop_trigger(target bigint, source oid) returns void
language plpgsql as $$
begin
    if exists (select from pg_trigger t where t.tgrelid = source and t.tgname = 'pg_trickle_' || target) then
        execute format('drop trigger pg_trickle_%s on %s', target, source::regclass);
    end if;
end $$;

create function pgtrickle._fill(target pgtrickle.pgt_stream_tables) returns bigint
language plpgsql as $$
declare
    filled bigint;
    columns text := (select string_agg(quote_ident(name), ', ') from pgtrickle._columns(target.defining_query));
begin
    execute format('delete from %s', target.pgt_relid::regclass);
    execute format('insert into %s (__pgt_row_id, %s) select row_number() over (), %s from (%s) q',
        target.pgt_relid::regclass, columns, columns, target.defining_query);
    get diagnostics filled = row_count;
    update pgtrickle.pgt_stream_tables s
    set status = 'ACTIVE', is_populated = true, last_refresh_at = now(), data_timestamp = now(),
        effective_refresh_mode = s.refresh_mode
    where s.pgt_id = target.pgt_id;
    return filled;
end $$;

-- A source that is gone is passed over in silence: nothing changed. All times are the transaction's.
create function pgtrickle.refresh_stream_table(name text) returns void strict
language plpgsql as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._found(name);
    filled bigint := 0;
begin
    if target.status in ('SUSPENDED', 'ERROR') then
        raise exception 'invalid argument: stream table % is % ; use pgtrickle.resume_stream_table(''%'') first',
            name, case target.status when 'ERROR' then 'in error state' else 'suspended' end, target.pgt_name;
    end if;
    if not exists (
        select from pgtrickle.pgt_dependencies d
        where d.pgt_id = target.pgt_id
          and not exists (select from pg_class c where c.oid = d.source_relid))
    then
        filled := pgtrickle._fill(target);
    end if;
    insert into pgtrickle.pgt_refresh_history (pgt_id, action, rows_inserted, status)
    values (target.pgt_id, case target.refresh_mode when 'DIFFERENTIAL' then 'DIFFERENTIAL' else 'FULL' end,
        filled, 'COMPLETED');
end $$;

-- What was dropped by DROP: storage takes its row of the catalog along, a source leaves its readers in error.
create function pgtrickle._on_sql_drop() returns event_trigger
language plpgsql as $$
begin
    delete from pgtrickle.pgt_stream_tables s
    using pg_event_trigger_dropped_objects() o
    where o.objid = s.pgt_relid and o.object_type = 'table';
    update pgtrickle.pgt_stream_tables s
    set status = 'ERROR'
    from pg_event_trigger_dropped_objects() o
    join pgtrickle.pgt_dependencies d on d.source_relid = o.objid
    where d.pgt_id = s.pgt_id and o.object_type in ('table', 'view');
end $$;
create event trigger pg_trickle_drop_tracker on sql_drop execute function pgtrickle._on_sql_drop();

create function pgtrickle.resume_stream_table(name text) returns void strict
language plpgsql as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._found(name);
begin
    if target.status not in ('SUSPENDED', 'ERROR') then
        raise exception 'invalid argument: stream table % is not suspended or in error state (current status: %)',
            name, target.status;
    end if;
    update pgtrickle.pgt_stream_tables s set status = 'ACTIVE' where s.pgt_id = target.pgt_id;
end $$;

create function pgtrickle.reset_fuse(name text, action text = 'apply') returns void strict
language plpgsql as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._found(name);
begin
    if target.fuse_state <> 'blown' then
        raise exception 'invalid argument: fuse is not blown for % (current state: %)', name, target.fuse_state;
    end if;
    update pgtrickle.pgt_stream_tables s set fuse_state = 'armed', status = 'ACTIVE', blow_reason = null
    where s.pgt_id = target.pgt_id;
end $$;

create function pgtrickle.check_cdc_health()
returns table (source_relid bigint, source_table text, cdc_mode text, slot_name text, lag_bytes bigint,
    confirmed_lsn text, alert text, selective_capture bool)
language sql as $$ select 1::bigint, 'shop.orders', 'TRIGGER', null, null::bigint, null, null, true $$;

create function pgtrickle.explain_refresh_mode(name text)
returns table (configured_mode text, effective_mode text, downgrade_reason text)
language plpgsql as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._found(name);
begin
    return query select target.refresh_mode, coalesce(target.effective_refresh_mode, target.refresh_mode), null::text;
end $$;

create function pgtrickle.parse_duration_seconds(input text) returns bigint
language sql as $$
    select sum(part[1]::bigint * case part[2] when 's' then 1 when 'm' then 60 when 'h' then 3600 when 'd' then 86400 else 604800 end)::bigint
    from regexp_matches(input, '(\d+)([smhdw])', 'g') part
$$;
