-- Capture from the write-ahead log: a worker decodes a logical replication slot into the buffers.
--
-- The worker opens a REPEATABLE READ transaction, and with it a snapshot; decodes the slot up to what
-- is in the log by then, which holds every transaction the snapshot sees; writes the changes into the
-- buffers with the ids of the transactions that made them; and refreshes, all in that transaction.
-- Rows of transactions that the snapshot does not see yet are passed over until they are seen.
--
-- Exactly once: the slot is only looked into, and moved on after the commit; how far the buffers are
-- is kept with them (pgt_wal_slot), so that a worker or a server that dies repeats or loses nothing.
--
-- Whoever else refreshes has the buffers lagging behind, and recomputes. That is exact, too: what is
-- decoded later is consumed or not by the id of its transaction, as always.

create or replace function pgtrickle._decoded_here()
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select current_setting('transaction_isolation') in ('repeatable read', 'serializable')
        and exists (select from pgtrickle.pgt_wal_slot w where w.decoded_by = pg_current_xact_id_if_assigned())
$$;
comment on function pgtrickle._decoded_here() is 'Whether this transaction has itself decoded the log up to its snapshot';


create or replace function pgtrickle._lagging(sources oid[])
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('changes of %s are read from the log, which the worker does', string_agg(relid::regclass::text, ', ' order by relid))
    from unnest(sources) relid
    where pgtrickle._reads_wal(relid)
      and not pgtrickle._decoded_here()
    having count(*) > 0
$$;
comment on function pgtrickle._lagging(oid[]) is
    'Why these sources'' buffers may lack changes that are visible, null when they do not';


create or replace function pgtrickle._wrote_to_wal(sources oid[])
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from unnest(sources) relid
        cross join lateral pgtrickle._members(relid) member
        where pgtrickle._reads_wal(relid)
          and pg_stat_get_xact_tuples_inserted(member) + pg_stat_get_xact_tuples_updated(member)
              + pg_stat_get_xact_tuples_deleted(member) > 0)
$$;
comment on function pgtrickle._wrote_to_wal(oid[]) is
    'Whether this transaction itself wrote a source that is read from the log: what it wrote before and after a refresh cannot be told apart there';


create or replace function pgtrickle._check_decoder()
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_roles r where r.rolname = session_user and (r.rolsuper or r.rolreplication)) then
        raise exception using
            errcode = '42501',
            message = format('role %I may not read the write-ahead log', session_user),
            hint = format('alter role %I replication', session_user);
    end if;
end
$$;
comment on function pgtrickle._check_decoder() is 'Error 42501 where the session''s role has not the attribute REPLICATION';


create or replace function pgtrickle._check_decoding()
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    context text;
begin
    perform pgtrickle._check_decoder();
    get diagnostics context = pg_context;
    -- This function, the statement that called it, and the function that is asked for: whatever
    -- stands above them is code, and in a worker's session code of many roles runs.
    if cardinality(string_to_array(context, E'\n')) > 3 then
        raise exception using
            errcode = '42501',
            message = 'the write-ahead log is decoded by statements of the worker, not by functions';
    end if;
end
$$;
comment on function pgtrickle._check_decoding() is
    'Error 42501 where the session may not decode, or where not the session itself calls the function that asks, but code that runs in it';


