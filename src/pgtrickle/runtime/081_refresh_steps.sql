-- The two ways to bring a stream table up to date, and the refresh that chooses between them.

create or replace function pgtrickle._raise_work_mem()
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if pg_size_bytes(current_setting('work_mem')) < 64 * 1024 * 1024 then
        -- Sorting and comparing in memory takes half the time.
        perform set_config('work_mem', '64MB', true);
    end if;
end
$$;
comment on function pgtrickle._raise_work_mem() is
    'Gives the statements that handle many rows at least 64 MB of work_mem, until the transaction ends or the caller sets it back';


create or replace function pgtrickle._estimated_rows(relids oid[])
    returns double precision
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    relid oid;
    found_rows double precision := 0;
begin
    -- One at a time: for an array PostgreSQL would plan it again each time.
    foreach relid in array relids loop
        found_rows := found_rows + (
            select coalesce(sum(c.reltuples), 0)
            from pgtrickle._members(relid) member
            join pg_class c on c.oid = member and c.relkind = 'r' and c.reltuples > 0);
    end loop;
    return nullif(found_rows, 0);
end
$$;
comment on function pgtrickle._estimated_rows(oid[]) is 'Rows of these tables, as last analysed; null where that is not known';


create or replace function pgtrickle._are_few(changes bigint, relids oid[])
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce(changes < 0.02 * pgtrickle._estimated_rows(relids), false);
end
$$;
comment on function pgtrickle._are_few(bigint, oid[]) is
    'Whether so many changes are less than two in a hundred of the sources'' rows, as last analysed';


create or replace function pgtrickle._refresh_by_delta(
        stream_table pgtrickle.pgt_stream_tables, plan jsonb, frontier pgtrickle.pgt_frontiers, relids oid[], pending bigint[], touched bigint[], stamp text, stamped pg_snapshot, mark text,
        out rows_inserted bigint, out rows_deleted bigint, out snapshot pg_snapshot, out rows_read bigint, out failure text)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    which text := pgtrickle._which_delta(touched);
    partly boolean[] := array(select t < n from unnest(pending, touched) p (n, t));
    -- The guard tells the planner that there are few. Some may arrive after they were counted.
    guards bigint[] := array(select case t when 0 then 8 else n + 8 + n / 8 end from unnest(pending, touched) p (n, t));
    every_source constant text := case cardinality(relids) when 1 then '0' else '*' end;
    class bigint := pgtrickle._guard_class(guards);
    few constant boolean := coalesce(class <= 2048, false) or pgtrickle._are_few(pgtrickle._sum(touched), relids);
    -- Planning for what hardly anybody stores may take longer than all else.
    afresh boolean := false;
    work_mem constant text := current_setting('work_mem');
    random_page_cost constant text := current_setting('random_page_cost');
    statement text;
    applied record;
