-- The ordinary refresh: few changes or none, and nothing else has happened since the last one.
--
-- A refresh asks some fifty questions. Each starts and ends an executor, and for each the processor's
-- caches are cold; nearly always the answers are those of the last time. Here all is asked in a few
-- statements that say only whether that is so. Where it is not, nothing is done, and _refresh goes on
-- with care, holding the same lock.
--
-- The stamp is taken last: versions of catalog rows do not come back, so where it is that of the last
-- refresh, nothing has changed until then, whatever was read before it. PL/pgSQL evaluates an
-- assignment without an executor where it can, and PERFORM never; hence the assignments.

create or replace function pgtrickle._at_hand(p_schema text, p_name text)
    returns bigint
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- An older snapshot may see two versions of a catalog row.
    return (
        select s.pgt_id
        from pg_class c
        join pgtrickle.pgt_stream_tables s on s.pgt_relid = c.oid
        join pg_proc p
            on p.proname = concat('refresh_', s.pgt_id)
            and p.pronamespace = 'pgtrickle_state'::regnamespace
            and p.proargtypes = '25 25 16 16'
        where c.relname = p_name
          and c.relnamespace = to_regnamespace(quote_ident(p_schema))
          and s.pgt_schema = p_schema
          and s.pgt_name = p_name
          and c.relowner = s.pgt_owner
          and p.proowner = s.pgt_owner
          and p.prosecdef
          and has_function_privilege(p.oid, 'EXECUTE')
          and not pg_is_in_recovery()
          and current_setting('transaction_isolation') = 'read committed');
end
$$;
comment on function pgtrickle._at_hand(text, text) is
    'Number of the stream table of this schema and name, where nothing of what _find and _check_executor look for stands against calling its executor; null where they have to tell';


create or replace function pgtrickle._apply_program(
        target bigint, frontier pgtrickle.pgt_frontiers, program text, guard bigint,
        out rows_inserted bigint, out rows_deleted bigint, out snapshot pg_snapshot, out rows_read bigint, out source_stamps text[])
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    guarded constant text := coalesce(current_setting('pgtrickle.internal_refresh', true), '');
    setting text;
    called record;
    applied record;
begin
    setting := set_config('pgtrickle.internal_refresh', target::text, true);
    execute format('select pgtrickle_state.%I($1, $2, $3, $4, $5) as outcome', program)
    into called
    using frontier.snapshot, frontier.own_xid, frontier.own_seq, frontier.moment, frontier.statement_moment;
    applied := called.outcome;
    setting := set_config('pgtrickle.internal_refresh', guarded, true);
    if not coalesce(applied.consistent, false) or guard <= any (applied.rows_read) or applied.overtaken then
        raise exception using errcode = 'TR001';
    end if;
    rows_inserted := applied.rows_inserted;
    rows_deleted := applied.rows_deleted;
    snapshot := applied.snapshot;
    rows_read := pgtrickle._sum(applied.rows_read);
    source_stamps := applied.source_stamps;
end
$$;
comment on function pgtrickle._apply_program(bigint, pgtrickle.pgt_frontiers, text, bigint) is
    'Runs the program for a delta, past the stream table''s guard; source_stamps: as _source_stamps_sql says it; error TR001 where what it did is not to stand: there were more rows than it is for, or in another source, or one was not there';


create or replace function pgtrickle._which_pending(
        pending bigint[], touched bigint[], out which text, out guard bigint, out total bigint)
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    changed integer := 0;
begin
    total := 0;
    for number in 1 .. cardinality(pending) loop
        if pending[number] > 0 then
            which := concat(which || ',', number - 1);
            guard := greatest(guard, pending[number] + 8 + pending[number] / 8);
            total := total + pending[number];
            changed := changed + 1;
            if touched[number] < pending[number] then
                guard := null;
                return;
            end if;
        end if;
    end loop;
    guard := case when guard <= 128 then 128 when guard <= 2048 then 2048 when guard <= 16384 then 16384 end;
    if changed > 1 and changed = cardinality(pending) then
        which := '*';
    end if;
end
$$;
comment on function pgtrickle._which_pending(bigint[], bigint[]) is
    'Which sources have changes, as _which_delta says it; the guard of the program for so many of them, null for none, and where some changed nothing that is read; and how many there are';