create or replace function pgtrickle._read_value(place integer, type oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- A cast from text can be replaced by who owns the type, and would be called with the
    -- installer's rights. What a record is made of is read by the type's own input function.
    select format(
        case when type < 16384 then '(c ->> %s)::%s' else '(select v from jsonb_to_record(jsonb_build_object(''v'', c -> %s)) as r (v %s))' end,
        place, format_type(type, -1))
$$;
comment on function pgtrickle._read_value(integer, oid) is
    'Expression for a value of the JSON array c, given as text, as a value of a type; it calls no code of the type''s owner';


create or replace function pgtrickle._begin_decoding()
    returns table (slot_name text, decoded_lsn pg_lsn, until_lsn pg_lsn, next_xid xid8)
    language sql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
    -- The snapshot is older than the statement, and so than the end of the log it looks up.
    select w.slot_name, w.decoded_lsn, pg_current_wal_insert_lsn(), pg_snapshot_xmax(pg_current_snapshot())
    from pgtrickle.pgt_wal_slot w
$$;
comment on function pgtrickle._begin_decoding() is
    'From where and up to where the log is to be decoded for this transaction''s snapshot; next_xid tells the epoch of 32-bit transaction ids. No row where there is no slot';


create or replace function pgtrickle._wal_columns()
    returns table (source_relid oid, columns text[], types oid[])
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select c.source_relid, k.columns, k.types
    from pgtrickle.pgt_captures c
    cross join lateral (
        select
            case when bool_and(b.attname is not null) then array_agg(s.name order by s.number) end as columns,
            array_agg(s.type order by s.number) as types
        from pgtrickle._captured_columns(c.source_relid, c.columns) with ordinality s (name, type, declaration, number)
        left join pg_attribute b
            on b.attrelid = to_regclass(format('pgtrickle_changes.changes_%s_0', c.source_relid))
            and b.attname = s.name
            and b.atttypid = pgtrickle._base_type(s.type)
            and not b.attisdropped
    ) k
    where pgtrickle._reads_wal(c.source_relid)
$$;
comment on function pgtrickle._wal_columns() is
    'Sources read from the log, their captured columns in the order _store_changes takes them, and their types; columns is null where the buffer does not fit them any more';


create or replace function pgtrickle._store_changes(source oid, changes jsonb)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    segment constant integer := pg_sequence_last_value(to_regclass(format('pgtrickle_changes.segment_%s', source)));
    known pgtrickle.pgt_captures;
    names text;
    given text;
begin
    perform pgtrickle._check_decoding();
    select c.* into strict known from pgtrickle.pgt_captures c where c.source_relid = source;
    select string_agg(format(', %I', c.name), '' order by number),
        string_agg(', ' || pgtrickle._read_value(number::integer + 1, pgtrickle._base_type(c.type)), '' order by number)
    into names, given
    from pgtrickle._captured_columns(source, known.columns) with ordinality c (name, type, declaration, number);
    execute format(
        'insert into pgtrickle_changes.changes_%s_%s (__pgt_xid, __pgt_seq, __pgt_weight%s)'
        ' select (c ->> 0)::xid8, $2, (c ->> 1)::integer%s from jsonb_array_elements($1) c',
        source, segment, names, given)
    using changes, nextval('pgtrickle_changes.change_seq');
end
$$;
comment on function pgtrickle._store_changes(oid, jsonb) is
    'Writes decoded changes of a source into its buffer: [[transaction id, weight, value, ...], ...], values as text in the order of _wal_columns; weight 0 and no values: consumers must start anew';


create or replace function pgtrickle._end_decoding(until_lsn pg_lsn)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pgtrickle._check_decoding();
    update pgtrickle.pgt_wal_slot w
    set decoded_lsn = greatest(w.decoded_lsn, until_lsn),
        decoded_by = pg_current_xact_id(),
        decoded_at = clock_timestamp();
end
$$;
comment on function pgtrickle._end_decoding(pg_lsn) is
    'Everything committed before this place in the log is in the buffers now';


create or replace function pgtrickle._wal_unfit_type(type oid)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- Values are read from text. A domain within a type would have its checks run, which is user
    -- code, with the installer's rights.
    select t.typtype not in ('b', 'e', 'r', 'm')
        or (t.typelem <> 0 and t.typcategory = 'A' and (select e.typtype not in ('b', 'e') from pg_type e where e.oid = t.typelem))
        or exists (
            select from pg_range r
            join pg_type s on s.oid = r.rngsubtype
            where t.oid in (r.rngtypid, r.rngmultitypid)
              and (s.typtype <> 'b' or s.typcategory = 'A'))
    from pg_type t
    where t.oid = pgtrickle._base_type(type)
$$;
comment on function pgtrickle._wal_unfit_type(oid) is 'Whether values of a type are not taken from the log: composite types, and what is made of domains';


create or replace function pgtrickle._wal_obstacle(source oid, columns text[])
    returns text
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        case when current_setting('wal_level') <> 'logical'
            then format('wal_level is %s: alter system set wal_level = logical, and restart the server', current_setting('wal_level')) end,
        case when exists (select from pgtrickle.pgt_stream_tables s where s.pgt_relid = source)
            then format('%s is a stream table, which triggers follow', source::regclass) end,
        pgtrickle._not_capturable(source),
        (select format('%s keeps too little of the rows that are updated or deleted: alter table %1$s replica identity full', c.oid::regclass)
         from pg_class c
         where c.oid in (select pgtrickle._members(source))
           and (c.relkind = 'r' or c.oid = source)  -- rows of partitions are in the log as the root's
           and c.relreplident <> 'f'
         order by c.oid
         limit 1),
        (select format('%s belongs to %I, and only who owns a table publishes it: grant %2$I to %I', c.oid::regclass, pg_get_userbyid(c.relowner), current_user)
         from pg_class c
         where c.oid = source
           and not pg_has_role(current_user, c.relowner, 'USAGE')),
        (select format('column %I of %s is generated, and %s', a.attname, source::regclass, 'not in the log')
         from pg_attribute a
         where a.attrelid = source
           and a.attname = any (columns)
           and a.attgenerated <> ''
         limit 1),
        (select format('column %I of %s has type %s, which is not read from the log', c.name, source::regclass, format_type(c.type, null))
         from pgtrickle._captured_columns(source, columns) c
         where pgtrickle._wal_unfit_type(c.type)
         limit 1))
