-- Making a capture, widening it, accepting it as it is, taking it away.
--
-- Two locks: an advisory one serialises whoever changes a capture; the row in pgt_captures is
-- locked by whoever becomes a consumer, from before its population until its commit, and written
-- by the purge, so that the purge never takes away what a newcomer still needs.

create or replace function pgtrickle._capture_fits(source oid, columns text[], role name)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
    select exists (
        select from pgtrickle.pgt_captures c
        where c.source_relid = source
          and c.columns @> _capture_fits.columns
          and c.cluster_id = pgtrickle._cluster_id()
          and not exists (
              select from pgtrickle._captured_columns(source, c.columns) s
              left join pg_attribute b
                  on b.attrelid = to_regclass(format('pgtrickle_changes.changes_%s_0', source))
                  and b.attname = s.name
                  and b.atttypid = pgtrickle._base_type(s.type)
                  and not b.attisdropped
              where b.attname is null)
          and not exists (
              select from unnest(_capture_fits.columns || '{__pgt_xid,__pgt_seq,__pgt_weight}') name
              cross join generate_series(0, 2) segment
              left join pg_attribute b
                  on b.attrelid = to_regclass(format('pgtrickle_changes.changes_%s_%s', source, segment))
                  and b.attname = name
                  and not b.attisdropped
              where b.attname is null
                 or not has_column_privilege(role, b.attrelid, b.attnum, 'SELECT')))
$$;
comment on function pgtrickle._capture_fits(oid, text[], name) is
    'Whether a source''s buffer has these columns, with their types, and the role may read them';


create or replace function pgtrickle._captures_columns(source oid, columns text[])
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
begin
    return exists (
        select from pgtrickle.pgt_captures c
        where c.source_relid = source
          and c.columns @> _captures_columns.columns
          and c.triggers = pgtrickle._capture_fingerprint(source));
end
$$;
comment on function pgtrickle._captures_columns(oid, text[]) is
    'Whether a source''s capture stands, untouched, with columns of these names';


create or replace function pgtrickle._capture_covers(source oid, columns text[], role name)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return pgtrickle._captures_columns(source, columns) and pgtrickle._capture_fits(source, columns, role);
end
$$;
comment on function pgtrickle._capture_covers(oid, text[], name) is
    'Whether a source''s capture stands, untouched, with these columns and types, and the role may read them';