begin
    if class > 2048 and not few then
        class := null;  -- what is much of a small table is planned for as what it is
    end if;
    if class is null then
        guards := '{}';
    end if;
    if class is null or class > 2048 then
        perform pgtrickle._raise_work_mem();
    end if;
    if few then
        -- What belongs to a few rows just written is in memory, and found through an index.
        perform set_config('random_page_cost', '1.1', true);
    end if;
    for attempt in 1 .. 5 loop
        begin
            failure := null;
            if attempt = 1 and class is not null and mark is not null then
                guards := array_fill(class, array[cardinality(relids)]);
                statement := pgtrickle._delta_program(stream_table, plan, mark, relids, which, class, partly);
            else
                statement := pgtrickle._delta_sql(stream_table.pgt_relid, plan, relids, which, guards, partly, afresh);
            end if;
            applied := pgtrickle._apply(stream_table, statement, frontier);
            if applied.overtaken then
                which := every_source;
                raise exception using errcode = 'TR001';
            end if;
            if exists (select from unnest(applied.rows_read, guards) g(n, guard) where n >= guard) then
                guards := case when attempt = 1 then array(select 4 * guard + 1000 from unnest(guards) guard) else '{}' end;
                raise exception using errcode = 'TR001';
            end if;
            if not coalesce(applied.consistent, false) then
                if not afresh and strpos(pgtrickle._delta_text(plan, which), (plan ->> 'target') || '_afresh') > 0 then
                    afresh := true;
                    raise exception using errcode = 'TR001';
                end if;
                failure := 'a row to be removed was not in the table';
                raise exception using errcode = 'TR001';
            end if;
            -- Where no transaction has ended since, nobody can have changed a catalog.
            if stamp is not null
                and (pg_current_snapshot()::text <> stamped::text or current_setting('transaction_isolation') <> 'read committed')
                and pgtrickle._catalog_stamp(stream_table.pgt_id) <> stamp
            then
                failure := pgtrickle._suspicions(stream_table.pgt_id);
                if failure is not null then
                    raise exception using errcode = 'TR001';
                end if;
            end if;
            rows_inserted := applied.rows_inserted;
            rows_deleted := applied.rows_deleted;
            snapshot := applied.snapshot;
            rows_read := coalesce(pgtrickle._sum(applied.rows_read),
                (select sum(n) from unnest(pending, touched) p (n, t) where t > 0));
            exit;
        exception
            when sqlstate 'TR001' then
                null;
            when others then
                if sqlstate ~ '^(40|53|55|57)' then
                    raise;
                elsif guards is not null then
                    -- Changes may have arrived since the count, beyond the guard or in a source left
                    -- out, so that the statement failed over half of them. Or over a row that came
                    -- and went, which the query never saw. Now all, unguarded, and without such rows.
                    guards := null;
                    which := every_source;
                    afresh := true;
                else
                    -- A delta joins rows that never stood side by side, so it may meet an error that the
                    -- query does not have. Recomputing tells: it raises what the query itself raises.
                    failure := 'applying the changes met: ' || sqlerrm;
                end if;
        end;
        exit when failure is not null;
    end loop;
    if snapshot is null then
        failure := coalesce(failure, 'changes kept arriving while they were applied');
    end if;
    perform set_config('work_mem', work_mem, true);
    perform set_config('random_page_cost', random_page_cost, true);
end
$$;
comment on function pgtrickle._refresh_by_delta(pgtrickle.pgt_stream_tables, jsonb, pgtrickle.pgt_frontiers, oid[], bigint[], bigint[], text, pg_snapshot, text) is
    'Applies the pending changes. touched: those of them that changed what the query reads; stamp: of the catalogs when the sources were checked, null where nobody can have changed anything since; stamped: from before it was taken; mark: of the programs to use, null for none. Where that cannot be done nothing is changed and failure says why';


create or replace function pgtrickle._apply_difference(
        stream_table pgtrickle.pgt_stream_tables, query text, identity jsonb, states jsonb, frontier pgtrickle.pgt_frontiers, merged boolean,
        out rows_inserted bigint, out rows_deleted bigint, out consistent boolean, out snapshot pg_snapshot)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    target constant oid := stream_table.pgt_relid;
    applied record;
begin
    if states = '[]' and pgtrickle._is_to_be_computed_first(stream_table) then
        applied := pgtrickle._apply_computed(stream_table, pgtrickle._computing_sql(target, query),
            pgtrickle._difference_sql(target, pgtrickle._computed_sql(target), identity, states, merged), frontier);
        snapshot := applied.snapshot;
    end if;
    if snapshot is null then
        applied := pgtrickle._apply(stream_table, pgtrickle._difference_sql(target, query, identity, states, merged), frontier);
    end if;
    rows_inserted := applied.rows_inserted;
    rows_deleted := applied.rows_deleted;
    consistent := applied.consistent;
    snapshot := applied.snapshot;
end
$$;
comment on function pgtrickle._apply_difference(pgtrickle.pgt_stream_tables, text, jsonb, jsonb, pgtrickle.pgt_frontiers, boolean) is
    'Recomputes a table that is not empty, by this identity, and in one MERGE if asked to';


