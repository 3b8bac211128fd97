-- IMMEDIATE, the ordinary statement: a few rows were written, and nothing else has happened.
--
-- A refresh asks some fifty questions, which for a single row take longer than its delta does. Nearly
-- always the answers are those of the last refresh. Here all is asked in a few statements that say
-- only whether that is so; where it is not, nothing is done, and the refresh follows.

create or replace function pgtrickle._is_maintainable(
        stream_table pgtrickle.pgt_stream_tables, frontier pgtrickle.pgt_frontiers, relids oid[])
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- The stamp has the plan's version in it, and there is a snapshot only where that is differential.
    return stream_table.refresh_mode = 'IMMEDIATE'
        and stream_table.status = 'ACTIVE'
        and stream_table.is_populated
        and not stream_table.needs_reinit
        and not stream_table.is_append_only
        and stream_table.fuse_state <> 'blown'
        and stream_table.st_partition_key is null
        and frontier.snapshot is not null
        and not frontier.states_are_empty
        and frontier.cluster_id = pgtrickle._cluster_id()
        -- Nothing runs as an owner who has given the table away: whose it is now may have put triggers on it.
        and exists (select from pg_class c where c.oid = stream_table.pgt_relid and c.relowner = stream_table.pgt_owner)
        and not exists (select from pgtrickle.pgt_captures c where c.source_relid = any (relids) and (c.cdc_mode = 'WAL' or c.wal_until is not null));
end
$$;
comment on function pgtrickle._is_maintainable(pgtrickle.pgt_stream_tables, pgtrickle.pgt_frontiers, oid[]) is
    'Whether an IMMEDIATE stream table is in order, as far as rows of the catalog say it that the stamp does not cover. relids: its captured sources';


create or replace function pgtrickle._which_written(target bigint)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    -- A guess that costs nothing: where another source has changes, the program finds them.
    written constant oid[] := string_to_array(coalesce(current_setting('pgtrickle.written', true), ''), ',');
begin
    return pgtrickle._which_delta(array(
        select (d.source_relid = any (written))::integer::bigint
        from pgtrickle.pgt_dependencies d
        where d.pgt_id = target
          and d.source_number is not null
        order by d.source_number));
end
$$;
comment on function pgtrickle._which_written(bigint) is
    'As _which_delta, of those sources of a stream table that the statement has written, as _end_statement notes them';


create or replace function pgtrickle._maintain_by_delta(target bigint)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    started constant timestamptz := clock_timestamp();
    stream_table pgtrickle.pgt_stream_tables;
    frontier pgtrickle.pgt_frontiers;
    relids oid[];
    stamp text;
    mark text;
    latest bigint;
    changes bigint;
    which text := '0';
    program text;
    applied record;
    outcome pgtrickle.refresh_outcome;
    message text;
    detail text;
begin
    -- A writer's statement has locked all sources, be it for reading; who calls this by hand has not.
    if current_setting('transaction_isolation') <> 'read committed'
        or coalesce(current_setting('pgtrickle.open_statements', true), '') in ('', '0')
    then
        return false;
    end if;
    select s.* into stream_table from pgtrickle.pgt_stream_tables s where s.pgt_id = target;
    select f.* into frontier from pgtrickle.pgt_frontiers f where f.pgt_id = target for update;
    relids := pgtrickle._captured_sources(target);
    if not coalesce(pgtrickle._is_maintainable(stream_table, frontier, relids), false) then
        return false;
    end if;
    mark := pgtrickle._mark(frontier.stamp, stream_table.pgt_relid, stream_table.defining_search_path, stream_table.requested_refresh_mode,
        null, relids, pgtrickle._runtime_version());
    latest := pgtrickle._own_sequence();
    if cardinality(relids) > 1 then
        which := pgtrickle._which_written(target);
    end if;
    program := pgtrickle._delta_program_name(target, which, 128);
    if not pgtrickle._has_program(program, mark) then
        if cardinality(relids) = 1 then
            return false;
        end if;
        program := pgtrickle._delta_program_name(target, '*', 128);
        if not pgtrickle._has_program(program, mark) then
            return false;
        end if;
    end if;
    applied := pgtrickle._apply_program(target, frontier, program, 128);
    -- Last: versions of catalog rows do not come back.
    stamp := pgtrickle._catalog_stamp_with(target, relids, applied.source_stamps);
    if coalesce(stamp, pgtrickle._catalog_stamp(target)) is distinct from frontier.stamp then
        raise exception using errcode = 'TR001';
    end if;
    changes := applied.rows_read;
    if changes = 0 then
        return true;
    end if;
    perform pgtrickle._move_frontier(target, applied.snapshot, latest, false);
    outcome.pgt_id := target;
    outcome.status := 'COMPLETED';
    outcome.action := 'DIFFERENTIAL';
    outcome.was_full_fallback := false;
    outcome.delta_row_count := changes;
    outcome.rows_inserted := applied.rows_inserted;
    outcome.rows_deleted := applied.rows_deleted;
    perform pgtrickle._record_success(outcome, started, 'STATEMENT', true);
    -- Once for so many changes; and what grows is read by each statement that follows.
    if latest % 32 < changes then
        perform pgtrickle._purge_consumed(pgtrickle._to_be_purged(relids, 65536), 0, 65536);
    end if;
    return true;
exception when others then
    if sqlstate ~ '^(40|53|55|57)' then
        get stacked diagnostics message = message_text, detail = pg_exception_detail;
        perform pgtrickle._raise_not_maintained(target, sqlstate, message, detail);
        return true;
    end if;
    return false;  -- the refresh finds out what it was
end
$$;
comment on function pgtrickle._maintain_by_delta(bigint) is
    'Applies the few rows that a statement has written to an IMMEDIATE stream table, where its programs suit and nothing else has happened; false, with nothing done, where a refresh has to look';