create or replace function pgtrickle._revoke_defaults(relation oid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    grantee text;
begin
    for grantee in
        select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
        from pg_class c
        cross join lateral aclexplode(c.relacl) a
        where c.oid = relation
          and a.grantee <> c.relowner
    loop
        execute format('revoke all on %s from %s', relation::regclass, grantee);
    end loop;
end
$$;
comment on function pgtrickle._revoke_defaults(oid) is
    'Takes back what ALTER DEFAULT PRIVILEGES has just granted on a new hidden table';


create or replace function pgtrickle._prepare_capture(source oid, columns text[], role name)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    known pgtrickle.pgt_captures;
    declarations text;
    buffer text;
begin
    if has_table_privilege(role, source, 'TRIGGER') is not true then
        raise exception using
            errcode = '42501',
            message = format('role %I may not create triggers on %s', role, source::regclass);
    end if;
    perform pgtrickle._lock_capture(source);
    -- The row before the buffers, in the order of those who hold the row and then read a buffer.
    select c.* into known from pgtrickle.pgt_captures c where c.source_relid = source for update;
    if known.cluster_id <> pgtrickle._cluster_id() then
        -- Restored from a dump: the OID may have been another table's there.
        perform pgtrickle._drop_capture_objects(source);
    end if;
    if known.source_relid is null
        and current_setting('transaction_isolation') <> 'read committed'
        and to_regproc(format('pgtrickle_changes.capture_%s', source)) is not null
    then
        -- Names show it, and rows of catalogs do not.
        raise exception using
            errcode = '40001',
            message = format('could not serialize access: changes of %s have been captured since the transaction began', source::regclass),
            hint = 'Repeat the transaction';
    end if;
    if to_regproc(format('pgtrickle_changes.capture_%s', source)) is null then
        if to_regclass(format('pgtrickle_changes.segment_%s', source)) is null then
            -- If not exists: the lock may have been waited for, and what others made meanwhile is not seen yet.
            execute format('create sequence if not exists pgtrickle_changes.segment_%s as integer minvalue 0 maxvalue 1', source);
            perform setval(s.segment, 0)
            from (select format('pgtrickle_changes.segment_%s', source)::regclass as segment) s
            where pg_sequence_last_value(s.segment) is null;
        end if;
        declarations := concat_ws(', ', '__pgt_xid xid8, __pgt_seq bigint, __pgt_weight integer', (
            select string_agg(c.declaration, ', ')
            from pgtrickle._captured_columns(source, _prepare_capture.columns) c));
        for segment in 0 .. 2 loop
            buffer := format('pgtrickle_changes.changes_%s_%s', source, segment);
            execute format(
                'create table if not exists %s (%s)'
                ' with (autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_scale_factor = 0.5, autovacuum_analyze_threshold = 1000000000)',
                buffer, declarations);
            -- Rights on a buffer last no longer than those on the source: row security asks for them.
            execute format('alter table %s replica identity full, enable row level security', buffer);
            perform pgtrickle._revoke_defaults(buffer::regclass);
            if not exists (select from pg_policy p where p.polrelid = buffer::regclass and p.polname = 'readers_of_source') then
                execute format('create policy readers_of_source on %1$s for select'
                    ' using (has_any_column_privilege(%2$s::oid, ''SELECT'') and not row_security_active(%2$s::oid))', buffer, source);
            end if;
        end loop;
        execute pgtrickle._capture_function(source, '{}');
        execute format('revoke all on function pgtrickle_changes.capture_%s() from public', source);
        execute format('comment on function pgtrickle_changes.capture_%s() is %L', source, 'Captures changes of a source of stream tables; see pgtrickle.pgt_captures');
    end if;
    execute format('grant execute on function pgtrickle_changes.capture_%s() to %I', source, role);
end
$$;
comment on function pgtrickle._prepare_capture(oid, text[], name) is
    'Creates a source''s buffer, with these columns, and a trigger function that captures no column yet, and lets the role make triggers of it. Does nothing to the source';


create or replace function pgtrickle._finish_capture(source oid, columns text[], role name)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set client_min_messages = warning
as $$
#variable_conflict use_variable
declare
    known pgtrickle.pgt_captures;
    captured text[];
    alterations text;
    buffer text;
    rebuilt boolean := false;
    missing text;
begin
    if not exists (
        select from pg_locks l
        where l.pid = pg_backend_pid()
          and l.locktype = 'relation'
          and l.database = (select d.oid from pg_database d where d.datname = current_database())
          and l.relation = source
          and l.granted
          and l.mode in ('ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
    then
        raise exception using
            errcode = '55000',
            message = 'a capture is changed only while its source is locked against writers',
            hint = 'Call pgtrickle._ensure_capture';
    end if;
    select string_agg(name, ', ')
    into missing
    from unnest(columns) name
    where not has_column_privilege(role, source, name, 'SELECT');
    if missing is not null then
        raise exception using
            errcode = '42501',
            message = format('permission denied for columns %s of %s', missing, source::regclass);
    end if;
    select c.* into known from pgtrickle.pgt_captures c where c.source_relid = source;
    captured := array(
        select c.name
        from pgtrickle._captured_columns(source, coalesce(known.columns, '{}') || columns) c);
    for segment in 0 .. 2 loop
        buffer := format('pgtrickle_changes.changes_%s_%s', source, segment);
        select string_agg(
                case when b.attname is not null then format('drop column %I cascade, ', c.name) else '' end || 'add column ' || c.declaration,
                ', '),
            rebuilt or coalesce(bool_or(b.attname is not null), false)
        into alterations, rebuilt
        from pgtrickle._captured_columns(source, captured) c
        left join pg_attribute b
            on b.attrelid = buffer::regclass
            and b.attname = c.name
            and not b.attisdropped
        where b.atttypid is distinct from pgtrickle._base_type(c.type);
        if alterations is not null then
            execute format('alter table %s %s', buffer, alterations);
        end if;
        execute format('grant select (%s) on %s to %I',
            (select string_agg(format('%I', name), ', ') from unnest('{__pgt_xid,__pgt_seq,__pgt_weight}' || columns) name),
            buffer, role);
    end loop;
    execute pgtrickle._capture_function(source, captured);
    insert into pgtrickle.pgt_captures as c (source_relid, columns, triggers, cluster_id, installed_by)
    values (source, captured, pgtrickle._capture_triggers(source), pgtrickle._cluster_id(), pg_current_xact_id())
    on conflict (source_relid) do update
    set columns = excluded.columns,
        triggers = excluded.triggers,
        cluster_id = excluded.cluster_id,
        installed_by = excluded.installed_by,
        unused_since = null,
        -- Its writers, whose commits are all in the log by now, are locked out.
        wal_until = case c.cdc_mode when 'WAL' then pg_current_wal_insert_lsn() else c.wal_until end,
        cdc_mode = 'TRIGGER',
        epoch = c.epoch + rebuilt::integer;
    if known.cdc_mode = 'WAL' then
        perform pgtrickle._unpublish(source);
    end if;
end
$$;
comment on function pgtrickle._finish_capture(oid, text[], name) is
    'Widens a source''s buffer and trigger function by columns the role may read, and lets it read them. The source must be locked against writers: one in flight would write nulls';


create or replace function pgtrickle._note_touched_capture(source oid)
    returns void
    language sql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    update pgtrickle.pgt_captures c
    set epoch = c.epoch + 1
    where c.source_relid = source
      and c.triggers is distinct from pgtrickle._capture_fingerprint(source)
$$;
comment on function pgtrickle._note_touched_capture(oid) is
    'Has every consumer start anew when a capture''s triggers are not as they were made';


create or replace function pgtrickle._whole_triggers(source oid)
    returns table (relation oid, enabled "char")
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select t.tgrelid, t.tgenabled
    from pg_trigger t
    join (values
        ('insert', 4, null, 'new_table'), ('delete', 8, 'old_table', null),
        ('update', 16, 'old_table', 'new_table'), ('truncate', 32, null, null)
    ) e (event, type, old_table, new_table) on t.tgname = 'pgtrickle_capture_' || e.event
    where t.tgrelid = any (array(select pgtrickle._members(source)))
      and t.tgfoid = (select to_regproc(format('pgtrickle_changes.capture_%s', source)))
      and t.tgtype = e.type
      and t.tgqual is null
      and t.tgattr::text = ''
      and t.tgoldtable is not distinct from e.old_table
      and t.tgnewtable is not distinct from e.new_table
$$;
comment on function pgtrickle._whole_triggers(oid) is
    'A source''s capture triggers that are as they are made, by the relation they are on, and whether they are enabled (D not, O yes, A also as a replica)';


create or replace function pgtrickle._accept_capture(source oid)
    returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Who enabled or made them waited for the writers that knew nothing of them.
    if (select count(*) from pgtrickle._members(source)) * 4 <> (
        select count(*) from pgtrickle._whole_triggers(source) t where t.enabled in ('O', 'A'))
    then
        return false;
    end if;
    -- Untouched ones make nobody start anew, whoever calls this.
    update pgtrickle.pgt_captures c
    set epoch = c.epoch + 1,
        triggers = pgtrickle._capture_triggers(source)
    where c.source_relid = source
      and c.cdc_mode = 'TRIGGER'
      and c.cluster_id = pgtrickle._cluster_id()
      and c.triggers is distinct from pgtrickle._capture_triggers(source);
    return exists (
        select from pgtrickle.pgt_captures c
        where c.source_relid = source
          and c.cdc_mode = 'TRIGGER'
          and c.triggers = pgtrickle._capture_triggers(source));
end
$$;
comment on function pgtrickle._accept_capture(oid) is
    'Takes a source''s capture triggers, touched but whole, as they are, and has every consumer start anew; false where they are not whole. So what their table''s owner had them do stays';


create or replace function pgtrickle._fires_as_replica(source oid)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(bool_and(t.tgenabled = 'A'), false)
    from pg_trigger t
    where t.tgrelid = any (array(select pgtrickle._members(source)))
      and t.tgname <> 'pgtrickle_capture_lock'
      and t.tgfoid in (
          (select to_regproc(format('pgtrickle_changes.capture_%s', source))),
          (select to_regproc(format('pgtrickle_changes.maintain_%s', source))))
$$;
comment on function pgtrickle._fires_as_replica(oid) is
    'Whether a source''s triggers fire under session_replication_role = replica, too';


create or replace function pgtrickle._hold_capture(source oid)
    returns boolean
    language sql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select exists (select from (select from pgtrickle.pgt_captures c where c.source_relid = source for share) held)
$$;
comment on function pgtrickle._hold_capture(oid) is
    'Keeps the source''s captured rows from being purged until commit. Under REPEATABLE READ it fails (40001) when rows were purged since the snapshot';


create or replace function pgtrickle._fire_always(relation oid, triggers text[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from pg_class c where c.oid = relation and pg_has_role(c.relowner, 'USAGE')) then
        execute (
            select format('alter table only %s %s', relation::regclass, string_agg(format('enable always trigger %I', t), ', '))
            from unnest(triggers) t);
    end if;
exception when object_in_use then
    null;  -- made anew by a writer's own statement, within which no ALTER TABLE is allowed
end
$$;
comment on function pgtrickle._fire_always(oid, text[]) is
    'Has triggers fire under session_replication_role = replica, too, where the caller owns their table: nobody else can have that';


create or replace function pgtrickle._stay_always(source oid, member oid)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- Exists: an older snapshot may see two versions of the row.
    select not exists (select from pg_class c where c.oid = member and pg_has_role(c.relowner, 'USAGE'))
        and (select count(*) = 4 from pgtrickle._whole_triggers(source) t where t.relation = member and t.enabled = 'A')
$$;
comment on function pgtrickle._stay_always(oid, oid) is
    'Whether the capture triggers of a source, or of a partition of it, are to be left as they are: its owner has them always fire, and the caller, who is another, could not when making them anew';


create or replace function pgtrickle._make_capture_triggers(source oid, member oid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    event text;
begin
    if pgtrickle._stay_always(source, member) then
        -- Making a trigger is the one lock that the right TRIGGER gives; this one never fires.
        execute format('create or replace trigger pgtrickle_capture_lock after truncate on %s for each statement when (false) execute function pgtrickle_changes.capture_%s()',
            pgtrickle._present(member), source);
        return;
    end if;
    foreach event in array '{insert,update,delete,truncate}'::text[] loop
        execute format('create or replace trigger pgtrickle_capture_%1$s after %1$s on %2$s %3$s for each statement execute function pgtrickle_changes.capture_%4$s()',
            event, pgtrickle._present(member),
            case event
                when 'insert' then 'referencing new table as new_table'
                when 'update' then 'referencing old table as old_table new table as new_table'
                when 'delete' then 'referencing old table as old_table'
                else ''
            end,
            source);
    end loop;
    perform pgtrickle._fire_always(member, array(select 'pgtrickle_capture_' || e from unnest('{insert,update,delete,truncate}'::text[]) e));
end
$$;
comment on function pgtrickle._make_capture_triggers(oid, oid) is
    'Creates the capture triggers of a source on itself or on a partition of it. Waits for writers, and blocks them until commit';


create or replace function pgtrickle._install_capture(source oid, columns text[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    member oid;
begin
    for member in select m from pgtrickle._members(source) m order by m loop
        if not has_table_privilege(member, 'TRIGGER') then
            raise exception using
                errcode = '42501',
                message = format('role %I may not create triggers on %s, which capturing its changes needs', current_user, member::regclass),
                hint = format('Have its owner run: grant trigger on %s to %I; or use refresh_mode FULL, or AUTO, which recomputes', member::regclass, current_user);
        end if;
    end loop;
    perform pgtrickle._prepare_capture(source, columns, current_user);
    perform pgtrickle._note_touched_capture(source);
    -- The root first: while it is locked so, no partition comes or goes.
    perform pgtrickle._make_capture_triggers(source, source);
    for member in select m from pgtrickle._members(source) m where m <> source order by m loop
        perform pgtrickle._make_capture_triggers(source, member);
    end loop;
    perform pgtrickle._finish_capture(source, columns, current_user);
end
$$;
comment on function pgtrickle._install_capture(oid, text[]) is
    'Creates the capture triggers of a source, captures these columns besides those captured already, and lets the calling role read them. Waits for writers, and blocks them until commit. Error 42501 names the missing grant';


create or replace function pgtrickle._ensure_capture(source oid, columns text[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    reason text := pgtrickle._not_capturable(source);
    unknown text;
begin
    if reason is not null or not exists (select from pg_class c where c.oid = source) then
        raise exception using
            errcode = case when reason is null then '42P01' else '0A000' end,
            message = coalesce('changes cannot be captured: ' || reason, format('the source with OID %s does not exist', source)),
            hint = 'Use refresh_mode FULL, or AUTO, which recomputes';
    end if;
    if pgtrickle._row_security_applies(source, current_user) then
        raise exception using
            errcode = '0A000',
            message = format('changes cannot be captured: row security of %s applies to role %I', source::regclass, current_user),
            hint = 'Use refresh_mode FULL, or AUTO, which recomputes';
    end if;
    select string_agg(format('%I', wanted.name), ', ')
    into unknown
    from unnest(columns) wanted(name)
    where not exists (select from pgtrickle._captured_columns(source, columns) c where c.name = wanted.name);
    if unknown is not null then
        raise exception using
            errcode = '42703',
            message = format('%s has no column %s', source::regclass, unknown);
    end if;
    -- Who holds one that does not do, and goes on to change it, waits for others who hold it.
    if pgtrickle._captures_columns(source, columns) then
        if pgtrickle._hold_capture(source) then
            -- Looked at after the wait, under a snapshot of its own.
            if pgtrickle._capture_covers(source, columns, current_user) then
                return;
            end if;
        end if;
    end if;
    perform pgtrickle._lock_capture(source);
    if pgtrickle._capture_covers(source, columns, current_user) then
        perform pgtrickle._hold_capture(source);
        return;
    end if;
    if pgtrickle._capture_fits(source, columns, current_user) then
        if pgtrickle._accept_capture(source) then
            perform pgtrickle._hold_capture(source);
            return;
        end if;
    end if;
    perform pgtrickle._install_capture(source, columns);
end
$$;
comment on function pgtrickle._ensure_capture(oid, text[]) is
    'Has changes of these columns of the source captured, and lets the calling role read them. Call it for several sources in the order of their OIDs. Waits for writers of the source, and blocks them until commit, unless the capture stands already. Errors: 42501 names the missing grant; 0A000 says why the source cannot be captured; 42703 names an unknown column';


create or replace function pgtrickle._sees_all_uncaptured(sources oid[])
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select current_setting('transaction_isolation') = 'read committed'
        or not exists (
            select from pgtrickle.pgt_captures c
            where c.source_relid = any (sources)
              and c.installed_by = pg_current_xact_id_if_assigned())
$$;
comment on function pgtrickle._sees_all_uncaptured(oid[]) is
    'False where this transaction made the captures itself and reads at a snapshot from before: a writer that ended in between is neither captured nor seen';


create or replace function pgtrickle._drop_capture_objects(source oid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set client_min_messages = warning
as $$
begin
    -- With what somebody may have hung on them: who may read a buffer can make a view of it.
    execute format('drop function if exists pgtrickle_changes.capture_%s() cascade', source);
    -- The sequence first, for whoever purges looks at it before a segment.
    execute format('drop sequence if exists pgtrickle_changes.segment_%s', source);
    execute format('drop table if exists pgtrickle_changes.changes_%1$s_0, pgtrickle_changes.changes_%1$s_1, pgtrickle_changes.changes_%1$s_2 cascade', source);
    perform pgtrickle._unpublish(source);
    delete from pgtrickle.pgt_captures c where c.source_relid = source;
end
$$;
comment on function pgtrickle._drop_capture_objects(oid) is
    'Drops a source''s buffer and, with their function, its triggers: the function''s owner may do so on anybody''s table';
revoke all on function pgtrickle._drop_capture_objects(oid) from public;


create or replace function pgtrickle._is_consumed(source oid)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from pgtrickle.pgt_dependencies d
        where d.source_relid = source
          and d.source_number is not null)
$$;
comment on function pgtrickle._is_consumed(oid) is 'Whether a stream table consumes the captured changes of a source';


create or replace function pgtrickle._drop_capture_if_unused(source oid)
    returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '2s'
    set client_min_messages = warning
as $$
begin
    if pgtrickle._is_consumed(source) then
        return false;
    end if;
    perform pgtrickle._lock_capture(source);
    if pgtrickle._is_consumed(source) then
        return false;  -- since the lock was waited for
    end if;
    perform from pgtrickle.pgt_captures c where c.source_relid = source for update nowait;
    if found then
        perform pgtrickle._drop_capture_objects(source);
    end if;
    return found;
exception when lock_not_available or object_in_use or deadlock_detected then
    -- Somebody reads or writes the source for longer than a drop should wait.
    update pgtrickle.pgt_captures c
    set unused_since = now()
    where c.source_relid = source
      and exists (select from pgtrickle.pgt_captures k where k.source_relid = source for update skip locked);
    return false;
end
$$;
comment on function pgtrickle._drop_capture_if_unused(oid) is
    'Drops a source''s capture when no stream table consumes it; true when it did. Where the source is in use for longer than two seconds the capture stays, marked unused_since, for a later purge';
