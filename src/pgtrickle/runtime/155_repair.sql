-- Making stream tables whole again: after tampering, after a dump and restore.

create or replace function pgtrickle._arm(target bigint)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    update pgtrickle.pgt_stream_tables s
    set status = 'ACTIVE',
        consecutive_errors = 0,
        last_error_message = null,
        last_error_code = null,
        last_error_at = null,
        fuse_state = case s.fuse_state when 'blown' then 'armed' else s.fuse_state end,
        blown_at = null,
        blow_reason = null,
        updated_at = now()
    where s.pgt_id = target
$$;
comment on function pgtrickle._arm(bigint) is 'Sets a stream table ACTIVE, its errors forgotten and its fuse armed';


create or replace function pgtrickle._repair(target pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    kept jsonb;
    rebuilt text;
    outcome pgtrickle.refresh_outcome;
    rows_changed bigint;
begin
    if target.requested_refresh_mode = 'IMMEDIATE' then
        -- First, for it locks writers out, who hold the frontier.
        perform pgtrickle._settle_maintenance(target.pgt_id);
    end if;
    perform pgtrickle._lock_frontier(target.pgt_id, true);
    perform pgtrickle._create_guard(target.pgt_id);
    perform pgtrickle._create_executor(target.pgt_id);
    rebuilt := concat_ws('; ', pgtrickle._rebind(target), pgtrickle._follow_definitions(target));
    perform pgtrickle._arm(target.pgt_id);
    select case when p.plan_status = 'COMPILED' or target.requested_refresh_mode = 'FULL' then p.plan end into kept from pgtrickle.pgt_plans p where p.pgt_id = target.pgt_id;
    -- Without its plan first: with contents that may be wrong, its unique index might not be possible.
    perform pgtrickle._set_plan(target.pgt_id, null);
    outcome := pgtrickle._execute_refresh(target, 'REINITIALIZE', 'MANUAL', true, false);
    rows_changed := outcome.rows_inserted + outcome.rows_deleted;
    if kept is not null then
        perform pgtrickle._set_plan(target.pgt_id, kept);
    end if;
    if kept ->> 'mode' = 'DIFFERENTIAL' then
        outcome := pgtrickle._execute_refresh(target, 'REINITIALIZE', 'MANUAL', true, false);
    end if;
    return concat_ws('; ',
        format('%s: guard, executor%s made anew', pgtrickle._quoted(target.pgt_schema, target.pgt_name),
            case when kept ->> 'mode' = 'DIFFERENTIAL' then ', capture, index and state' else '' end),
        nullif(rebuilt, ''),
        format('recomputed, %s', case rows_changed when 0 then 'no row was wrong' else format('%s rows were wrong or out of date', rows_changed) end),
        (select string_agg(format('writes of %s under session_replication_role = replica will be missed until its owner runs select pgtrickle.capture_always(%1$L)', c.source_table), '; ')
         from pgtrickle.check_cdc_health() c
         where c.alert like 'replica_writes%'
           and c.source_relid in (select d.source_relid from pgtrickle.pgt_dependencies d where d.pgt_id = target.pgt_id)));
end
$$;
comment on function pgtrickle._repair(pgtrickle.pgt_stream_tables) is
    'Makes anew all that belongs to a stream table whose table stands, and recomputes it. Call it as its owner';


create or replace function pgtrickle._create_again(target pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
as $$
declare
    name constant text := pgtrickle._quoted(target.pgt_schema, target.pgt_name);
begin
    execute pgtrickle.export_definition(name);
    return pg_catalog.format('%s: the table was missing and was created again from its definition', name);
end
$$;
comment on function pgtrickle._create_again(pgtrickle.pgt_stream_tables) is
    'Creates a stream table whose table was dropped, from its catalog row. Call it as its owner';


create or replace function pgtrickle.repair_stream_table(name text)
    returns text
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables;
begin
    perform pgtrickle._follow_owners();
    target := pgtrickle._find(name);
    return pgtrickle._as_owner(target, pg_catalog.format('select pgtrickle.%I(pgtrickle._stream_table(%s))',
        case when exists (select from pg_catalog.pg_class c where c.oid = target.pgt_relid) then '_repair' else '_create_again' end,
        target.pgt_id));
end
$$;
comment on function pgtrickle.repair_stream_table(text) is
    'Makes a stream table whole: guard, executor, capture triggers and buffers, index, state; recomputes it and sets it ACTIVE, its fuse armed. Creates it again where its table was dropped; takes it over where it was given to another role. Blocks writers of the sources until commit; returns what was done';


create or replace function pgtrickle.rebuild_cdc_triggers()
    returns text
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables;
    plan jsonb;
    former_role text;
    failure text;
begin
    for target in
        select s.*
        from pgtrickle.pgt_stream_tables s
        join pgtrickle.pgt_plans p using (pgt_id)
        where p.plan_status = 'COMPILED'
          and p.plan ->> 'mode'::text = 'DIFFERENTIAL'
          and s.refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE')
          and pg_catalog.pg_has_role(s.pgt_owner, 'USAGE')
        order by s.pgt_id
    loop
        former_role := pgtrickle._act_as_owner(target);
        select p.plan into plan from pgtrickle.pgt_plans p where p.pgt_id = target.pgt_id;
        failure := pgtrickle._restore_captures(target, plan);
        perform pgtrickle._ensure_maintenance(target.pgt_id, false) where target.refresh_mode = 'IMMEDIATE';
        perform pgtrickle._act_again_as(former_role);
        if failure is not null then
            raise warning using message = pg_catalog.format('%s: %s', pgtrickle._quoted(target.pgt_schema, target.pgt_name), failure);
        end if;
    end loop;
    return 'done';
end
$$;
comment on function pgtrickle.rebuild_cdc_triggers() is
    'Creates again the capture triggers of the caller''s stream tables that are missing, disabled or replaced; whatever reads those sources then recomputes once, for changes may have been missed. Warns of what could not be mended';


create or replace function pgtrickle.capture_always(source text)
    returns void
    language plpgsql
as $$
declare
    relation constant oid := pgtrickle._source(source);
    member record;
    triggers text[];
begin
    perform pgtrickle._lock_capture(relation);
    for member in
        select c.oid, c.relowner
        from pgtrickle._members(relation) m (oid)
        join pg_catalog.pg_class c on c.oid = m.oid
        order by c.oid
    loop
        if not pg_catalog.pg_has_role(member.relowner, 'USAGE') then
            raise exception using
                errcode = '42501',
                message = pg_catalog.format('only the owner of %s can have its triggers always fire', member.oid::regclass),
                hint = pg_catalog.format('Have role %I call pgtrickle.capture_always', pg_catalog.pg_get_userbyid(member.relowner));
        end if;
        triggers := array(
            select t.tgname::text
            from pg_catalog.pg_trigger t
            where t.tgrelid = member.oid
              and t.tgfoid in (
                  pg_catalog.to_regproc(pg_catalog.format('pgtrickle_changes.capture_%s', relation)),
                  pg_catalog.to_regproc(pg_catalog.format('pgtrickle_changes.maintain_%s', relation))));
        if triggers = '{}' then
            raise exception using
                errcode = '55000',
                message = pg_catalog.format('no trigger captures changes of %s', member.oid::regclass),
                hint = 'Stream tables create them: there is nothing to do before, nor where the log is read';
        end if;
        perform pgtrickle._fire_always(member.oid, triggers);
    end loop;
    perform pgtrickle._accept_capture(relation);
end
$$;
comment on function pgtrickle.capture_always(text) is
    'Has a source''s changes captured under session_replication_role = replica, too, which only its owner can have where stream tables belong to others: call it as the owner of the source. Waits for writers, and blocks them until commit; what reads the source recomputes once, for such writes may have been missed. It lasts when further columns or stream tables follow, but not when another IMMEDIATE one does, whose triggers are new: check_cdc_health tells';


create or replace function pgtrickle._is_guarded(relation oid, stream_table bigint)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
        from pg_trigger t
        where t.tgrelid = relation
          and t.tgfoid = 'pgtrickle._guard()'::regprocedure
          and t.tgargs = convert_to(stream_table::text, 'SQL_ASCII') || decode('00', 'hex'))
$$;
comment on function pgtrickle._is_guarded(oid, bigint) is
    'Whether a table has the guard of this stream table: it is that one then, whatever else bears its name';


create or replace function pgtrickle.restore_stream_tables()
    returns void
    language plpgsql
    set jit = off
as $$
declare
    former_sources constant oid[] := array(select distinct d.source_relid from pgtrickle.pgt_dependencies d);
    target pgtrickle.pgt_stream_tables;
begin
    -- OIDs are those of the database that was dumped. Names say what is meant.
    if exists (
        select from pgtrickle.pgt_stream_tables s
        where s.pgt_relid is distinct from pgtrickle._relation_oid(s.pgt_schema, s.pgt_name))
    then
        -- In two steps, for an old OID may be a new one of another table.
        update pgtrickle.pgt_stream_tables s
        set pgt_relid = (4294967295 - s.pgt_id)::oid
        where pgtrickle._relation_oid(s.pgt_schema, s.pgt_name) is not null;
        update pgtrickle.pgt_stream_tables s
        set pgt_relid = c.oid,
            pgt_owner = c.relowner
        from pg_catalog.pg_class c
        where c.oid = pgtrickle._relation_oid(s.pgt_schema, s.pgt_name)
          and pgtrickle._is_guarded(c.oid, s.pgt_id);
    end if;
    perform pgtrickle._drop_capture_objects(k.source_relid)
    from (select source_relid from pgtrickle.pgt_captures order by 1) k;
    -- All sources before anything is made on one of them: the OID of one may be that of anything here.
    for target in
        select s.*
        from pgtrickle.pgt_stream_tables s
        join pg_catalog.pg_class c on c.oid = s.pgt_relid
        order by s.pgt_id
    loop
        perform pgtrickle._as_owner(target, pg_catalog.format('select pgtrickle._rebind(pgtrickle._stream_table(%s))', target.pgt_id));
    end loop;
    for target in
        select s.*
        from pgtrickle._in_order() with ordinality o (pgt_id, name, depth, upstream, number)
        join pgtrickle.pgt_stream_tables s on s.pgt_id = o.pgt_id
        order by o.number
    loop
        if not exists (select from pg_catalog.pg_class c where c.oid = target.pgt_relid) then
            raise warning using
                message = pg_catalog.format('stream table %s did not come with the dump', pgtrickle._quoted(target.pgt_schema, target.pgt_name)),
                hint = 'pgtrickle.drop_stream_table makes it forgotten. A table of its name, if there is one, has not its guard, and is left as it is';
            continue;
        end if;
        perform pgtrickle._as_owner(target, pg_catalog.format('select pgtrickle._repair(pgtrickle._stream_table(%s))', target.pgt_id));
    end loop;
    perform pgtrickle._drop_maintenance_if_unused(source) from pg_catalog.unnest(former_sources) source;
end
$$;
comment on function pgtrickle.restore_stream_tables() is
    'After pg_dump and restore: finds tables and sources by name, captures anew and recomputes every stream table. For a superuser, who is also who restores such a dump; resumes what was suspended';


create or replace function pgtrickle._renew_source_functions()
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    capture pgtrickle.pgt_captures;
    source oid;
begin
    -- What somebody is at this moment making, or who lost columns, is left as it is: it does its work.
    for capture in
        select c.*
        from pgtrickle.pgt_captures c
        where c.cluster_id = pgtrickle._cluster_id()
          and exists (
              select from pg_proc p
              where p.pronamespace = 'pgtrickle_changes'::regnamespace
                and p.proname = format('capture_%s', c.source_relid))
        order by c.source_relid
    loop
        if pgtrickle._try_lock_capture(capture.source_relid)
            and cardinality(capture.columns) = (
                select count(*)
                from pgtrickle._captured_columns(capture.source_relid, capture.columns) c
                join pg_attribute b
                    on b.attrelid = to_regclass(format('pgtrickle_changes.changes_%s_0', capture.source_relid))
                    and b.attname = c.name
                    and b.atttypid = pgtrickle._base_type(c.type))
        then
            execute pgtrickle._capture_function(capture.source_relid, capture.columns);
        end if;
    end loop;
    for source in
        select substring(p.proname from '^maintain_([0-9]{1,10})$')::bigint::oid
        from pg_proc p
        where p.pronamespace = 'pgtrickle_changes'::regnamespace
          and p.proname ~ '^maintain_[0-9]{1,10}$'
          and p.pronargs = 0
        order by 1
    loop
        if pgtrickle._try_lock_capture(source) then
            execute pgtrickle._maintenance_function(source);
        end if;
    end loop;
end
$$;
comment on function pgtrickle._renew_source_functions() is
    'Makes the trigger functions of all sources anew, as this runtime makes them. For an upgrade: those of sources in the making stay as they are';