create or replace function pgtrickle._lock_alone(target bigint, latest bigint, wait boolean)
    returns pgtrickle.pgt_frontiers
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    frontier pgtrickle.pgt_frontiers;
begin
    -- What it changes is written below; where it changes nothing, there is nothing that a transaction
    -- with an older snapshot would have to fail on. Where IMMEDIATE tables may have to be locked with
    -- it, the stream table has triggers that say so; not where nothing is pending.
    if wait then
        select f.*
        into frontier
        from pgtrickle.pgt_frontiers f
        where f.pgt_id = target
          and (f.quiet_seq = latest or not exists (
              select from pg_trigger t
              where t.tgrelid = (select s.pgt_relid from pgtrickle.pgt_stream_tables s where s.pgt_id = target)
                and (t.tgisinternal or starts_with(t.tgname, 'pgtrickle_lock_'))))
        for update;
    else
        select f.*
        into frontier
        from pgtrickle.pgt_frontiers f
        where f.pgt_id = target
          and (f.quiet_seq = latest or not exists (
              select from pg_trigger t
              where t.tgrelid = (select s.pgt_relid from pgtrickle.pgt_stream_tables s where s.pgt_id = target)
                and (t.tgisinternal or starts_with(t.tgname, 'pgtrickle_lock_'))))
        for update skip locked;
    end if;
    return frontier;
end
$$;
comment on function pgtrickle._lock_alone(bigint, bigint, boolean) is
    'The frontier of a stream table, locked until commit; null where another refresh holds it and wait is false, or where writing the table may lock others with it. latest: number of the last change that was captured';


create or replace function pgtrickle._is_in_order(target bigint, initiated_by text)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select
        from pgtrickle.pgt_stream_tables s
        join pg_class c on c.oid = s.pgt_relid and c.relowner = s.pgt_owner
        where s.pgt_id = target
          and s.status = 'ACTIVE'
          and s.is_populated
          and not s.needs_reinit
          and s.refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE')
          and s.fuse_mode = 'off'
          and s.fuse_state <> 'blown'
          and s.st_partition_key is null
          and not exists (select from pgtrickle.pgt_source_gates g where g.gated)
          and not exists (select from pgtrickle.pgt_watermark_groups)
          and (initiated_by <> 'SCHEDULER' or not exists (select from pgtrickle.pgt_scheduler_pauses p where p.pgt_id = target)));
end
$$;
comment on function pgtrickle._is_in_order(bigint, text) is
    'Whether a stream table has no more to be looked at before its refresh than what its sources are: its owner''s, neither failing nor suspended, and nothing may hold it back';


create or replace function pgtrickle._programmed(
        target bigint, out relid oid, out search_path text, out requested_mode text, out is_append_only boolean, out relids oid[], out mark text)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    select s.pgt_relid, s.defining_search_path, s.requested_refresh_mode, s.is_append_only,
        array(
            select d.source_relid
            from pgtrickle.pgt_dependencies d
            where d.pgt_id = target
              and d.source_number is not null
            order by d.source_relid),
        (
            select right(d.description, 32)
            from pg_proc p
            join pg_description d on d.objoid = p.oid and d.classoid = 'pg_proc'::regclass and d.objsubid = 0
            where p.proname = concat('pending_', target)
              and p.pronamespace = 'pgtrickle_state'::regnamespace
              and pg_get_userbyid(p.proowner) = current_user
        )
    into relid, search_path, requested_mode, is_append_only, relids, mark
    from pgtrickle.pgt_stream_tables s
    where s.pgt_id = target;
end
$$;
comment on function pgtrickle._programmed(bigint) is
    'What _mark is made of, the promise append_only, and the mark on the program that counts what is pending; null where the current role has none';


create or replace function pgtrickle._move_frontier(target bigint, seen pg_snapshot, latest bigint, past_all boolean)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    update pgtrickle.pgt_frontiers f
    set snapshot = seen,
        own_xid = pg_current_xact_id(),
        own_seq = latest,
        quiet_seq = case when past_all then latest else f.quiet_seq end,
        moment = transaction_timestamp(),
        statement_moment = statement_timestamp()
    where f.pgt_id = target;
end
$$;
comment on function pgtrickle._move_frontier(bigint, pg_snapshot, bigint, boolean) is
    'Notes that a stream table has consumed what a statement of this transaction saw, of its own changes those up to this number; past_all: and all others up to it';


create or replace function pgtrickle._refresh_as_before(
        target bigint, initiated_by text, wait boolean, latest bigint, is_first boolean)
    returns pgtrickle.refresh_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    started constant timestamptz := clock_timestamp();
    frontier constant pgtrickle.pgt_frontiers := pgtrickle._lock_alone(target, latest, wait);
    ordinary record;
    bytes bigint;
    called record;
    counted record;
    pending record;
    program text;
    applied record;
    purgeable oid[] := '{}';
    idle constant boolean := coalesce(latest = frontier.quiet_seq, false);
    work_mem constant text := current_setting('work_mem');
    seen pg_snapshot;
    past_all boolean := false;
    changes bigint := 0;
    outcome pgtrickle.refresh_outcome;
