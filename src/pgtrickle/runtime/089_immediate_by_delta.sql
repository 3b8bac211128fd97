-- IMMEDIATE, the ordinary statement: a few rows of one source, and nothing else has happened.
--
-- A refresh asks some fifty questions, which for a single row take longer than its delta does. Nearly
-- always the answers are those of the last refresh. Here all is asked in a few statements that say
-- only whether that is so; where it is not, nothing is done, and the refresh follows.

create or replace function pgtrickle._is_as_before(
        stream_table pgtrickle.pgt_stream_tables, frontier pgtrickle.pgt_frontiers)
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
        and frontier.stamp = pgtrickle._catalog_stamp(stream_table.pgt_id)
        and frontier.cluster_id = pgtrickle._cluster_id();
end
$$;
comment on function pgtrickle._is_as_before(pgtrickle.pgt_stream_tables, pgtrickle.pgt_frontiers) is
    'Whether an IMMEDIATE stream table is in order and all it relies on in the catalogs is as it was at its last refresh';


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
    mark text;
    latest bigint;
    program text;
    applied record;
    outcome pgtrickle.refresh_outcome;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        return false;
    end if;
    select s.* into stream_table from pgtrickle.pgt_stream_tables s where s.pgt_id = target;
    select f.* into frontier from pgtrickle.pgt_frontiers f where f.pgt_id = target;
    if not coalesce(pgtrickle._is_as_before(stream_table, frontier), false) then
        return false;
    end if;
    relids := pgtrickle._captured_sources(target);
    if not pgtrickle._is_written_here(relids) then
        return false;
    end if;
    mark := pgtrickle._program_mark(stream_table, frontier.stamp, relids);
    program := format('delta_%s_0_128', target);
    if not pgtrickle._has_program(program, mark) then
        return false;
    end if;
    latest := pgtrickle._own_sequence();
    perform set_config('pgtrickle.internal_refresh', target::text, true);
    execute format('select * from pgtrickle_state.%I($1, $2, $3, $4, $5)', program)
    into applied
    using frontier.snapshot, frontier.own_xid, frontier.own_seq, frontier.moment, frontier.statement_moment;
    perform set_config('pgtrickle.internal_refresh', '', true);
    if not coalesce(applied.consistent, false) or applied.rows_read[1] >= 128 or applied.overtaken then
        raise exception using errcode = 'TR001';
    end if;
    if applied.rows_read[1] = 0 then
        return true;
    end if;
    update pgtrickle.pgt_frontiers f
    set snapshot = applied.snapshot,
        own_xid = pg_current_xact_id(),
        own_seq = latest,
        moment = transaction_timestamp(),
        statement_moment = statement_timestamp()
    where f.pgt_id = target;
    outcome.pgt_id := target;
    outcome.status := 'COMPLETED';
    outcome.action := 'DIFFERENTIAL';
    outcome.was_full_fallback := false;
    outcome.delta_row_count := applied.rows_read[1];
    outcome.rows_inserted := applied.rows_inserted;
    outcome.rows_deleted := applied.rows_deleted;
    perform pgtrickle._record_success(outcome, started, 'STATEMENT', true);
    -- Once for so many changes; and what grows is read by each statement that follows.
    if latest % 32 < applied.rows_read[1] and pgtrickle._is_to_be_purged(relids[1], 65536) then
        perform pgtrickle._purge(relids[1], 65536, transaction_timestamp() = statement_timestamp());
    end if;
    return true;
exception when others then
    if sqlstate ~ '^(40|53|55|57)' then
        raise;
    end if;
    return false;  -- the refresh finds out what it was
end
$$;
comment on function pgtrickle._maintain_by_delta(bigint) is
    'Applies what a statement has changed in the one source of an IMMEDIATE stream table, where its programs suit and nothing else has happened; false, with nothing done, where a refresh has to look';
