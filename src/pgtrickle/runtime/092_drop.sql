-- Dropping stream tables, and noticing what was dropped or renamed by plain DDL.

create or replace function pgtrickle._drop_hidden(p_pgt_id bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pgtrickle._drop_state(p_pgt_id);
    perform pgtrickle._drop_routines(array(
        select f
        from pgtrickle._functions_of(p_pgt_id) f
        join pg_proc p on p.oid = f
        where pg_has_role(p.proowner, 'USAGE')));
end
$$;
comment on function pgtrickle._drop_hidden(bigint) is 'Drops state tables and functions of a stream table, as far as they are the caller''s to drop';


create or replace function pgtrickle._follow_renames()
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    ids bigint[];
begin
    select array_agg(s.pgt_id)
    into ids
    from pgtrickle.pgt_stream_tables s
    join pg_class c on c.oid = s.pgt_relid
    join pg_namespace n on n.oid = c.relnamespace
    -- By case, so that the function is asked about few.
    where case when (s.pgt_schema, s.pgt_name) <> (n.nspname, c.relname) then not pgtrickle._is_restored(s) end;
    if ids is null then
        return;
    end if;
    -- In two steps, for two tables may have swapped their names. A table that was dropped and not
    -- yet cleaned up gives its name to one that has it now.
    update pgtrickle.pgt_stream_tables s
    set pgt_schema = '', pgt_name = s.pgt_id::text
    where s.pgt_id = any (ids)
       or (not exists (select from pg_class c where c.oid = s.pgt_relid)
           and (s.pgt_schema, s.pgt_name) in (
               select n.nspname, c.relname
               from pgtrickle.pgt_stream_tables renamed
               join pg_class c on c.oid = renamed.pgt_relid
               join pg_namespace n on n.oid = c.relnamespace
               where renamed.pgt_id = any (ids)
           ));
    update pgtrickle.pgt_stream_tables s
    set pgt_schema = n.nspname, pgt_name = c.relname, updated_at = now()
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where s.pgt_id = any (ids)
      and c.oid = s.pgt_relid;
end
$$;
comment on function pgtrickle._follow_renames() is
    'Brings the catalog''s names up to date after a plain ALTER TABLE ... RENAME or SET SCHEMA of stream tables, whoever owns them: their names may have moved among owners';


create or replace function pgtrickle._follow_owners()
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    moved record;
begin
    for moved in
        select s.pgt_id, s.pgt_schema, s.pgt_name, pg_get_userbyid(s.pgt_owner) as former, c.relowner, pg_get_userbyid(c.relowner) as owner
        from pgtrickle.pgt_stream_tables s
        join pg_class c on c.oid = s.pgt_relid
        where case when c.relowner <> s.pgt_owner then not pgtrickle._is_restored(s) end
        for update of s skip locked
    loop
        perform pgtrickle._retire_plan(moved.pgt_id, format('its owner was %I', moved.former));
        update pgtrickle.pgt_stream_tables s
        set pgt_owner = moved.relowner,
            status = 'SUSPENDED',
            last_error_code = '42501',
            last_error_at = clock_timestamp(),
            last_error_message = format('The table was given by role %I to role %I, as whom its query now runs. If %2$I agrees: select pgtrickle.repair_stream_table(%L)',
                moved.former, moved.owner, format('%I.%I', moved.pgt_schema, moved.pgt_name)),
            updated_at = now()
        where s.pgt_id = moved.pgt_id;
        -- Who owns a schema may drop what others own in it.
        perform pgtrickle._drop_state_tables(moved.pgt_id, null);
        perform pgtrickle._drop_routines(array(select f from pgtrickle._functions_of(moved.pgt_id) f));
    end loop;
end
$$;
comment on function pgtrickle._follow_owners() is
    'Suspends stream tables after a plain ALTER TABLE ... OWNER TO and drops what the former owner had to maintain them: nothing runs as the new owner before repair_stream_table, called as that role';


create or replace function pgtrickle._forget_dropped()
    returns table (pgt_id bigint, sources oid[])
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    for pgt_id in
        select s.pgt_id
        from pgtrickle.pgt_stream_tables s
        where case when not exists (select from pg_class c where c.oid = s.pgt_relid) then not pgtrickle._is_restored(s) end
        order by s.pgt_id
    loop
        -- What a refresh locks first: one that is under way finds out itself.
        perform from pgtrickle.pgt_frontiers f where f.pgt_id = _forget_dropped.pgt_id for update skip locked;
        continue when not found;
        perform from pgtrickle.pgt_stream_tables s where s.pgt_id = _forget_dropped.pgt_id for update skip locked;
        continue when not found;
        sources := array(select d.source_relid from pgtrickle.pgt_dependencies d where d.pgt_id = _forget_dropped.pgt_id);
        delete from pgtrickle.pgt_stream_tables s where s.pgt_id = _forget_dropped.pgt_id;
        return next;
    end loop;
end
$$;
comment on function pgtrickle._forget_dropped() is
    'Deletes the catalog rows of stream tables whose table was dropped by plain DROP TABLE, whoever owned them, but those being refreshed; returns what they read';


create or replace function pgtrickle._await_dropped(schema_name text, object_name text)
    returns void
    language sql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select
    from (
        select
        from pgtrickle.pgt_frontiers f
        where f.pgt_id in (
            select s.pgt_id
            from pgtrickle.pgt_stream_tables s
            where (s.pgt_schema, s.pgt_name) = (schema_name, object_name)
              and not exists (select from pg_class c where c.oid = s.pgt_relid))
        for update
    ) held
$$;
comment on function pgtrickle._await_dropped(text, text) is
    'Waits for the refresh under way of a stream table that bore this name and was dropped by plain DROP TABLE: it is not forgotten before';


create or replace function pgtrickle._cleanup_dropped()
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    gone record;
begin
    perform pgtrickle._follow_renames();
    perform pgtrickle._follow_owners();
    for gone in
        select * from pgtrickle._forget_dropped()
    loop
        perform pgtrickle._release_captures(gone.sources);
    end loop;
    -- What an earlier cleanup by somebody else had no right to drop.
    perform pgtrickle._drop_hidden(orphan.pgt_id)
    from (
        select substring(obj_description(c.oid, 'pg_class') from '^State of stream table ([0-9]{1,18})$')::bigint as pgt_id
        from pg_class c
        where c.relnamespace = 'pgtrickle_state'::regnamespace
          and c.relkind = 'r'
          and pg_has_role(c.relowner, 'USAGE')
        union
        select substring(p.proname from '^(?:refresh|verify|maintain|pending|delta)_([0-9]{1,18})(?:_|$)')::bigint
        from (
            -- Nearly all belong to a table, which is told without a closer look at the name.
            select f.proname
            from pg_proc f
            where f.pronamespace = 'pgtrickle_state'::regnamespace
              and split_part(f.proname, '_', 2) not in (select s.pgt_id::text from pgtrickle.pgt_stream_tables s)
              and pg_has_role(f.proowner, 'USAGE')
            offset 0
        ) p
    ) orphan
    where orphan.pgt_id is not null
      and not exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = orphan.pgt_id);