$$;
comment on function pgtrickle._wal_obstacle(oid, text[]) is
    'Why changes of a source''s columns cannot be read from the log, with the statement that mends it; null where they can';


create or replace function pgtrickle._wal_slot_state(out slot_name text, out state text, out lag_bytes bigint)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select w.slot_name,
        case
            when w.slot_name is null then 'none'
            when r.slot_name is null then 'the replication slot is gone'
            when r.wal_status = 'lost' then 'the server has removed log that was not decoded yet (max_slot_wal_keep_size)'
            when r.plugin <> 'pgoutput' or r.confirmed_flush_lsn > w.decoded_lsn then 'the replication slot was made anew or moved on by somebody else'
            when not exists (select from pg_publication p where p.pubname = 'pgtrickle') then 'the publication pgtrickle is gone'
            else 'ready'
        end,
        pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, r.confirmed_flush_lsn)::bigint
    from (select) one
    left join pgtrickle.pgt_wal_slot w on true
    left join pg_replication_slots r on r.slot_name = w.slot_name
$$;
comment on function pgtrickle._wal_slot_state() is
    'The slot this database''s changes are read from. state: none, ready, or what is wrong with it; lag_bytes: log that is kept for it';


create or replace function pgtrickle._alert_slot_lag(slot text, lag_bytes bigint)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select pg_notify('pg_trickle_alert', jsonb_build_object('event', 'slot_lag_warning', 'slot_name', slot, 'lag_bytes', lag_bytes)::text)
    where coalesce(lower(pgtrickle._setting('alerts')), 'on') not in ('off', 'false', 'no', '0')
$$;
comment on function pgtrickle._alert_slot_lag(text, bigint) is 'Tells by NOTIFY that the server keeps much log for the slot';