create or replace function pgtrickle._recompute_by_key(
        stream_table pgtrickle.pgt_stream_tables, query text, identity jsonb, states jsonb, frontier pgtrickle.pgt_frontiers,
        out rows_inserted bigint, out rows_deleted bigint, out consistent boolean, out snapshot pg_snapshot)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    merged constant boolean := pgtrickle._is_to_be_merged(stream_table, identity);
    applied record;
begin
    begin
        applied := pgtrickle._apply_difference(stream_table, query, identity, states, frontier, merged);
    exception when unique_violation or exclusion_violation or cardinality_violation or feature_not_supported then
        -- One row may take over what is unique from another that has yet to go.
        if not merged then
            raise;
        end if;
        applied := pgtrickle._apply_difference(stream_table, query, identity, states, frontier, false);
    end;
    rows_inserted := applied.rows_inserted;
    rows_deleted := applied.rows_deleted;
    consistent := applied.consistent;
    snapshot := applied.snapshot;
end
$$;
comment on function pgtrickle._recompute_by_key(pgtrickle.pgt_stream_tables, text, jsonb, jsonb, pgtrickle.pgt_frontiers) is
    'Recomputes a table whose rows a key identifies';


create or replace function pgtrickle._recompute_counted(
        stream_table pgtrickle.pgt_stream_tables, query text, columns text[], states jsonb, frontier pgtrickle.pgt_frontiers,
        out rows_inserted bigint, out rows_deleted bigint, out consistent boolean, out snapshot pg_snapshot)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    applied record;
begin
    -- To match by what is unique takes half the time that comparing texts of rows does.
    if columns is not null then
        begin
            applied := pgtrickle._recompute_by_key(stream_table, query,
                jsonb_build_object('kind', 'key', 'columns', columns, 'counted', true), states, frontier);
            if not applied.consistent then
                raise exception using errcode = 'TR001';
            end if;
        exception when sqlstate 'TR001' then
            applied := null;  -- a row stands there twice, in the result or in the table
        end;
    end if;
    if applied is null then
        applied := pgtrickle._apply_difference(stream_table, query, null, states, frontier, false);
    end if;
    rows_inserted := applied.rows_inserted;
    rows_deleted := applied.rows_deleted;
    consistent := applied.consistent;
    snapshot := applied.snapshot;
end
$$;
comment on function pgtrickle._recompute_counted(pgtrickle.pgt_stream_tables, text, text[], jsonb, pgtrickle.pgt_frontiers) is
    'Recomputes a table that is not empty: matched by these columns, which are unique in the table or in the result, and counted, or, where a row turns out to stand there twice, or columns is null, as bags of rows';


create or replace function pgtrickle._refresh_by_recompute(
        stream_table pgtrickle.pgt_stream_tables, plan jsonb, frontier pgtrickle.pgt_frontiers, without_states boolean,
        out rows_inserted bigint, out rows_deleted bigint, out snapshot pg_snapshot)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    -- (A plan with a query of its own for the result, which reads what states are filled with, leaves none empty.)
    states constant jsonb := case when without_states then '[]' else coalesce(plan -> 'state', '[]') end;
    query constant text := coalesce(plan ->> 'result', stream_table.defining_query);
    work_mem constant text := current_setting('work_mem');
    key constant text[] := pgtrickle._plan_key(plan);
    -- The key is that of the result. The table may hold what another query gave, or other constraints.
    unique_columns constant text[] := pgtrickle._unique_columns(stream_table.pgt_relid);
    much constant boolean := pgtrickle._reads_much(stream_table.pgt_id);
    identity constant jsonb := (select p.plan -> 'identity' from pgtrickle.pgt_plans p where p.pgt_id = stream_table.pgt_id);
    identity_put_off boolean := false;
    put_off text[];
    command text;
    filled boolean;
    relid oid;
    applied record;
