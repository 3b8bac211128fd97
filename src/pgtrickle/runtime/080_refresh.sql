-- The refresh. What the steps are and why stands in README.md; here each is a function, and
-- pgtrickle._refresh is their order.

create or replace function pgtrickle._lock_frontier(target bigint, wait boolean)
    returns pgtrickle.pgt_frontiers
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    frontier pgtrickle.pgt_frontiers;
begin
    if not wait then
        perform from pgtrickle.pgt_frontiers f where f.pgt_id = target for update skip locked;
        if not found and exists (select from pgtrickle.pgt_frontiers f where f.pgt_id = target) then
            return null;
        end if;
    end if;
    -- Updated, not only locked: under REPEATABLE READ a mere lock would not fail on a frontier that
    -- moved since the snapshot.
    update pgtrickle.pgt_frontiers f
    set locked_by = pg_current_xact_id()
    where f.pgt_id = target
    returning f.* into frontier;
    if not found then
        insert into pgtrickle.pgt_frontiers as f (pgt_id, locked_by)
        select s.pgt_id, pg_current_xact_id() from pgtrickle.pgt_stream_tables s where s.pgt_id = target
        on conflict (pgt_id) do update set locked_by = excluded.locked_by
        returning f.* into frontier;
    end if;
    if frontier.pgt_id is null then
        raise exception using
            errcode = '42P01',
            message = format('the stream table with pgt_id %s was dropped while this waited for it', target);
    end if;
    return frontier;
end
$$;
comment on function pgtrickle._lock_frontier(bigint, boolean) is
    'The frontier of a stream table, locked until commit; null when another refresh holds it and wait is false. Error 42P01 where the stream table is gone';


create or replace function pgtrickle._check_not_given_away(stream_table pgtrickle.pgt_stream_tables)
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    -- One that is not the former, if any: an older snapshot may see two versions of the row.
    owner constant oid := (
        select c.relowner from pg_class c where c.oid = stream_table.pgt_relid order by c.relowner = stream_table.pgt_owner limit 1);
begin
    if pgtrickle._is_restored(stream_table) then
        raise exception using
            errcode = '55000',
            message = format('stream table %I.%I was restored from a dump and is not maintained yet', stream_table.pgt_schema, stream_table.pgt_name),
            hint = 'As a superuser, once for all stream tables: select pgtrickle.restore_stream_tables()';
    end if;
    if owner <> stream_table.pgt_owner then
        raise exception using
            errcode = '42501',
            message = format('stream table %I.%I was given by role %I to role %I, as whom its query would run',
                stream_table.pgt_schema, stream_table.pgt_name, pg_get_userbyid(stream_table.pgt_owner), pg_get_userbyid(owner)),
            hint = format('If the new owner agrees, as that role: select pgtrickle.repair_stream_table(%L)', format('%I.%I', stream_table.pgt_schema, stream_table.pgt_name));
    end if;
end
$$;
comment on function pgtrickle._check_not_given_away(pgtrickle.pgt_stream_tables) is
    'Error 55000 after a dump and restore. Error 42501 after a plain ALTER TABLE ... OWNER TO or REASSIGN OWNED: nothing runs as an owner who has not agreed';


create or replace function pgtrickle._source_storage(source oid)
    returns jsonb
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
    -- pg_relation_filenode, and not pg_class: it sees what is committed now, as a scan does, also
    -- where the snapshot is older. A partition that was detached and attached again may have been
    -- written meanwhile; the version of its row in pg_inherits tells.
    select jsonb_object_agg(member::text, concat_ws('/', coalesce(pg_relation_filenode(member), 0),
            (select string_agg(i.xmin::text, ' ' order by i.xmin::text) from pg_inherits i where i.inhrelid = member)))
        || jsonb_build_object('epoch', (select c.epoch from pgtrickle.pgt_captures c where c.source_relid = source))
    from pgtrickle._members(source) member
$$;
comment on function pgtrickle._source_storage(oid) is
    'What changes when a source was rewritten, truncated, got or lost a partition, or its capture started anew';


