-- IMMEDIATE: stream tables that are maintained by the statements that write their sources.
--
-- Capture writes the change buffers as always. Around it, each source has two kinds of statement
-- trigger: one before every event, which takes the locks and counts open statements, and one after
-- it, which fires behind capture ("maintain" sorts after "capture") and, when the last open
-- statement ends, refreshes what depends on the sources touched, upstream first. Several sources
-- may have changed by then: by cascades, by writable CTEs, by triggers of users.
--
--   locks     All dependent tables are locked in the order of their ids before any row of the
--             source is touched; locked after it, two writers of the same rows would deadlock.
--   rights    The trigger functions run as the writer, and so does what they call here, except the
--             helpers that lock and look up, which run no user code. The refresh runs as the stream
--             table's owner, in pgtrickle_state.maintain_<pgt_id>, which everybody may call: it
--             does nothing but bring the table up to date. An installer-owned function must not
--             call it: the owner of the table could exchange it for one that runs as its caller.
--   history   A row for each maintenance that changed the table, with initiated_by null; none
--             where the table stayed as it was.

create or replace function pgtrickle._is_followed(stream_table bigint, source oid, owner oid)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Whoever owns the stream table may claim in the catalog to read anything, and its maintainer is a
    -- function of his. What the triggers were told was told by one who might make triggers.
    return has_table_privilege(owner, source, 'TRIGGER')
        or exists (
            select
            from pg_trigger t
            where t.tgrelid = source
              and t.tgname = 'pgtrickle_maintain_insert'
              and t.tgfoid = to_regproc(format('pgtrickle_changes.maintain_%s', source))
              and stream_table = any (convert_from(substring(t.tgargs from 1 for length(t.tgargs) - 1), 'SQL_ASCII')::bigint[]));
end
$$;
comment on function pgtrickle._is_followed(bigint, oid, oid) is
    'Whether writers of a source may be had maintain a stream table: its owner may put triggers on the source, or might when that was set up';


create or replace function pgtrickle._readers_through_others(source oid)
    returns bigint[]
    language plpgsql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Cascades are followed whatever the event: ON CONFLICT and MERGE announce several, one by one.
    return (
        with recursive written (relid) as (
            select source
            union
            select n.relid
            from written w
            cross join lateral (
                select coalesce((
                    select a.relid
                    from pg_partition_ancestors(k.conrelid) a
                    where a.relid in (select d.source_relid from pgtrickle.pgt_dependencies d)
                    limit 1)::oid, k.conrelid) as relid
                from pg_constraint k
                where k.contype = 'f'
                  and k.confrelid = w.relid
                  and (k.confdeltype in ('c', 'n', 'd') or k.confupdtype in ('c', 'n', 'd'))
                union all
                select s.pgt_relid
                from pgtrickle.pgt_dependencies d
                join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
                where d.source_relid = w.relid
                  and s.refresh_mode = 'IMMEDIATE'
                  and s.is_populated
                  and s.status <> 'SUSPENDED'
                  and pgtrickle._is_followed(s.pgt_id, w.relid, s.pgt_owner)
            ) n
        )
        select coalesce(array_agg(s.pgt_id order by s.pgt_id), '{}')
        from written w
        join pgtrickle.pgt_stream_tables s on s.pgt_relid = w.relid
        where w.relid <> source
          and s.refresh_mode = 'IMMEDIATE'
          and s.is_populated
          and s.status <> 'SUSPENDED');
end
$$;
comment on function pgtrickle._readers_through_others(oid) is
    'Ids, ascending, of the IMMEDIATE stream tables that a write of a relation may maintain: its readers, theirs, and those of tables its foreign keys cascade to';


create or replace function pgtrickle._reads_several(ids bigint[])
    returns bigint[]
    language plpgsql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    return array(
        select d.pgt_id
        from pgtrickle.pgt_dependencies d
        where d.pgt_id = any (ids)
          and d.source_type = 'TABLE'
        group by d.pgt_id
        having count(*) > 1
        order by d.pgt_id);
end
$$;
comment on function pgtrickle._reads_several(bigint[]) is 'Those of the stream tables that read several tables';


create or replace function pgtrickle._reached_by(source oid, out ids bigint[], out several bigint[])
    language plpgsql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    direct record;