begin
    perform pgtrickle._raise_work_mem();
    put_off := pgtrickle._empty_states(coalesce(plan -> 'state', '[]'), much);
    execute format('select exists (select from %s)', pgtrickle._extent(stream_table.pgt_relid)) into filled;
    if not filled then
        identity_put_off := much and identity is not null and pgtrickle._put_off_identity(stream_table);
        applied := pgtrickle._apply(stream_table, pgtrickle._populate_sql(stream_table.pgt_relid, query, states), frontier);
    elsif unique_columns <@ key then
        applied := pgtrickle._recompute_by_key(stream_table, query, plan -> 'identity', states, frontier);
    else
        applied := pgtrickle._recompute_counted(stream_table, query, coalesce(key, unique_columns), states, frontier);
    end if;
    foreach command in array put_off loop
        execute command;
    end loop;
    if identity_put_off or plan ->> 'mode' = 'DIFFERENTIAL' then
        perform pgtrickle._ensure_identity(stream_table.pgt_id, identity);
    end if;
    perform set_config('work_mem', work_mem, true);
    if not applied.consistent then
        raise exception using
            errcode = '40001',
            message = format('stream table %I.%I was changed by somebody else during its refresh', stream_table.pgt_schema, stream_table.pgt_name),
            hint = 'Refresh again';
    end if;
    rows_inserted := applied.rows_inserted;
    rows_deleted := applied.rows_deleted;
    snapshot := applied.snapshot;
    -- The first delta would be planned for empty tables otherwise; state may be much larger than the result.
    for relid in
        select c.oid
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        where (c.oid = stream_table.pgt_relid
                or c.oid in (select to_regclass(format('pgtrickle_state.%I', s ->> 'name')) from jsonb_array_elements(states) as s))
            and pg_relation_size(c.oid) > 65536
            and not exists (select from pg_stats as p where p.schemaname = n.nspname and p.tablename = c.relname)
    loop
        execute format('analyze %s', relid::regclass);
    end loop;
end
$$;
comment on function pgtrickle._refresh_by_recompute(pgtrickle.pgt_stream_tables, jsonb, pgtrickle.pgt_frontiers, boolean) is
    'Runs the query and applies the difference between its result and the table. without_states: the plan''s state tables are left empty, and no delta may follow';


create or replace function pgtrickle._restore_captures(stream_table pgtrickle.pgt_stream_tables, plan jsonb)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    dependency pgtrickle.pgt_dependencies;
begin
    for dependency in
        select d.*
        from pgtrickle.pgt_dependencies d
        where d.pgt_id = stream_table.pgt_id
          and d.source_number is not null
        order by d.source_relid
    loop
        perform pgtrickle._ensure_capture(dependency.source_relid,
            array(select jsonb_array_elements_text(plan -> 'sources' -> dependency.source_number -> 'columns')));
    end loop;
    return null;
exception when insufficient_privilege or feature_not_supported or undefined_column then
    return sqlerrm;
end
$$;
comment on function pgtrickle._restore_captures(pgtrickle.pgt_stream_tables, jsonb) is
    'Makes the captures of a plan''s sources whole again; says why that cannot be done, null when it could';


create or replace function pgtrickle._sum(numbers bigint[])
    returns bigint
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    number bigint;
    total bigint := 0;
begin
    foreach number in array numbers loop
        total := total + number;
    end loop;
    return total;
end
$$;
comment on function pgtrickle._sum(bigint[]) is 'Sum of an array, for which no query has to be started';


create or replace function pgtrickle._is_unchanged(
        stream_table pgtrickle.pgt_stream_tables, frontier pgtrickle.pgt_frontiers, relids oid[], cluster text)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Nothing is locked: sources were as the stamp says when it was taken, and the buffers, looked at
    -- before, held nothing then that was not consumed. So the table equals its query as of that moment.
    return stream_table.is_populated
        and not stream_table.needs_reinit
        and stream_table.refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE')
        and stream_table.st_partition_key is null
        and frontier.snapshot is not null
        and frontier.cluster_id = cluster
        and relids <> '{}'
        and current_setting('transaction_isolation') = 'read committed'
        and pgtrickle._buffers_are_empty(relids)
        and not exists (select from pgtrickle.pgt_captures c where c.source_relid = any (relids) and (c.cdc_mode = 'WAL' or c.wal_until is not null))
        and frontier.stamp = pgtrickle._catalog_stamp(stream_table.pgt_id)
        and exists (
            select from pgtrickle.pgt_plans p
            where p.pgt_id = stream_table.pgt_id
              and p.plan_status = 'COMPILED'
              and p.plan ->> 'mode' = 'DIFFERENTIAL'
              and not p.plan -> 'deltas' ? 'time');