create or replace function pgtrickle._suspicion(dependency pgtrickle.pgt_dependencies)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
declare
    relation constant regclass := dependency.source_relid;
    capture pgtrickle.pgt_captures;
    storage jsonb;
begin
    select c.* into capture from pgtrickle.pgt_captures c where c.source_relid = dependency.source_relid;
    if capture.source_relid is null or capture.cluster_id <> pgtrickle._cluster_id() then
        return format('changes of %s were not captured here', relation);
    end if;
    if capture.triggers is null or capture.triggers is distinct from pgtrickle._capture_fingerprint(dependency.source_relid) then
        return format(case capture.cdc_mode
            when 'WAL' then '%s was taken out of the publication pgtrickle, or that was altered'
            else 'capture triggers of %s were dropped, disabled or replaced, or a partition has none' end, relation);
    end if;
    if capture.cdc_mode <> 'WAL' and pgtrickle._is_replicated(dependency.source_relid) then
        return format('%s is written by logical replication, which fires no triggers of statements', relation);
    end if;
    if pgtrickle._not_observable(dependency.source_relid) is not null then
        return pgtrickle._not_observable(dependency.source_relid);
    end if;
    if pgtrickle._row_security_applies(dependency.source_relid, current_user) then
        return format('row security of %s applies to the stream table''s owner', relation);
    end if;
    if pgtrickle._renumbered(dependency) then
        return format('columns of %s were dropped and added, or exchanged', relation);
    end if;
    storage := pgtrickle._source_storage(dependency.source_relid);
    if dependency.source_storage = storage then
        return null;
    end if;
    if dependency.source_storage is null then
        return format('%s is read incrementally for the first time', relation);
    end if;
    if dependency.source_storage -> 'epoch' <> storage -> 'epoch' then
        return format('changes of %s may have been missed', relation);
    end if;
    if (select count(*) from jsonb_object_keys(storage)) <> (select count(*) from jsonb_object_keys(dependency.source_storage))
        or not dependency.source_storage ?& array(select jsonb_object_keys(storage))
    then
        return format('partitions of %s were attached or detached', relation);
    end if;
    return format('%s was rewritten or truncated%s', relation,
        case when storage - relation::oid::text - 'epoch' <> '{}' then ', or a partition of it was detached for a while' else '' end);
end
$$;
comment on function pgtrickle._suspicion(pgtrickle.pgt_dependencies) is
    'Why the captured changes of a source cannot be relied on, null when they can';


create or replace function pgtrickle._check_snapshot(target bigint)
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    changed oid;
begin
    -- A rewritten or truncated table is empty to snapshots of before, and a partition attached since
    -- may hold rows that were written, uncaptured, since. What is stored in pg_class is seen as of
    -- the snapshot; pg_relation_filenode and the partition tree are those of now.
    select d.source_relid
    into changed
    from pgtrickle.pgt_dependencies d
    cross join lateral pgtrickle._members(d.source_relid) member
    left join pg_class c on c.oid = member
    where d.pgt_id = target
      and d.source_number is not null
      and (c.oid is null and has_table_privilege(member, 'SELECT') is not null  -- not one dropped before
           or c.relfilenode <> coalesce(pg_relation_filenode(member), 0)
           or member <> d.source_relid and not c.relispartition)
    limit 1;
    if changed is not null then
        raise exception using
            errcode = '40001',
            message = format('could not serialize access: %s was rewritten, truncated or given a partition since the transaction began', changed::regclass),
            hint = 'Repeat the transaction';
    end if;
end
$$;
comment on function pgtrickle._check_snapshot(bigint) is
    'Error 40001 where a captured source, locked before, is not what the transaction''s snapshot could read of it';