begin
    -- Mostly there is one step to go, and one question. (What _is_followed asks first stands here: it is a call less.)
    select coalesce(array_agg(s.pgt_id order by s.pgt_id), '{}') as ids,
        coalesce(array_agg(s.pgt_id order by s.pgt_id) filter (
            where 1 < (select count(*) from pgtrickle.pgt_dependencies o where o.pgt_id = s.pgt_id and o.source_type = 'TABLE')), '{}') as several,
        coalesce(bool_or(
            exists (select from pgtrickle.pgt_dependencies o where o.source_relid = s.pgt_relid)
            or exists (select from pg_trigger t where t.tgrelid = s.pgt_relid and t.tgisinternal)), false)
        or exists (select from pg_trigger t where t.tgrelid = source and t.tgisinternal) as has_more
    into direct
    from pgtrickle.pgt_dependencies d
    join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
    where d.source_relid = source
      and s.refresh_mode = 'IMMEDIATE'
      and s.is_populated
      and s.status <> 'SUSPENDED'
      and (has_table_privilege(s.pgt_owner, source, 'TRIGGER') or pgtrickle._is_followed(s.pgt_id, source, s.pgt_owner));
    if direct.has_more then
        ids := pgtrickle._readers_through_others(source);
        several := pgtrickle._reads_several(ids);
    else
        ids := direct.ids;
        several := direct.several;
    end if;
end
$$;
comment on function pgtrickle._reached_by(oid) is
    'As _readers_through_others, asked in one query where a write reaches no further than its readers; and those that _reads_several';


create or replace function pgtrickle._lock_immediate(ids bigint[], installed bigint[])
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    missed bigint;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        -- The snapshot may be older than a stream table, or than its being IMMEDIATE. A row that was
        -- written since cannot be locked (40001); one that is not there yet has its function.
        select m into missed
        from unnest(installed) m
        where not exists (select from pgtrickle.pgt_frontiers f where f.pgt_id = m)
          and to_regprocedure(format('pgtrickle_state.maintain_%s(boolean)', m)) is not null
        limit 1;
        if missed is not null then
            raise exception using
                errcode = '40001',
                message = 'could not serialize access: an IMMEDIATE stream table was created since the transaction began',
                hint = 'Repeat the transaction';
        end if;
        ids := ids || installed;
    end if;
    perform from pgtrickle.pgt_frontiers f where f.pgt_id = any (ids) order by f.pgt_id for update;
end
$$;
comment on function pgtrickle._lock_immediate(bigint[], bigint[]) is
    'Locks stream tables against other refreshes, in the order of their ids. installed: those a trigger knows of, which the snapshot may not';


create or replace function pgtrickle._call_maintainer(id bigint, only_lock boolean)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Its owner may exchange it for a function that runs with the rights of the writer, or for one of other
    -- arguments that is called in its place.
    if not pgtrickle._runs_as_its_owner(concat('maintain_', id), 'boolean') then
        raise exception using
            errcode = '42501',
            message = format('function pgtrickle_state.maintain_%s was exchanged: it would run with the rights of role %I', id, current_user),
            hint = 'The owner of the IMMEDIATE stream table makes it anew with pgtrickle.repair_stream_table';
    end if;
    execute format('select pgtrickle_state.maintain_%s($1)', id) using only_lock;
end
$$;
comment on function pgtrickle._call_maintainer(bigint, boolean) is
    'Brings an IMMEDIATE stream table up to date as its owner, or locks what it reads; error 42501 where that would not run as its owner';