end
$$;
comment on function pgtrickle._is_unchanged(pgtrickle.pgt_stream_tables, pgtrickle.pgt_frontiers, oid[], text) is
    'Whether nothing at all has happened to what a stream table reads since its last refresh. cluster: as _cluster_id; relids: its captured sources';


create or replace function pgtrickle._is_written_here(relids oid[])
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return cardinality(relids) = 1
        and current_setting('transaction_isolation') = 'read committed'
        and exists (select from pg_class c where c.oid = relids[1] and c.relkind = 'r');
end
$$;
comment on function pgtrickle._is_written_here(oid[]) is
    'Whether a writer''s statement, which has come to maintain the readers of these sources, locks all of them itself: there is one, a plain table, and its triggers and its file stay until commit';


create or replace function pgtrickle._deferrable_writes()
    returns numeric
    language sql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
    select sum(pg_stat_get_xact_tuples_inserted(t.tgrelid) + pg_stat_get_xact_tuples_updated(t.tgrelid) + pg_stat_get_xact_tuples_deleted(t.tgrelid))
    from (select distinct tgrelid from pg_trigger where tgdeferrable) t
$$;
comment on function pgtrickle._deferrable_writes() is 'How many rows this transaction has written in tables with triggers that can be deferred; null where there are none';


create or replace function pgtrickle._fire_deferred()
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    written numeric;
begin
    -- Up to PostgreSQL 17 a deferred trigger runs as whoever commits. What code of the owner's has
    -- written in somebody else's session is to fire while that code still runs as the owner.
    if session_user = current_user or current_setting('server_version_num')::integer >= 180000 then
        return;
    end if;
    for attempt in 1 .. 10 loop
        written := pgtrickle._deferrable_writes();
        exit when written is null;
        set constraints all immediate;
        -- One that fired may have deferred others, and given them something to wait for.
        exit when pgtrickle._deferrable_writes() = written;
        if attempt = 10 then
            raise exception using
                errcode = '42501',
                message = format('triggers of role %I put themselves off until the commit, again and again: they would run with the rights of role %I', current_user, session_user),
                hint = 'Let the owner of the stream table refresh it';
        end if;
    end loop;
end
$$;
comment on function pgtrickle._fire_deferred() is
    'Within a SECURITY DEFINER function of another role than the session''s: fires the triggers that are deferred, and defers none until the transaction ends';


create or replace function pgtrickle._refresh(
        target bigint, mode text default null, initiated_by text default 'MANUAL', wait boolean default true)
    returns pgtrickle.refresh_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    started constant timestamptz := clock_timestamp();
    stream_table pgtrickle.pgt_stream_tables;
    frontier pgtrickle.pgt_frontiers;
    plan jsonb;
    differential boolean;
    asked constant text := upper(coalesce(mode, ''));
    latest constant bigint := pgtrickle._own_sequence();
    is_first constant boolean := pg_current_xact_id_if_assigned() is null;  -- asked after the number
    past_all boolean;
    cluster text;
    relids oid[];
    locked boolean;  -- against whoever would rewrite a source or take its triggers away
    stamp text;
    stamped pg_snapshot;
    suspicion text;
    former_sources oid[];
    pending bigint[];
    markers bigint[];
    touched bigint[];
    own_seq bigint;
    mark text;
    snapshot pg_snapshot;
    quiet boolean := false;  -- there is nothing in the buffers, so the frontier stays where it is
    without_states boolean := false;
    turned_at bigint;  -- bytes
    applied record;
    outcome pgtrickle.refresh_outcome;