end
$$;
comment on function pgtrickle._cleanup_dropped() is
    'Cleans up after plain DROP TABLE, changes of name and owner of stream tables: catalog rows, state, executors, capture nobody needs. Called at every lifecycle operation';


create or replace function pgtrickle._check_owner(stream_table pgtrickle.pgt_stream_tables)
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not pg_has_role(stream_table.pgt_owner, 'USAGE') then
        raise exception using
            errcode = '42501',
            message = format('must be owner of stream table %I.%I', stream_table.pgt_schema, stream_table.pgt_name),
            hint = format('Its owner is %I', pg_get_userbyid(stream_table.pgt_owner));
    end if;
end
$$;
comment on function pgtrickle._check_owner(pgtrickle.pgt_stream_tables) is 'Error 42501 where the caller does not have the rights of a stream table''s owner';


create or replace function pgtrickle._act_as_owner(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    former constant text := current_setting('role');
    owner constant name := pg_get_userbyid(stream_table.pgt_owner);
begin
    perform pgtrickle._check_owner(stream_table);
    if current_user <> owner then
        perform set_config('role', owner, true);
    end if;
    return former;
end
$$;
comment on function pgtrickle._act_as_owner(pgtrickle.pgt_stream_tables) is
    'Continues as the stream table''s owner; where code of his may run, use _as_owner. Returns what role was set to, for _act_again_as';


create or replace function pgtrickle._act_again_as(former text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Within a SECURITY DEFINER function it did not change, and may not be set.
    if current_setting('role') <> former then
        perform set_config('role', former, true);
    end if;
end
$$;
comment on function pgtrickle._act_again_as(text) is 'Ends what _act_as_owner began';


create or replace function pgtrickle._as_owner(stream_table pgtrickle.pgt_stream_tables, call text)
    returns setof text
    language plpgsql
as $$
declare
    -- As the caller's: a query given is read under it. So all here is called by its full name.
    owner constant name := pg_catalog.pg_get_userbyid(stream_table.pgt_owner);
    fence constant text := pg_catalog.concat('pgtrickle_fence_', pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', ''));
    former_role text;
begin
    -- A role that was taken on, here or by the session, can be laid down again by any code that runs
    -- under it. In a function that is SECURITY DEFINER it cannot.
    if current_user operator(pg_catalog.=) owner
        and (session_user operator(pg_catalog.=) owner or pg_catalog.current_setting('role') operator(pg_catalog.<>) owner)
    then
        return query execute call;
        return;
    end if;
    former_role := pgtrickle._act_as_owner(stream_table);
    execute pg_catalog.format('create function pg_temp.%I() returns setof text language plpgsql security definer as %L',
        fence, pg_catalog.format('begin return query execute %L; perform pgtrickle._fire_deferred(); end', call));
    return query execute pg_catalog.format('select * from pg_temp.%I()', fence);
    execute pg_catalog.format('drop function pg_temp.%I()', fence);
    perform pgtrickle._act_again_as(former_role);
end
$$;
comment on function pgtrickle._as_owner(pgtrickle.pgt_stream_tables, text) is
    'Runs a statement that returns one text column as the stream table''s owner, so that none of the code that belongs to him gets anybody else''s rights';


create or replace function pgtrickle._downstream(relation oid)
    returns table (pgt_id bigint, pgt_relid oid, pgt_schema text, pgt_name text, depth integer)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with recursive reader (pgt_id, pgt_relid, pgt_schema, pgt_name, depth) as (
        select s.pgt_id, s.pgt_relid, s.pgt_schema, s.pgt_name, 1
        from pgtrickle.pgt_dependencies d
        join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
        where d.source_relid = relation
          and pgtrickle._may_read(s.pgt_owner, relation)
        union
        select s.pgt_id, s.pgt_relid, s.pgt_schema, s.pgt_name, r.depth + 1
        from reader r
        join pgtrickle.pgt_dependencies d on d.source_relid = r.pgt_relid
        join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
        where r.depth < 1000
          and pgtrickle._may_read(s.pgt_owner, r.pgt_relid)
    )
    select r.pgt_id, r.pgt_relid, r.pgt_schema, r.pgt_name, max(r.depth)
    from reader r
    group by r.pgt_id, r.pgt_relid, r.pgt_schema, r.pgt_name
    order by max(r.depth), r.pgt_schema, r.pgt_name
$$;
comment on function pgtrickle._downstream(oid) is
    'Stream tables that read a relation, directly or through each other, nearest first; none whose owner may not read it any more';


create or replace function pgtrickle._drop(stream_table pgtrickle.pgt_stream_tables, cascade boolean)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    sources constant oid[] := pgtrickle._sources(stream_table.pgt_id);
begin
    perform pgtrickle._check_owner(stream_table);
    -- As a refresh does first; one that is under way is waited for, and a snapshot of before fails.
    perform from pgtrickle.pgt_frontiers f where f.pgt_id = stream_table.pgt_id for update;
    if exists (select from pg_class c where c.oid = stream_table.pgt_relid) then
        execute format('drop table %I.%I %s', stream_table.pgt_schema, stream_table.pgt_name,
            case when cascade then 'cascade' else 'restrict' end);
    end if;
    perform pgtrickle._drop_hidden(stream_table.pgt_id);
    delete from pgtrickle.pgt_stream_tables where pgt_id = stream_table.pgt_id;
    perform pgtrickle._release_captures(sources || stream_table.pgt_relid);
end
$$;
comment on function pgtrickle._drop(pgtrickle.pgt_stream_tables, boolean) is
    'Drops one stream table with all that belongs to it, and with cascade the views on it; does not look at stream tables that read it';


create or replace function pgtrickle.drop_stream_table(name text, cascade boolean default false)
    returns void
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables;
    reader pgtrickle.pgt_stream_tables;
    readers text;
begin
    perform pgtrickle._follow_renames();
    perform pgtrickle._follow_owners();
    target := pgtrickle._find(name);
    perform pgtrickle._lock_name(target.pgt_schema, target.pgt_name);
    perform pgtrickle._check_owner(target);
    select pg_catalog.string_agg(pgtrickle._quoted(d.pgt_schema, d.pgt_name), ', ')
    into readers
    from pgtrickle._downstream(target.pgt_relid) d;
    if readers is not null and not coalesce(cascade, false) then
        raise exception using
            errcode = '2BP01',
            message = pg_catalog.format('cannot drop stream table %s because stream tables read it: %s',
                pgtrickle._quoted(target.pgt_schema, target.pgt_name), readers),
            hint = pg_catalog.format('select pgtrickle.drop_stream_table(%L, cascade => true) drops them too', name);
    end if;
    for reader in
        select s.*
        from pgtrickle._downstream(target.pgt_relid) d
        join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
        order by d.depth desc
    loop
        perform pgtrickle._drop(reader, true);
    end loop;
    perform pgtrickle._drop(target, coalesce(cascade, false));
    perform pgtrickle._cleanup_dropped();
end
$$;
comment on function pgtrickle.drop_stream_table(text, boolean) is
    'Drops a stream table with its table, state and unused capture. With cascade also the stream tables and views that read it; otherwise error 2BP01 where there are any';
