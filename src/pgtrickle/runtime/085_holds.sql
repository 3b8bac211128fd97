-- What holds a refresh back: a gate on a source, sources not equally complete, a blown fuse.
-- Looked at before every refresh, whoever asks for it, but not before first populations and
-- reinitialisations that a change of the stream table itself asks for.

create or replace function pgtrickle._gated(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select string_agg(format('source %s is gated', pgtrickle._quoted(d.source_schema, d.source_name)), '; '
        order by d.source_schema, d.source_name)
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = stream_table.pgt_id
      and exists (
          select from pgtrickle.pgt_source_gates g
          where g.gated
            and (g.source_relid = d.source_relid or (g.source_schema, g.source_name) = (d.source_schema, d.source_name)))
$$;
comment on function pgtrickle._gated(pgtrickle.pgt_stream_tables) is 'Which gated sources keep a stream table from being refreshed; null when none does';


create or replace function pgtrickle._misaligned(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select string_agg(format('watermarks of group "%s" are %s s apart', group_name, round(lag::numeric, 3)), '; ' order by group_name)
    from (
        select g.group_name, g.tolerance_secs, extract(epoch from max(w.watermark) - min(w.watermark)) as lag
        from pgtrickle.pgt_watermark_groups g
        cross join unnest(g.source_relids) member
        join pgtrickle.pgt_dependencies d on d.source_relid = member and d.pgt_id = stream_table.pgt_id
        join pgtrickle.pgt_watermarks w on w.source_relid = member
        group by g.group_id, g.group_name, g.tolerance_secs
        -- A group of the owner's own, or of one who may write what it is about.
        having pg_has_role(g.created_by, stream_table.pgt_owner, 'USAGE')
            or bool_and(has_table_privilege(g.created_by, member, 'INSERT, UPDATE, DELETE, TRUNCATE'))
    ) groups
    where lag > tolerance_secs
$$;
comment on function pgtrickle._misaligned(pgtrickle.pgt_stream_tables) is
    'Which watermark groups are further apart than they tolerate in the sources a stream table reads; null when none is. A source without a watermark holds nothing back, nor does a group of somebody who neither owns the stream table nor writes the sources';


create or replace function pgtrickle._effective_ceiling(stream_table pgtrickle.pgt_stream_tables)
    returns bigint
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(stream_table.fuse_ceiling, nullif(pgtrickle._setting('fuse_default_ceiling')::bigint, 0))
    where stream_table.fuse_mode <> 'off'
$$;
comment on function pgtrickle._effective_ceiling(pgtrickle.pgt_stream_tables) is
    'Pending changes past which the fuse of a stream table blows; null where it has none';


create or replace function pgtrickle._pending_rows(stream_table pgtrickle.pgt_stream_tables, out relids oid[], out pending bigint)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    frontier pgtrickle.pgt_frontiers;
    counts bigint[];
    markers bigint[];
    seen pg_snapshot;
    emptied bigint := 0;
begin
    select array_agg(d.source_relid order by d.source_number)
    into relids
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = stream_table.pgt_id
      and d.source_number is not null
      and to_regclass(format('pgtrickle_changes.changes_%s_0', d.source_relid)) is not null;
    select f.* into frontier from pgtrickle.pgt_frontiers f where f.pgt_id = stream_table.pgt_id;
    if relids is null or frontier.snapshot is null then
        return;
    end if;
    execute pgtrickle._pending_sql(relids)
    into counts, markers, seen
    using frontier.snapshot, frontier.own_xid, frontier.own_seq;
    if exists (select from unnest(markers) n where n > 0) then
        -- Nobody counted what a truncation removed. What the stream table may lose by it is known.
        execute format('select count(*) from %s', pgtrickle._present(stream_table.pgt_relid)) into emptied;
    end if;
    pending := (select sum(n) from unnest(counts) n) + emptied;
end
$$;
comment on function pgtrickle._pending_rows(pgtrickle.pgt_stream_tables) is
    'Captured sources, and changes of them that this stream table has not consumed; a truncation counts as the rows the stream table has. Null where nothing was consumed yet';


create or replace function pgtrickle._change_ratio(stream_table pgtrickle.pgt_stream_tables)
    returns double precision
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(stream_table.auto_threshold, pgtrickle._setting('differential_max_change_ratio')::double precision, 0.15)
$$;
comment on function pgtrickle._change_ratio(pgtrickle.pgt_stream_tables) is
    'Share of changed rows above which recomputing is taken to be cheaper, where nothing better is known';


create or replace function pgtrickle._blow_reason(stream_table pgtrickle.pgt_stream_tables, ceiling bigint, relids oid[], pending bigint)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select case stream_table.fuse_mode
        when 'on' then format('%s pending changes exceed the ceiling of %s', pending, ceiling)
        when 'auto' then (
            select format('%s pending changes exceed the ceiling of %s, and are %s %% of about %s rows: recomputing would be cheaper',
                pending, ceiling, round(100 * (pending / rows)::numeric, 1), rows::bigint)
            from (
                select sum(c.reltuples) as rows
                from unnest(relids) relid, pgtrickle._members(relid) member
                join pg_class c on c.oid = member and c.relkind = 'r' and c.reltuples > 0
            ) sources
            where pending > rows * pgtrickle._change_ratio(stream_table))
    end
    where pending > ceiling
$$;
comment on function pgtrickle._blow_reason(pgtrickle.pgt_stream_tables, bigint, oid[], bigint) is
    'Why so many pending changes exceed what the fuse lets pass; null when they do not';


create or replace function pgtrickle._fuse(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    ceiling constant bigint := pgtrickle._effective_ceiling(stream_table);
    found_rows record;
    blown text;
    observed integer;
    alert jsonb;
begin
    if ceiling is null or stream_table.refresh_mode = 'IMMEDIATE' or not stream_table.is_populated then
        return null;
    end if;
    found_rows := pgtrickle._pending_rows(stream_table);
    blown := pgtrickle._blow_reason(stream_table, ceiling, found_rows.relids, found_rows.pending);
    if blown is null then
        delete from pgtrickle.pgt_fuse_observations o where o.pgt_id = stream_table.pgt_id;
        return null;
    end if;
    if stream_table.fuse_sensitivity > 1 then
        insert into pgtrickle.pgt_fuse_observations as o (pgt_id, exceeded)
        values (stream_table.pgt_id, 1)
        on conflict (pgt_id) do update set exceeded = o.exceeded + 1
        returning o.exceeded into observed;
        if observed < stream_table.fuse_sensitivity then
            return null;
        end if;
        blown := format('%s, %s times in a row', blown, observed);
        delete from pgtrickle.pgt_fuse_observations o where o.pgt_id = stream_table.pgt_id;
    end if;
    update pgtrickle.pgt_stream_tables s
    set fuse_state = 'blown',
        status = 'SUSPENDED',
        blown_at = clock_timestamp(),
        blow_reason = blown
    where s.pgt_id = stream_table.pgt_id;
    alert := jsonb_build_object('pending', found_rows.pending, 'ceiling', ceiling, 'reason', blown);
    perform pgtrickle._notify(stream_table, 'fuse_blown', alert);
    if pgtrickle._alerts(stream_table) then
        perform pg_notify('pgtrickle_alert', (jsonb_build_object(
            'event', 'fuse_blown',
            'stream_table', pgtrickle._quoted(stream_table.pgt_schema, stream_table.pgt_name)) || alert)::text);
    end if;
    return format('the fuse blew: %s', blown);
end
$$;
comment on function pgtrickle._fuse(pgtrickle.pgt_stream_tables) is
    'Looks at what a refresh would consume. When that exceeds what the fuse lets pass, suspends the stream table, tells by NOTIFY, and returns why; null when the refresh may go ahead';


create or replace function pgtrickle._held(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    reason text;
begin
    if exists (select from pgtrickle.pgt_source_gates g where g.gated) then
        reason := pgtrickle._gated(stream_table);
    end if;
    if reason is null and exists (select from pgtrickle.pgt_watermark_groups) then
        reason := pgtrickle._misaligned(stream_table);
    end if;
    if reason is null and stream_table.fuse_mode <> 'off' then
        reason := pgtrickle._fuse(stream_table);
    end if;
    return reason;
end
$$;
comment on function pgtrickle._held(pgtrickle.pgt_stream_tables) is
    'Why a stream table is not to be refreshed now; null when it may be. Looking may blow its fuse';


create or replace function pgtrickle._check_append_only(
        stream_table pgtrickle.pgt_stream_tables, relids oid[], frontier pgtrickle.pgt_frontiers)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    relid oid;
    broken boolean;
    name constant text := pgtrickle._quoted(stream_table.pgt_schema, stream_table.pgt_name);
begin
    foreach relid in array relids loop
        execute (
            select 'select ' || string_agg(
                format('exists (select from %s b where %sb.__pgt_weight <= 0 and %s%s)',
                    s.buffer, s.is_read, pgtrickle._unconsumed('b'), pgtrickle._already_visible(relid, 'b')),
                ' or ')
            from pgtrickle._buffers(relid) s)
        into broken
        using frontier.snapshot, frontier.own_xid, frontier.own_seq;
        if broken then
            update pgtrickle.pgt_stream_tables s set is_append_only = false where s.pgt_id = stream_table.pgt_id;
            perform pgtrickle._notify(stream_table, 'append_only_reverted', jsonb_build_object('source', relid::regclass));
            raise notice 'stream table % is append_only no more: rows of % were updated, deleted or truncated', name, relid::regclass;
            return;
        end if;
    end loop;
end
$$;
comment on function pgtrickle._check_append_only(pgtrickle.pgt_stream_tables, oid[], pgtrickle.pgt_frontiers) is
    'Takes the promise append_only back, and tells so, where pending changes break it. They are applied like any others: nothing relies on the promise';


create or replace function pgtrickle._record_skip(outcome pgtrickle.refresh_outcome, started timestamptz, initiated_by text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- One row for a table held back for an hour, not one for every attempt.
    update pgtrickle.pgt_refresh_history h
    set end_time = clock_timestamp()
    where h.refresh_id = (select max(l.refresh_id) from pgtrickle.pgt_refresh_history l where l.pgt_id = outcome.pgt_id)
      and h.action = 'SKIP'
      and h.reason = outcome.reason;
    if not found then
        insert into pgtrickle.pgt_refresh_history (
            pgt_id, data_timestamp, start_time, end_time, action, status, initiated_by, reason)
        select s.pgt_id, coalesce(s.data_timestamp, started), started, clock_timestamp(), 'SKIP', 'SKIPPED', initiated_by, outcome.reason
        from pgtrickle.pgt_stream_tables s
        where s.pgt_id = outcome.pgt_id;
    end if;
end
$$;
comment on function pgtrickle._record_skip(pgtrickle.refresh_outcome, timestamptz, text) is
    'Writes to the history that a refresh was held back, once for the same reason in a row; end_time is that of the last attempt';


insert into pgtrickle.settings (name, value, unit, description)
values ('fuse_default_ceiling', '0', 'rows', 'Pending changes past which the fuse of a stream table without a ceiling of its own blows; 0 is none')
on conflict (name) do update
    set unit = excluded.unit,
        description = excluded.description;