begin
    if asked = '' and initiated_by is distinct from 'STATEMENT' and current_setting('transaction_isolation') = 'read committed' then
        outcome := pgtrickle._refresh_as_before(target, initiated_by, wait, latest, is_first);
        if outcome.pgt_id is not null then
            return outcome;
        end if;
    end if;
    cluster := pgtrickle._cluster_id();
    outcome.pgt_id := target;
    outcome.status := 'COMPLETED';
    outcome.was_full_fallback := false;
    if wait and initiated_by is distinct from 'STATEMENT' then
        perform pgtrickle._lock_downstream(target);
    end if;
    frontier := pgtrickle._lock_frontier(target, wait);
    if frontier.pgt_id is null then
        outcome.status := 'SKIPPED';
        outcome.action := 'SKIP';
        outcome.reason := 'another refresh is in progress';
        return outcome;
    end if;
    if initiated_by = 'SCHEDULER' then
        -- Somebody may have paused it since it was found due; that is no failure.
        select case s.status when 'SUSPENDED' then 'it was suspended' else 'its schedule is paused: resume_scheduler brings it back' end
        into outcome.reason
        from pgtrickle.pgt_stream_tables s
        where s.pgt_id = target
          and (s.status = 'SUSPENDED' or exists (select from pgtrickle.pgt_scheduler_pauses p where p.pgt_id = target));
        if outcome.reason is not null then
            outcome.status := 'SKIPPED';
            outcome.action := 'SKIP';
            return outcome;
        end if;
    end if;
    stream_table := pgtrickle._refreshable(target);
    if asked in ('', 'FULL') and initiated_by is distinct from 'STATEMENT' then
        outcome.reason := pgtrickle._held(stream_table);
        if outcome.reason is not null then
            outcome.status := 'SKIPPED';
            outcome.action := 'SKIP';
            perform pgtrickle._record_skip(outcome, started, initiated_by);
            return outcome;
        end if;
    end if;

    relids := pgtrickle._captured_sources(target);
    -- Before the buffers are looked at, all who drew a number up to the latest have ended.
    past_all := is_first and pg_snapshot_xmin(pg_current_snapshot()) = pg_current_xact_id();
    if asked = '' and initiated_by is distinct from 'STATEMENT' and pgtrickle._is_unchanged(stream_table, frontier, relids, cluster) then
        outcome.action := 'NO_DATA';
        outcome.delta_row_count := 0;
        outcome.rows_inserted := 0;
        outcome.rows_deleted := 0;
        outcome.duration_ms := 1000 * extract(epoch from clock_timestamp() - started);
        perform pgtrickle._record_success(outcome, started, initiated_by, true);
        if past_all then
            -- The next one finds it and has less to ask.
            update pgtrickle.pgt_frontiers f set quiet_seq = latest where f.pgt_id = target;
        end if;
        return outcome;
    end if;

    -- What is remembered about the sources is that of before the statement that reads them.
    locked := initiated_by is not distinct from 'STATEMENT' and pgtrickle._is_written_here(relids);
    if not locked and wait then
        perform pgtrickle._lock_sources(target);
    elsif not locked and not pgtrickle._try_lock_sources(target) then
        outcome.status := 'SKIPPED';
        outcome.action := 'SKIP';
        outcome.reason := 'a source is locked by somebody else';
        return outcome;
    end if;
    if stream_table.st_partition_key is not null then
        suspicion := pgtrickle._notice_partitions(stream_table);
    end if;
    stamped := pg_current_snapshot();
    stamp := pgtrickle._catalog_stamp(target);
    if frontier.stamp is distinct from stamp or frontier.cluster_id is distinct from cluster then
        former_sources := pgtrickle._captured_sources(target);
        suspicion := nullif(concat_ws('; ', suspicion, nullif(pgtrickle._check_sources(stream_table), '')), '');
    end if;
    if suspicion is not null then
        stamp := null;
    end if;
    -- Unpacked here, and not each time it is looked into.
    select case when p.plan_status = 'COMPILED' then p.plan || '{}' end
    into plan
    from pgtrickle.pgt_plans p
    where p.pgt_id = target;
    differential := coalesce(plan ->> 'mode' = 'DIFFERENTIAL', false) and stream_table.refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE');
    select array_agg(d.source_relid order by d.source_number)
    into relids
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = target
      and d.source_number is not null;
    differential := differential and relids is not null;

    own_seq := pgtrickle._own_sequence();
    case
        when not differential then
            outcome.action := case asked when 'REINITIALIZE' then asked else 'FULL' end;
            outcome.reason := coalesce(plan ->> 'reason', suspicion, stream_table.refresh_reason,
                case when relids is null and stream_table.requested_refresh_mode <> 'FULL' then 'the query reads no table whose changes are captured' end);
        when not stream_table.is_populated then
            outcome.action := 'FULL';
            outcome.reason := 'first population';
        when asked = 'REINITIALIZE' or frontier.snapshot is null or stream_table.needs_reinit or suspicion is not null
            or frontier.cluster_id is distinct from cluster
        then
            outcome.action := 'REINITIALIZE';
            outcome.reason := coalesce(suspicion,
                case when asked = 'REINITIALIZE' or stream_table.needs_reinit then 'the query or its plan changed'
                    when frontier.snapshot is null then 'the plan is new'
                    else 'the database was moved to another server' end);
        when asked = 'FULL' then
            outcome.action := 'FULL';
            outcome.reason := 'asked for';
        when exists (select from pgtrickle.pgt_captures c where c.source_relid = any (relids) and (c.cdc_mode = 'WAL' or c.wal_until is not null))
            and pgtrickle._lagging(relids) is not null
        then
            outcome.action := 'FULL';
            outcome.reason := pgtrickle._lagging(relids);
            outcome.was_full_fallback := true;
        when not (plan -> 'deltas' ? 'time') and pgtrickle._buffers_are_empty(relids) then
            outcome.action := 'NO_DATA';
            outcome.delta_row_count := 0;
            outcome.rows_inserted := 0;
            outcome.rows_deleted := 0;
            quiet := true;
        else
            mark := pgtrickle._program_mark(stream_table, stamp, relids);
            -- By another name where the moment counts: _refresh_as_before, which does not know, is to find none.
            execute pgtrickle._pending_program(stream_table, plan, case when plan -> 'deltas' ? 'time' then md5(mark) else mark end, relids)
            into pending, markers, snapshot, touched
            using frontier.snapshot, frontier.own_xid, frontier.own_seq;
            -- To compare the few rows that a statement wrote takes longer than to apply them.
            touched := case when initiated_by is distinct from 'STATEMENT'
                then array(select coalesce(t, n) from unnest(pending, touched) p (n, t)) else pending end;
            outcome.delta_row_count := pgtrickle._sum(touched);
            if stream_table.is_append_only then
                perform pgtrickle._check_append_only(stream_table, relids, frontier);
            end if;
            if 0 < any (markers) then
                outcome.action := 'FULL';
                outcome.reason := (
                    select string_agg(format('%s was truncated, or its columns were changed', relid::regclass), '; ')
                    from unnest(relids, markers) m(relid, n)
                    where n > 0);
                outcome.was_full_fallback := true;
            elsif outcome.delta_row_count = 0 and not (plan -> 'deltas' ? 'time') then
                outcome.action := 'NO_DATA';
                outcome.rows_inserted := 0;
                outcome.rows_deleted := 0;
            else
                select c.reason, c.without_states
                into outcome.reason, without_states
                from pgtrickle._recompute_is_cheaper(stream_table, relids, outcome.delta_row_count) c;
                if without_states then
                    outcome.reason := concat(outcome.reason, '; as much changed the last times, so nothing is kept for deltas');
                elsif frontier.states_are_empty then
                    outcome.reason := coalesce(outcome.reason, 'nothing was kept for deltas the last time, when more changed');
                end if;
                outcome.action := case when outcome.reason is null then 'DIFFERENTIAL' else 'FULL' end;
                outcome.was_full_fallback := outcome.reason is not null;
            end if;
    end case;

    if outcome.action = 'DIFFERENTIAL' then
        applied := pgtrickle._refresh_by_delta(stream_table, plan, frontier, relids, pending, touched,
            case when not locked then stamp end, stamped, mark);
        if applied.failure is null then
            snapshot := applied.snapshot;
            outcome.rows_inserted := applied.rows_inserted;
            outcome.rows_deleted := applied.rows_deleted;
            outcome.delta_row_count := applied.rows_read;
        else
            outcome.action := 'REINITIALIZE';
            outcome.reason := applied.failure;
            outcome.was_full_fallback := true;
        end if;
    end if;
    if outcome.action in ('FULL', 'REINITIALIZE') then
        if stream_table.refresh_mode = 'IMMEDIATE' then
            perform pgtrickle._ensure_maintenance(target, not stream_table.is_populated);
        end if;
        if differential then
            if outcome.action = 'REINITIALIZE' or not stream_table.is_populated or markers is not null then
                outcome.reason := concat_ws('; ', outcome.reason, pgtrickle._restore_captures(stream_table, plan));
            end if;
            perform pgtrickle._remember_storage(target);
        end if;
        begin
            applied := pgtrickle._refresh_by_recompute(stream_table, plan, frontier, without_states);
        exception when unique_violation then
            -- What identified a row may do so no more when the plan was retired.
            if plan is not null or not pgtrickle._forget_identity(target) then
                raise;
            end if;
            applied := pgtrickle._refresh_by_recompute(stream_table, plan, frontier, without_states);
        end;
        -- Without a frontier the next refresh, at a snapshot of its own, starts anew.
        snapshot := case when differential and pgtrickle._sees_all_uncaptured(relids) and not pgtrickle._wrote_to_wal(relids)
            then applied.snapshot end;
        outcome.rows_inserted := applied.rows_inserted;
        outcome.rows_deleted := applied.rows_deleted;
    end if;

    if not quiet then
        update pgtrickle.pgt_frontiers f
        set snapshot = _refresh_frontier.snapshot,
            own_xid = pg_current_xact_id(),
            own_seq = _refresh_frontier.own_seq,
            cluster_id = cluster,
            moment = transaction_timestamp(),
            statement_moment = statement_timestamp(),
            stamp = _refresh_frontier.stamp,
            quiet_seq = null,
            states_are_empty = case when outcome.action in ('FULL', 'REINITIALIZE') then without_states else f.states_are_empty end
        from (select snapshot, own_seq, stamp) _refresh_frontier
        where f.pgt_id = target;
    elsif frontier.stamp is distinct from stamp then
        update pgtrickle.pgt_frontiers f set stamp = _refresh_frontier.stamp, quiet_seq = null from (select stamp) _refresh_frontier where f.pgt_id = target;
    end if;
    outcome.duration_ms := 1000 * extract(epoch from clock_timestamp() - started);
    perform pgtrickle._record_success(outcome, started, case asked when 'INITIAL' then 'INITIAL' else initiated_by end, differential);
    if without_states then
        perform pgtrickle._note_without_states(stream_table);
    end if;
    if former_sources <> pgtrickle._captured_sources(target) then
        perform pgtrickle._drop_capture_if_unused(former)
        from unnest(former_sources) former
        where former <> all (coalesce(relids, '{}'));
    end if;
    if relids is not null and not quiet then
        turned_at := pgtrickle._segment_bytes(coalesce(outcome.delta_row_count, 0));
        perform pgtrickle._purge_consumed(
            pgtrickle._to_be_purged(array(select relid from unnest(relids) relid order by relid), turned_at),
            coalesce(outcome.delta_row_count, 0), turned_at);
    end if;
    if initiated_by is distinct from 'STATEMENT' then
        perform pgtrickle._fire_deferred();
    end if;
    return outcome;
end
$$;
comment on function pgtrickle._refresh(bigint, text, text, boolean) is
    'Refreshes a stream table as the calling role, its owner. mode: null as the plan says; FULL, INITIAL or REINITIALIZE to recompute. Raises what goes wrong';
