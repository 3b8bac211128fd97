-- Catalog, CHECKs and the functions whose arguments never changed, from pg_trickle's install SQL.
create schema pgtrickle;
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

create function pgtrickle._fill(target pgtrickle.pgt_stream_tables) returns void
language plpgsql as $$
declare
    filled bigint;
begin
    execute format('delete from %I.%I', target.pgt_schema, target.pgt_name);
    execute format('insert into %I.%I select row_number() over (), q.* from (%s) q',
        target.pgt_schema, target.pgt_name, target.defining_query);
    get diagnostics filled = row_count;
    update pgtrickle.pgt_stream_tables s
    set status = 'ACTIVE', is_populated = true, last_refresh_at = now(), data_timestamp = now()
    where s.pgt_id = target.pgt_id;
    insert into pgtrickle.pgt_refresh_history (pgt_id, action, rows_inserted, status)
    values (target.pgt_id, 'FULL', filled, 'COMPLETED');
end $$;

create function pgtrickle.refresh_stream_table(name text) returns void strict
language plpgsql as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._found(name);
begin
    if target.status in ('SUSPENDED', 'ERROR') then
        raise exception 'stream table % is %', name, target.status;
    end if;
    perform pgtrickle._fill(target);
end $$;

create function pgtrickle.resume_stream_table(name text) returns void strict
language plpgsql as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._found(name);
begin
    if target.status not in ('SUSPENDED', 'ERROR') then
        raise exception 'stream table % is not suspended', name;
    end if;
    update pgtrickle.pgt_stream_tables s set status = 'ACTIVE' where s.pgt_id = target.pgt_id;
end $$;

create function pgtrickle.reset_fuse(name text, action text = 'apply') returns void strict
language sql as 'select';

create function pgtrickle.check_cdc_health()
returns table (source_relid bigint, source_table text, cdc_mode text, slot_name text, lag_bytes bigint,
    confirmed_lsn text, alert text, selective_capture bool)
language sql as $$ select 1::bigint, 'shop.orders', 'TRIGGER', null, null::bigint, null, null, true $$;