create or replace function pgtrickle._check_buffers(target bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    segments text;
    moved oid;
begin
    -- Locked, so that no segment is truncated from here on.
    select string_agg(format('(select from %s limit 0)', b.buffer), ' union all ' order by d.source_relid, b.segment)
    into segments
    from pgtrickle.pgt_dependencies d
    cross join lateral pgtrickle._buffers(d.source_relid) b
    where d.pgt_id = target
      and d.source_number is not null
      and to_regclass(b.buffer) is not null;
    if segments is null then
        return;
    end if;
    execute segments;
    select d.source_relid
    into moved
    from pgtrickle.pgt_dependencies d
    cross join lateral pgtrickle._buffers(d.source_relid) b
    join pg_class c on c.oid = to_regclass(b.buffer)
    where d.pgt_id = target
      and d.source_number is not null
      and c.relfilenode <> pg_relation_filenode(c.oid)
      and pg_relation_size(to_regclass(format('pgtrickle_changes.changes_%s_2', d.source_relid))) > 0
    limit 1;
    if moved is not null then
        raise exception using
            errcode = '40001',
            message = format('could not serialize access: captured changes of %s were moved since the transaction began', moved::regclass),
            hint = 'Repeat the transaction';
    end if;
end
$$;
comment on function pgtrickle._check_buffers(bigint) is
    'Error 40001 where changes may have moved to the archive, and their segment been truncated, since the transaction''s snapshot';


create or replace function pgtrickle._lock_sources(target bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    arms text;
begin
    -- `lock table` wants SELECT on the whole table; reading no row of it needs one column only.
    -- One that was dropped is not there to be locked. An older snapshot shows it still, and what bears
    -- its name now has nothing that snapshot sees.
    if current_setting('transaction_isolation') <> 'read committed' and exists (
        select from pgtrickle.pgt_dependencies d
        join pg_class c on c.oid = d.source_relid
        where d.pgt_id = target
          and d.source_number is not null
          and has_table_privilege(c.oid, 'SELECT') is null)
    then
        raise exception using
            errcode = '40001',
            message = 'could not serialize access: a source was dropped or rebuilt since the transaction began',
            hint = 'Repeat the transaction';
    end if;
    select string_agg(format('(select from %s limit 0)', c.oid::regclass), ' union all ' order by c.oid)
    into arms
    from pgtrickle.pgt_dependencies d
    join pg_class c on c.oid = d.source_relid
    where d.pgt_id = target
      and d.source_number is not null
      and has_table_privilege(c.oid, 'SELECT') is not null;
    if arms is not null then
        execute arms;
        if current_setting('transaction_isolation') <> 'read committed' then
            perform pgtrickle._check_snapshot(target);
            perform pgtrickle._check_buffers(target);
        end if;
    end if;
end
$$;
comment on function pgtrickle._lock_sources(bigint) is
    'Locks the captured sources that exist in ACCESS SHARE mode, in the order of their OIDs: no truncation or rewrite can commit until we do. Error 40001 where one did since the transaction''s snapshot';


create or replace function pgtrickle._try_lock_sources(target bigint)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '1s'
as $$
begin
    perform pgtrickle._lock_sources(target);
    return true;
exception when lock_not_available then
    return false;
end
$$;
comment on function pgtrickle._try_lock_sources(bigint) is
    '_lock_sources, waiting a second at most; false when that is not enough. For a worker, whose few lanes would all wait for one DDL statement';


create or replace function pgtrickle._check_sources(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    id constant bigint := stream_table.pgt_id;
    rebuilt constant text := pgtrickle._rebind(stream_table);
    replaced constant text := pgtrickle._follow_definitions(stream_table);
    suspicions text;
    altered text;
begin
    perform pgtrickle._lock_sources(id);  -- those rebound now as well
    suspicions := pgtrickle._suspicions(id);
    altered := nullif(concat_ws('; ', pgtrickle._altered_columns(id), pgtrickle._dropped_keys(id)), '');
    if altered is not null then
        perform pgtrickle._retire_plan(id, altered);
    end if;
    if concat(rebuilt, replaced, altered) <> '' or pgtrickle._retyped(id) then
        perform pgtrickle._check_columns_hold(stream_table);
    end if;
    return concat_ws('; ', rebuilt, replaced, altered, suspicions);
end
$$;
comment on function pgtrickle._check_sources(pgtrickle.pgt_stream_tables) is
    'Rebinds sources that were rebuilt, retires a plan whose premises do not hold any more, locks the captured sources, and says why captured changes cannot be relied on; empty when they can';


create or replace function pgtrickle._suspicions(target bigint)
    returns text
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select string_agg(pgtrickle._suspicion(d), '; ' order by d.source_number)
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = target
      and d.source_number is not null
$$;
comment on function pgtrickle._suspicions(bigint) is 'Why the captured changes of a stream table''s sources cannot be relied on, null when they can';


create or replace function pgtrickle._pinned_search_path(search_path text)
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    select concat_ws(', ', string_agg(element, ', ' order by position), 'pg_temp')
    from (
        select btrim(m[1]) as element, position
        from regexp_matches(search_path, '"(?:[^"]|"")*"|[^,"[:space:]][^,"]*', 'g') with ordinality found (m, position)
    ) elements
    where btrim(element, '"') <> ''
      and lower(btrim(element, '"')) <> 'pg_catalog'
$$;
comment on function pgtrickle._pinned_search_path(text) is
    'A search_path with pg_temp last, so that no temporary table stands in for another, and pg_catalog before all others, as which the texts of queries and plans are printed';


create or replace function pgtrickle._apply(
        stream_table pgtrickle.pgt_stream_tables, statement text, frontier pgtrickle.pgt_frontiers,
        out rows_inserted bigint, out rows_deleted bigint, out consistent boolean, out snapshot pg_snapshot,
        out rows_read bigint[], out overtaken boolean)
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
    set join_collapse_limit = 12
    set from_collapse_limit = 12
as $$
declare
    guarded constant text := current_setting('pgtrickle.internal_refresh', true);
begin
    perform set_config('pgtrickle.internal_refresh', stream_table.pgt_id::text, true);
    perform set_config('search_path', pgtrickle._pinned_search_path(stream_table.defining_search_path), true);
    execute statement
    into rows_inserted, rows_deleted, consistent, snapshot, rows_read, overtaken
    using frontier.snapshot, frontier.own_xid, frontier.own_seq, frontier.moment, frontier.statement_moment;
    perform set_config('pgtrickle.internal_refresh', coalesce(guarded, ''), true);
end
$$;
comment on function pgtrickle._apply(pgtrickle.pgt_stream_tables, text, pgtrickle.pgt_frontiers) is
    'Runs a statement that reads sources and writes the stream table, under the search_path of its creation and past its guard';


create or replace function pgtrickle._apply_computed(
        stream_table pgtrickle.pgt_stream_tables, computing text, statement text, frontier pgtrickle.pgt_frontiers,
        out rows_inserted bigint, out rows_deleted bigint, out consistent boolean, out snapshot pg_snapshot)
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
    set join_collapse_limit = 12
    set from_collapse_limit = 12
as $$
declare
    guarded constant text := current_setting('pgtrickle.internal_refresh', true);
    computed record;
begin
    perform set_config('pgtrickle.internal_refresh', stream_table.pgt_id::text, true);
    perform set_config('search_path', pgtrickle._pinned_search_path(stream_table.defining_search_path), true);
    execute computing
    into computed
    using frontier.snapshot, frontier.own_xid, frontier.own_seq, frontier.moment, frontier.statement_moment;
    if computed.rows is not null then
        execute statement
        into rows_inserted, rows_deleted, consistent, snapshot
        using computed.rows;
        snapshot := computed.snapshot;
    end if;
    perform set_config('pgtrickle.internal_refresh', coalesce(guarded, ''), true);
end
$$;
comment on function pgtrickle._apply_computed(pgtrickle.pgt_stream_tables, text, text, pgtrickle.pgt_frontiers) is
    'As _apply, in two statements: one reads the sources (_computing_sql), the other what that gave and the stream table. Null where that was too much';