create or replace function pgtrickle._begin_statement(source oid, installed bigint[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    touched constant text := coalesce(current_setting('pgtrickle.touched', true), '');
    depth constant integer := coalesce(nullif(current_setting('pgtrickle.open_statements', true), ''), '0')::integer;
    reached constant record := pgtrickle._reached_by(source);
    id bigint;
begin
    -- Sources before stream tables, as a TRUNCATE has them: it holds its table already.
    foreach id in array reached.several loop
        perform pgtrickle._call_maintainer(id, true);
    end loop;
    perform pgtrickle._lock_immediate(reached.ids, installed);
    perform set_config('pgtrickle.open_statements', (depth + 1)::text, true);
    if source::text <> all (string_to_array(touched, ',')) then
        perform set_config('pgtrickle.touched', concat_ws(',', nullif(touched, ''), source), true);
    end if;
end
$$;
comment on function pgtrickle._begin_statement(oid, bigint[]) is
    'A statement is about to write a source: locks what it will maintain and counts it as open';


create or replace function pgtrickle._next_immediate(ids bigint[])
    returns bigint
    language plpgsql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    if cardinality(ids) = 1 then
        return ids[1];
    end if;
    return (
        with recursive upstream (pgt_id, relid) as (
            select id, d.source_relid
            from unnest(ids) id
            join pgtrickle.pgt_dependencies d on d.pgt_id = id
            union
            select u.pgt_id, d.source_relid
            from upstream u
            join pgtrickle.pgt_stream_tables s on s.pgt_relid = u.relid
            join pgtrickle.pgt_dependencies d on d.pgt_id = s.pgt_id
        )
        select min(id)
        from unnest(ids) id
        where not exists (
            select
            from upstream u
            join pgtrickle.pgt_stream_tables s on s.pgt_relid = u.relid
            where u.pgt_id = id
              and s.pgt_id = any (ids)));
end
$$;
comment on function pgtrickle._next_immediate(bigint[]) is 'One of these stream tables that reads none of the others, directly or through more';


create or replace function pgtrickle._immediate_on(sources oid[])
    returns bigint[]
    language plpgsql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    source oid;
    ids bigint[] := '{}';
begin
    -- One at a time: for an array PostgreSQL would plan it again each time, which takes five times as long as to run it.
    foreach source in array sources loop
        ids := ids || array(
            select s.pgt_id
            from pgtrickle.pgt_dependencies d
            join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
            where d.source_relid = source
              and s.refresh_mode = 'IMMEDIATE'
              and s.is_populated
              and s.status <> 'SUSPENDED'
              and s.pgt_id <> all (ids)
              and (has_table_privilege(s.pgt_owner, source, 'TRIGGER') or pgtrickle._is_followed(s.pgt_id, source, s.pgt_owner)));
    end loop;
    return ids;
end
$$;
comment on function pgtrickle._immediate_on(oid[]) is 'IMMEDIATE stream tables that read one of these relations themselves';


create or replace function pgtrickle._end_statement()
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    depth constant integer := coalesce(nullif(current_setting('pgtrickle.open_statements', true), ''), '1')::integer - 1;
    touched text;
    written text;
    due bigint[] := '{}';
    id bigint;
begin
    if depth > 0 then
        perform set_config('pgtrickle.open_statements', depth::text, true);
        return;
    end if;
    -- Still counted as open, so that what a refresh writes is noted here, and each table is
    -- refreshed once, after all it reads.
    loop
        touched := current_setting('pgtrickle.touched', true);
        if touched <> '' then
            perform set_config('pgtrickle.touched', '', true);
            written := concat_ws(',', written, touched);
            perform set_config('pgtrickle.written', written, true);
            due := due || pgtrickle._immediate_on(string_to_array(touched, ',')::oid[]);
        end if;
        exit when due = '{}';
        id := pgtrickle._next_immediate(due);
        due := array_remove(due, id);
        perform pgtrickle._call_maintainer(id, false);
    end loop;
    perform set_config('pgtrickle.open_statements', '0', true);
end
$$;
comment on function pgtrickle._end_statement() is
    'A statement has written a source: when no other is open, refreshes the IMMEDIATE tables that depend on all that was written';


create or replace function pgtrickle._raise_not_maintained(target bigint, state text, message text, detail text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    name text;
begin
    select pgtrickle._quoted(s.pgt_schema, s.pgt_name)
    into name
    from pgtrickle.pgt_stream_tables s
    join pg_class c on c.oid = s.pgt_relid
    where s.pgt_id = target;
    if not found then
        return;  -- it was dropped meanwhile, and is nobody's to maintain
    end if;
    raise exception using
        errcode = state,
        message = format('IMMEDIATE stream table %s could not be maintained: %s', name, message),
        detail = coalesce(nullif(detail, ''), 'It is maintained by the statements that write what it reads'),
        hint = case when state in ('40001', '40P01') then 'Repeat the transaction'
            else format('The statement was undone. To write all the same: select pgtrickle.alter_stream_table(%1$L, refresh_mode => ''DIFFERENTIAL'')'
                ', which refreshes it later, or select pgtrickle.pause_stream_table(%1$L)', name) end;
end
$$;
comment on function pgtrickle._raise_not_maintained(bigint, text, text, text) is
    'Raises what went wrong with an IMMEDIATE stream table as an error that names it, with the way out; nothing where it is no more';


create or replace function pgtrickle._maintain(target bigint, only_lock boolean)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    message text;
    detail text;
begin
    if not only_lock then
        if pgtrickle._maintain_by_delta(target) then
            return;
        end if;
    end if;
    begin
        if only_lock then
            perform pgtrickle._lock_sources(target);
        else
            perform pgtrickle._refresh(target, null, 'STATEMENT', true);
        end if;
    exception when others then
        get stacked diagnostics message = message_text, detail = pg_exception_detail;
        perform pgtrickle._raise_not_maintained(target, sqlstate, message, detail);
    end;
end
$$;
comment on function pgtrickle._maintain(bigint, boolean) is
    'Refreshes an IMMEDIATE stream table within a writer''s statement, as its owner; errors name it. only_lock: only locks what it reads';


create or replace function pgtrickle._check_not_restored(ids bigint[])
    returns void
    language plpgsql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    name text;
begin
    select pgtrickle._quoted(s.pgt_schema, s.pgt_name)
    into name
    from pgtrickle.pgt_stream_tables s
    where s.pgt_id = any (ids)
      and s.requested_refresh_mode = 'IMMEDIATE'
      and pgtrickle._is_restored(s)
    limit 1;
    if name is not null then
        raise exception using
            errcode = '55000',
            message = format('IMMEDIATE stream table %s was restored from a dump and is not maintained yet', name),
            hint = 'As a superuser, once for all stream tables: select pgtrickle.restore_stream_tables()';
    end if;
end
$$;
comment on function pgtrickle._check_not_restored(bigint[]) is
    'Error 55000 where a statement writes what an IMMEDIATE stream table reads that came with a dump: it would not see the change';


create or replace function pgtrickle._maintenance_triggers(source oid)
    returns table (relation oid, ids bigint[])
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select m.relation,
        case when count(*) filter (where t.tgenabled in ('O', 'A')) = 8
            then (array_agg(convert_from(substring(t.tgargs from 1 for length(t.tgargs) - 1), 'SQL_ASCII')))[1]::bigint[] end
    from pgtrickle._members(source) m(relation)
    left join pg_trigger t
        on t.tgrelid = m.relation
        and t.tgname ~ '^pgtrickle_(lock|maintain)_(insert|update|delete|truncate)$'
        and t.tgfoid = to_regproc(format('pgtrickle_changes.maintain_%s', source))
        and t.tgnargs = 1
    group by m.relation
    order by m.relation
$$;
comment on function pgtrickle._maintenance_triggers(oid) is
    'For a source and each of its partitions, the IMMEDIATE stream tables its triggers know of; null where a trigger is missing or disabled';


create or replace function pgtrickle._maintenance_function(source oid)
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return format(
        'create or replace function pgtrickle_changes.maintain_%s() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as %L',
        source,
        format($text$
begin
    if tg_relid <> %1$s then
        -- A partition that was detached keeps its triggers; so does a table restored elsewhere.
        if not exists (select from pg_partition_ancestors(tg_relid) a where a.relid = %1$s) then
            perform pgtrickle._check_not_restored(tg_argv[0]::bigint[]);
            return null;
        end if;
    end if;
    if tg_when = 'BEFORE' then
        perform pgtrickle._begin_statement(%1$s, tg_argv[0]::bigint[]);
    else
        perform pgtrickle._end_statement();
    end if;
    return null;
end
$text$, source));
end
$$;
comment on function pgtrickle._maintenance_function(oid) is
    'Text that creates the function of a source''s maintenance triggers, or makes it anew';


create or replace function pgtrickle._prepare_maintenance(source oid, role name)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pgtrickle._lock_capture(source);
    if to_regproc(format('pgtrickle_changes.maintain_%s', source)) is null then
        -- Or replace: the lock may have been waited for, and what others made meanwhile is not seen yet.
        execute pgtrickle._maintenance_function(source);
        execute format('revoke all on function pgtrickle_changes.maintain_%s() from public', source);
        execute format('comment on function pgtrickle_changes.maintain_%s() is %L', source, 'Maintains the IMMEDIATE stream tables that depend on a source');
    end if;
    execute format('grant execute on function pgtrickle_changes.maintain_%s() to %I', source, role);
end
$$;
comment on function pgtrickle._prepare_maintenance(oid, name) is
    'Creates the function of a source''s maintenance triggers, and lets the role make triggers of it';


create or replace function pgtrickle._make_maintenance_triggers(source oid, member oid, ids bigint[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    event text;
begin
    if not has_table_privilege(member, 'TRIGGER') then
        raise exception using
            errcode = '42501',
            message = format('role %I may not create triggers on %s, which IMMEDIATE needs', current_user, member::regclass),
            hint = format('Have its owner run: grant trigger on %s to %I', member::regclass, current_user);
    end if;
    foreach event in array '{insert,update,delete,truncate}'::text[] loop
        execute format('create or replace trigger pgtrickle_lock_%1$s before %1$s on %2$s for each statement execute function pgtrickle_changes.maintain_%3$s(%4$L)',
            event, pgtrickle._present(member), source, ids::text);
        execute format('create or replace trigger pgtrickle_maintain_%1$s after %1$s on %2$s for each statement execute function pgtrickle_changes.maintain_%3$s(%4$L)',
            event, pgtrickle._present(member), source, ids::text);
    end loop;
    perform pgtrickle._fire_always(member, array(
        select format('pgtrickle_%s_%s', moment, e)
        from unnest('{lock,maintain}'::text[]) moment, unnest('{insert,update,delete,truncate}'::text[]) e));
end
$$;
comment on function pgtrickle._make_maintenance_triggers(oid, oid, bigint[]) is
    'Has the writers of a source, or of a partition of it, maintain these stream tables. Waits for writers, and blocks them until commit';


create or replace function pgtrickle._ensure_maintenance(target bigint, locks boolean default true)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    source record;
    member oid;
    known bigint[];
    args bigint[];
begin
    for source in
        select c.oid as relid
        from pgtrickle.pgt_dependencies d
        join pg_class c on c.oid = d.source_relid
        where d.pgt_id = target
          and d.source_type <> 'VIEW'
          and pgtrickle._not_capturable(c.oid) is null
        order by c.oid
    loop
        if not locks and not exists (
            select from pgtrickle._maintenance_triggers(source.relid) t where (target = any (t.ids)) is not true)
        then
            continue;
        end if;
        perform pgtrickle._prepare_maintenance(source.relid, current_user);
        select array_agg(distinct i) into known from pgtrickle._maintenance_triggers(source.relid) t, unnest(t.ids) i;
        select array_agg(distinct i order by i) into args
        from unnest(known || target) i
        where i = target or exists (select from pg_proc p where p.oid = to_regprocedure(format('pgtrickle_state.maintain_%s(boolean)', i)));
        -- The root first: while it is locked so, no partition comes or goes.
        perform pgtrickle._make_maintenance_triggers(source.relid, source.relid, args);
        for member in select m from pgtrickle._members(source.relid) m where m <> source.relid order by m loop
            perform pgtrickle._make_maintenance_triggers(source.relid, member, args);
        end loop;
    end loop;
end
$$;
comment on function pgtrickle._ensure_maintenance(bigint, boolean) is
    'Has the writers of all sources maintain a stream table. With locks, waits for writers in flight and keeps new ones out until commit, also where the triggers stand. Error 42501 names the missing grant';


create or replace function pgtrickle._check_followable(stream_table pgtrickle.pgt_stream_tables)
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    reason text;
begin
    select string_agg(pgtrickle._not_capturable(d.source_relid), ', ')
    into reason
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = stream_table.pgt_id
      and d.source_type <> 'VIEW';
    if reason is not null then
        raise exception using
            errcode = '0A000',
            message = format('stream table %I.%I cannot be IMMEDIATE, for its writers cannot be followed: %s',
                stream_table.pgt_schema, stream_table.pgt_name, reason),
            hint = 'Use refresh_mode AUTO or FULL, with a schedule';
    end if;
    if stream_table.requested_cdc_mode = 'wal' then
        raise exception using
            errcode = '0A000',
            message = format('stream table %I.%I cannot be IMMEDIATE with cdc_mode wal', stream_table.pgt_schema, stream_table.pgt_name),
            detail = 'What is decoded from the log is committed already; IMMEDIATE maintains the table before',
            hint = 'Leave cdc_mode out, or use refresh_mode AUTO';
    end if;
end
$$;
comment on function pgtrickle._check_followable(pgtrickle.pgt_stream_tables) is
    'Error 0A000 where writers of the sources cannot maintain a stream table, with the reason';


create or replace function pgtrickle._lock_writers(stream_table pgtrickle.pgt_stream_tables)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if stream_table.refresh_mode = 'IMMEDIATE' then
        perform pgtrickle._ensure_maintenance(stream_table.pgt_id);
    end if;
end
$$;
comment on function pgtrickle._lock_writers(pgtrickle.pgt_stream_tables) is
    'Waits for writers that maintain the stream table and keeps new ones out until commit. Call it before its catalog row is touched, which they write too';


create or replace function pgtrickle._lock_downstream(target bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    reached constant record := pgtrickle._reached_by((select s.pgt_relid from pgtrickle.pgt_stream_tables s where s.pgt_id = target));
begin
    if reached.ids <> '{}' then
        perform pgtrickle._lock_immediate(reached.ids || target, '{}');
    end if;
end
$$;
comment on function pgtrickle._lock_downstream(bigint) is
    'Locks a stream table that is about to be refreshed and the IMMEDIATE ones that will be with it, in the order writers do';


create or replace function pgtrickle._is_maintenance_left(source oid)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- Asked of the catalog and not by name: a name may be remembered that others have just dropped.
    select exists (
            select from pg_proc p
            where p.pronamespace = 'pgtrickle_changes'::regnamespace
              and p.proname = format('maintain_%s', source)
              and p.pronargs = 0)
        and not exists (
            select
            from pgtrickle.pgt_dependencies d
            join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
            where d.source_relid = source
              and s.requested_refresh_mode = 'IMMEDIATE')
$$;
comment on function pgtrickle._is_maintenance_left(oid) is 'Whether a source has maintenance triggers that no stream table needs';


create or replace function pgtrickle._drop_maintenance_if_unused(source oid)
    returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '2s'
    set client_min_messages = warning
as $$
begin
    if not pgtrickle._is_maintenance_left(source) then
        return false;
    end if;
    perform pgtrickle._lock_capture(source);
    if not pgtrickle._is_maintenance_left(source) then
        return false;  -- since the lock was waited for
    end if;
    execute format('drop function pgtrickle_changes.maintain_%s() cascade', source);
    return true;
exception when lock_not_available or object_in_use or deadlock_detected then
    return false;
end
$$;
comment on function pgtrickle._drop_maintenance_if_unused(oid) is
    'Drops a source''s maintenance triggers when no IMMEDIATE stream table reads it; true when it did. Where the source is in use for longer than two seconds they stay, and do nothing';


create or replace function pgtrickle._settle_maintenance(target bigint, former_sources oid[] default '{}')
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    stream_table pgtrickle.pgt_stream_tables;
    sources oid[];
begin
    select * into strict stream_table from pgtrickle.pgt_stream_tables s where s.pgt_id = target;
    if stream_table.requested_refresh_mode = 'IMMEDIATE' then
        perform pgtrickle._check_followable(stream_table);
        perform pgtrickle._drop_planted(target);
        perform pgtrickle._create_as_defined(stream_table, format(
            'create or replace function pgtrickle_state.maintain_%1$s(only_lock boolean default false)'
            ' returns void language plpgsql security definer set search_path from current%2$s as %3$L',
            target,
            pgtrickle._pinned_settings(stream_table.defining_settings),
            pgtrickle._pinned_source(stream_table.defining_settings, null, format('perform pgtrickle._maintain(%s, only_lock);', target))));
        execute format('grant execute on function pgtrickle_state.maintain_%s(boolean) to public', target);
        execute format('comment on function pgtrickle_state.maintain_%s(boolean) is %L',
            target, format('Maintains IMMEDIATE stream table %I.%I as its owner, within the statements of writers', stream_table.pgt_schema, stream_table.pgt_name));
        perform pgtrickle._ensure_maintenance(target);
    else
        execute format('drop function if exists pgtrickle_state.maintain_%s(boolean)', target);
    end if;
    perform pgtrickle._drop_maintenance_if_unused(relid)
    from unnest(former_sources || array(select d.source_relid from pgtrickle.pgt_dependencies d where d.pgt_id = target)) relid;
end
$$;
comment on function pgtrickle._settle_maintenance(bigint, oid[]) is
    'Creates what an IMMEDIATE stream table needs besides its plan, keeping writers of its sources out until commit; drops it where the table is not IMMEDIATE';