create or replace function pgtrickle._alert_slot_lost(slot text, reason text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    consumer pgtrickle.pgt_stream_tables;
begin
    if coalesce(lower(pgtrickle._setting('alerts')), 'on') in ('off', 'false', 'no', '0') then
        return;
    end if;
    perform pg_notify('pg_trickle_alert', jsonb_build_object('event', 'slot_lost', 'slot_name', slot, 'reason', reason)::text);
    for consumer in
        select s.*
        from pgtrickle.pgt_stream_tables s
        where exists (
            select from pgtrickle.pgt_dependencies d
            where d.pgt_id = s.pgt_id
              and d.source_number is not null
              and pgtrickle._reads_wal(d.source_relid))
        order by s.pgt_id
    loop
        perform pgtrickle._notify(consumer, 'reinitialize_needed', jsonb_build_object('reason', reason));
    end loop;
end
$$;
comment on function pgtrickle._alert_slot_lost(text, text) is
    'Tells by NOTIFY that the slot is given up or gone (slot_lost), and of each stream table that is therefore recomputed (reinitialize_needed)';


create or replace function pgtrickle._prepare_wal()
    returns text
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pgtrickle._check_decoding();
    perform pg_advisory_xact_lock(1885829237, 2);
    -- Before the slot: what is decoded before a publication existed cannot be decoded at all.
    if not exists (select from pg_publication p where p.pubname = 'pgtrickle') then
        create publication pgtrickle with (publish_via_partition_root = true);
    end if;
    -- What the former slot had not given is lost.
    delete from pgtrickle.pgt_wal_slot;
    update pgtrickle.pgt_captures c
    set epoch = c.epoch + 1,
        wal_until = null
    where c.cdc_mode = 'WAL'
       or c.wal_until is not null;
    return format('pgtrickle_%s', (select d.oid from pg_database d where d.datname = current_database()));
end
$$;
comment on function pgtrickle._prepare_wal() is
    'Makes ready for a new slot, and returns the name it is to have; whatever reads the log starts anew';


create or replace function pgtrickle._register_slot(slot text, start pg_lsn)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pgtrickle._check_decoding();
    insert into pgtrickle.pgt_wal_slot (slot_name, decoded_lsn) values (slot, start);
end
$$;
comment on function pgtrickle._register_slot(text, pg_lsn) is 'Notes a new slot, which gives all that is committed from there on';


create or replace function pgtrickle._release_wal()
    returns text
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    slot text;
begin
    perform pgtrickle._check_decoding();
    perform pg_advisory_xact_lock(1885829237, 2);
    if exists (select from pgtrickle.pgt_captures c where pgtrickle._reads_wal(c.source_relid)) then
        return null;
    end if;
    delete from pgtrickle.pgt_wal_slot w returning w.slot_name into slot;
    update pgtrickle.pgt_captures c set wal_until = null where c.wal_until is not null;
    drop publication if exists pgtrickle;
    return slot;
end
$$;
comment on function pgtrickle._release_wal() is
    'Where no source is read from the log any more, drops the publication and returns the slot that is to be dropped';


create or replace function pgtrickle._wal_wishes()
    returns table (source_relid oid, cdc_mode text, wanted boolean, obstacle text)
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    with setting as materialized (
        -- Asked for once, however many tables there are.
        select lower(pgtrickle._setting('cdc_mode')) as mode, pgtrickle._cluster_id() as cluster
    )
    select c.source_relid, c.cdc_mode, w.wanted, case when w.wanted then pgtrickle._wal_obstacle(c.source_relid, c.columns) end
    from setting g
    cross join pgtrickle.pgt_captures c
    join pg_class k on k.oid = c.source_relid
    cross join lateral (
        select coalesce(bool_or(m.mode in ('wal', 'auto')) and not bool_or(coalesce(s.requested_cdc_mode = 'trigger', false) or s.requested_refresh_mode = 'IMMEDIATE'), false)
            and not exists (select from pgtrickle.pgt_stream_tables t where t.pgt_relid = c.source_relid) as wanted
        from pgtrickle.pgt_dependencies d
        join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
        cross join lateral (select coalesce(lower(s.requested_cdc_mode), g.mode) as mode) m
        where d.source_relid = c.source_relid
          and d.source_number is not null
    ) w
    where c.cluster_id = g.cluster
      and (w.wanted or c.cdc_mode = 'WAL')
    order by c.source_relid
$$;
comment on function pgtrickle._wal_wishes() is
    'Sources that are read from the log or are wished to be: a stream table asks for wal or auto, none for trigger, and none is IMMEDIATE. obstacle: why that cannot be';


create or replace function pgtrickle._note_transition(source oid, slot text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    mode text;
begin
    select c.cdc_mode into mode from pgtrickle.pgt_captures c where c.source_relid = source;
    perform from pgtrickle.pgt_dependencies d where d.source_relid = source order by d.pgt_id for update;
    update pgtrickle.pgt_dependencies d
    set cdc_mode = mode,
        slot_name = case mode when 'WAL' then slot end,
        transition_started_at = now()
    where d.source_relid = source
      and d.source_number is not null;
    perform pg_notify('pg_trickle_cdc_transition', jsonb_build_object(
        'event', 'cdc_transition',
        'source_table', source::regclass,
        'old_mode', case mode when 'WAL' then 'TRIGGER' else 'WAL' end,
        'new_mode', mode,
        'slot_name', slot)::text);
end
$$;
comment on function pgtrickle._note_transition(oid, text) is 'Shows in the catalog, and tells by NOTIFY, how a source is captured from now on';
revoke all on function pgtrickle._note_transition(oid, text) from public;


create or replace function pgtrickle._note_obstacle(source oid, found_obstacle text)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pgtrickle._check_decoding();
    update pgtrickle.pgt_captures c
    set obstacle = found_obstacle
    where c.source_relid = source
      and c.obstacle is distinct from found_obstacle;
end
$$;
comment on function pgtrickle._note_obstacle(oid, text) is 'Remembers why a source is not read from the log, for those who look';


create or replace function pgtrickle._move_to_wal(source oid)
    returns text
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '500ms'
    set client_min_messages = warning
as $$
declare
    known pgtrickle.pgt_captures;
    slot constant text := (select w.slot_name from pgtrickle.pgt_wal_slot w);
    obstacle text;
begin
    perform pgtrickle._check_decoding();
    perform pgtrickle._lock_capture(source);
    if not exists (select from pg_class c where c.oid = source) then
        return 'it was dropped';
    end if;
    execute format('lock table %s in share row exclusive mode', source::regclass);
    select c.* into known from pgtrickle.pgt_captures c where c.source_relid = source for update;
    obstacle := pgtrickle._wal_obstacle(source, known.columns);
    if obstacle is not null or slot is null then
        return coalesce(obstacle, 'there is no replication slot yet');
    end if;
    if known.cdc_mode = 'WAL' then
        return null;
    end if;
    if known.triggers is distinct from pgtrickle._capture_triggers(source) then
        return 'its capture triggers are not whole: the next refresh mends them';
    end if;
    perform pgtrickle._unpublish(source);
    execute format('alter publication pgtrickle add table %s', source::regclass);
    execute format('drop function pgtrickle_changes.capture_%s() cascade', source);
    update pgtrickle.pgt_captures c
    set cdc_mode = 'WAL',
        wal_until = null,
        obstacle = null,
        triggers = pgtrickle._published(source)
    where c.source_relid = source;
    perform pgtrickle._note_transition(source, slot);
    return null;
exception when undefined_table or syntax_error then
    return 'it was dropped';  -- and has no name but its OID any more
when lock_not_available or deadlock_detected or object_in_use then
    return 'it is in use for longer than half a second';
end
$$;
comment on function pgtrickle._move_to_wal(oid) is
    'Has a source''s changes read from the log instead of captured by triggers, losing and doubling none; returns why that cannot be now, null when it is done';


create or replace function pgtrickle._show_triggers(source oid)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pgtrickle._check_decoder();
    perform pgtrickle._note_transition(source, (select w.slot_name from pgtrickle.pgt_wal_slot w));
end
$$;
comment on function pgtrickle._show_triggers(oid) is '_note_transition, for those who may decode';


create or replace function pgtrickle._move_to_triggers(source oid)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '500ms'
as $$
declare
    consumer pgtrickle.pgt_stream_tables;
    former_role text;
begin
    select s.* into consumer
    from pgtrickle.pgt_dependencies d
    join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
    where d.source_relid = source
      and d.source_number is not null
    order by has_table_privilege(pg_get_userbyid(s.pgt_owner), source, 'TRIGGER') desc, s.pgt_id
    limit 1;
    if not found then
        return 'no stream table reads it';
    end if;
    former_role := pgtrickle._act_as_owner(consumer);
    perform pgtrickle._lock_capture(source);
    perform pgtrickle._install_capture(source, '{}');
    perform pgtrickle._act_again_as(former_role);
    perform pgtrickle._show_triggers(source);
    return null;
exception when lock_not_available or deadlock_detected or insufficient_privilege then
    perform pgtrickle._act_again_as(former_role);
    return sqlerrm;
end
$$;
comment on function pgtrickle._move_to_triggers(oid) is
    'Has a source captured by triggers again, losing and doubling nothing; returns why that cannot be now, null when it is done';


create or replace function pgtrickle._check_wal(target pgtrickle.pgt_stream_tables)
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    obstacle text;
begin
    if target.requested_cdc_mode is distinct from 'wal' then
        return;
    end if;
    if target.requested_refresh_mode = 'IMMEDIATE' then
        raise exception using
            errcode = '0A000',
            message = format('stream table %I.%I cannot be IMMEDIATE with cdc_mode wal', target.pgt_schema, target.pgt_name),
            detail = 'What is decoded from the log is committed already; IMMEDIATE maintains the table before',
            hint = 'Leave cdc_mode out, or use refresh_mode AUTO';
    end if;
    select string_agg(pgtrickle._wal_obstacle(d.source_relid, coalesce(d.columns_used, '{}')), '; ' order by d.source_relid)
    into obstacle
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = target.pgt_id
      and d.source_type = 'TABLE'
      and not exists (select from pgtrickle.pgt_stream_tables s where s.pgt_relid = d.source_relid);
    if obstacle is not null then
        raise exception using
            errcode = '55000',
            message = format('stream table %I.%I cannot have cdc_mode wal: %s', target.pgt_schema, target.pgt_name, obstacle),
            hint = 'With cdc_mode auto triggers capture until that is mended';
    end if;
end
$$;
comment on function pgtrickle._check_wal(pgtrickle.pgt_stream_tables) is
    'Error 55000 where cdc_mode wal was asked for and a source cannot be read from the log, with the statement that mends it; 0A000 for an IMMEDIATE table';


insert into pgtrickle.settings (name, value, unit, description)
values
    ('cdc_mode', 'trigger', null, 'How changes are captured for stream tables created without cdc_mode: trigger, wal, or auto, by which a worker moves what it can to the write-ahead log'),
    ('slot_lag_critical_threshold_mb', '1024', 'MB', 'Lag of the replication slot past which the worker gives it up and recomputes what reads it')
on conflict (name) do update
    set unit = excluded.unit,
        description = excluded.description;