begin
    if frontier.snapshot is null
        or frontier.cluster_id is distinct from pgtrickle._cluster_id()
        or not pgtrickle._is_in_order(target, initiated_by)
    then
        return null;
    end if;
    if not idle then
        ordinary := pgtrickle._programmed(target);
        bytes := pgtrickle._largest_buffer_bytes(ordinary.relids);
        -- Nothing in the buffers is seen without locks. To ask how large a source is waits for who has locked it.
        -- Many changes of one source are not for here, and to count them twice takes a while: more than a full segment and some.
        if ordinary.mark is null
            or bytes = 0
            or bytes > 1179648
            or not wait and not pgtrickle._try_lock_sources(target)
            or ordinary.mark <> pgtrickle._mark(frontier.stamp, ordinary.relid, ordinary.search_path, ordinary.requested_mode,
                null, ordinary.relids, pgtrickle._runtime_version())
        then
            return null;
        end if;
    end if;
    begin
        if not idle then
            execute format('select pgtrickle_state.pending_%s($1, $2, $3) as outcome', target)
            into called
            using frontier.snapshot, frontier.own_xid, frontier.own_seq;
            counted := called.outcome;
            if 0 < any (counted.markers) then
                return null;
            end if;
            pending := pgtrickle._which_pending(counted.pending, counted.touched);
            changes := pending.total;
            seen := counted.snapshot;
        end if;
        if changes > 0 then
            if pending.guard is null
                or frontier.states_are_empty
                or pending.guard > 2048 and not pgtrickle._are_few(changes, ordinary.relids)
                or ordinary.is_append_only
                or ordinary.requested_mode = 'AUTO' and (changes > 1000 or pgtrickle._took_long(target))
                    and (pgtrickle._recompute_is_cheaper(pgtrickle._stream_table(target), ordinary.relids, changes)).reason is not null
            then
                return null;
            end if;
            program := pgtrickle._delta_program_name(target, pending.which, pending.guard);
            if not pgtrickle._has_program(program, ordinary.mark) then
                return null;
            end if;
            if pending.guard > 2048 then
                perform pgtrickle._raise_work_mem();
            end if;
            applied := pgtrickle._apply_program(target, frontier, program, pending.guard);
            if pending.guard > 2048 then
                perform set_config('work_mem', work_mem, true);
            end if;
            seen := applied.snapshot;
        end if;
        if pgtrickle._catalog_stamp(target) is distinct from frontier.stamp then
            raise exception using errcode = 'TR001';
        end if;
    exception when others then
        if sqlstate ~ '^(40|53|55|57)' then
            raise;
        end if;
        return null;  -- who looks with care finds out what it was
    end;
    if not idle then
        purgeable := pgtrickle._to_be_purged(ordinary.relids, pgtrickle._segment_bytes(changes));
        -- Who drew a number up to the latest and wrote anything had an id then, a lower one than this
        -- transaction got after it. They have all ended where the snapshot's oldest transaction is this one.
        past_all := is_first and pg_snapshot_xmin(seen) = pg_current_xact_id();
    end if;
    outcome.pgt_id := target;
    outcome.status := 'COMPLETED';
    outcome.was_full_fallback := false;
    outcome.delta_row_count := 0;
    outcome.rows_inserted := 0;
    outcome.rows_deleted := 0;
    if changes > 0 then
        outcome.action := 'DIFFERENTIAL';
        outcome.delta_row_count := applied.rows_read;
        outcome.rows_inserted := applied.rows_inserted;
        outcome.rows_deleted := applied.rows_deleted;
        perform pgtrickle._move_frontier(target, seen, latest, past_all);
    else
        outcome.action := 'NO_DATA';
        -- It may stay where another would pass over no more without looking at it.
        if past_all or purgeable <> '{}' or not idle and pg_snapshot_xmin(frontier.snapshot) <> pg_snapshot_xmax(frontier.snapshot) then
            perform pgtrickle._move_frontier(target, seen, latest, past_all);
        end if;
    end if;
    outcome.duration_ms := 1000 * extract(epoch from clock_timestamp() - started);
    perform pgtrickle._record_success(outcome, started, initiated_by, true);
    if purgeable <> '{}' then
        perform pgtrickle._purge_consumed(purgeable, outcome.delta_row_count, pgtrickle._segment_bytes(changes));
    end if;
    if changes > 0 then
        perform pgtrickle._fire_deferred();
    end if;
    return outcome;
end
$$;
comment on function pgtrickle._refresh_as_before(bigint, text, boolean, bigint, boolean) is
    'Refreshes a stream table that is in order, has few changes pending or none, and relies on nothing that has changed since its last refresh; null, with nothing done, where _refresh has to look. latest: number of the last change that was captured; is_first: this transaction had no id when that was read';
