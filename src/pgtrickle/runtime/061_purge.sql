-- Purge: emptying segments of change buffers that every consumer has consumed.
--
-- Writers fill one segment. When it has grown and the other one is empty, they are turned to the
-- other; when all consumers have consumed the whole of the old one, it is truncated, so that no
-- reader rescans much and there are no dead rows.
--
-- Truncating locks readers of the segment out until commit, and a transaction that goes on after it
-- could deadlock with other refreshes. So a refresh truncates only when it is alone in its
-- transaction, and otherwise deletes, a bounded number of rows.
--
-- Where somebody lags, the old segment would stay and the other one grow, for everybody to scan. So
-- when one consumer has consumed all of it and another has not, its rows move to the archive, a third
-- table that everybody reads in the same statement as the segments, up to its highest transaction: who
-- has consumed all before that one does not scan it. (Not when its rows were read for the first time
-- just now: the others may be about to.) Rows move by DELETE and INSERT, so that
-- every snapshot sees each of them once; a segment is truncated after that, and a snapshot of before
-- would miss what was in it, which _check_buffers notices.
--
-- Nothing is lost to a late commit: a segment is truncated under ACCESS EXCLUSIVE, taken without
-- waiting, so no transaction that wrote to it is in flight; and only rows that were already visible
-- before consumption was checked are deleted. Nothing is lost to a new consumer: it holds the row
-- in pgt_captures from before it is populated, and the purge, which writes that row, skips it
-- while held.

create or replace function pgtrickle._is_pending_for_some(segment regclass, source oid)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    sample record;
begin
    execute format('select b.__pgt_xid as xid, b.__pgt_seq as seq from %s b limit 1', segment) into sample;
    return sample.xid is not null and exists (
        select
        from pgtrickle.pgt_dependencies d
        left join pgtrickle.pgt_frontiers f using (pgt_id)
        where d.source_relid = source
          and d.source_number is not null
          -- As _unconsumed says it.
          and (f.snapshot is null
              or sample.xid >= pg_snapshot_xmin(f.snapshot)
                  and case when sample.xid = f.own_xid then sample.seq > f.own_seq
                      else not pg_visible_in_snapshot(sample.xid, f.snapshot) end));
end
$$;
comment on function pgtrickle._is_pending_for_some(regclass, oid) is
    'Whether a consumer of the source has not consumed the first row of a segment. It answers at once where _consumption would read all rows';
revoke all on function pgtrickle._is_pending_for_some(regclass, oid) from public;


create or replace function pgtrickle._consumption(segment regclass, source oid, out by_all boolean, out by_some boolean)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    newest xid8;
    own boolean;
    consumer record;
    pending boolean;
begin
    execute format('select max(b.__pgt_xid), coalesce(bool_or(b.__pgt_xid = $1), false) from %s b', segment)
    into newest, own
    using pg_current_xact_id_if_assigned();
    by_some := false;
    by_all := true;
    for consumer in
        select f.snapshot, f.own_xid, f.own_seq, pg_snapshot_xmin(f.snapshot) > newest as past
        from pgtrickle.pgt_dependencies d
        left join pgtrickle.pgt_frontiers f using (pgt_id)
        where d.source_relid = source
          and d.source_number is not null
        order by f.own_xid desc nulls last
    loop
        if newest is null or consumer.past then
            by_some := true;
            continue;
        end if;
        if consumer.snapshot is not null then
            execute format('select exists (select from %s b where %s)', segment, pgtrickle._unconsumed('b'))
            into pending
            using consumer.snapshot, consumer.own_xid, consumer.own_seq;
        end if;
        if consumer.snapshot is null or pending then
            by_all := false;
            exit;
        end if;
        by_some := true;
    end loop;
    -- What this transaction wrote itself may be rolled back together with its own frontier only.
    by_all := by_all and not own;
end
$$;
comment on function pgtrickle._consumption(regclass, oid) is
    'Whether every consumer of the source has consumed every row of a segment (not while one of them is not populated), and whether those have that were refreshed last';
revoke all on function pgtrickle._consumption(regclass, oid) from public;


create or replace function pgtrickle._old_segment(source oid, least_bytes bigint)
    returns regclass
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    current integer;
    current_segment regclass;
    other_segment regclass;
begin
    -- By name, so that a capture dropped while we waited is a table that does not exist.
    execute format('select last_value from pgtrickle_changes.segment_%s', source) into current;
    current_segment := to_regclass(format('pgtrickle_changes.changes_%s_%s', source, current));
    other_segment := to_regclass(format('pgtrickle_changes.changes_%s_%s', source, 1 - current));
    if pg_relation_size(other_segment) > 0 then
        return other_segment;
    end if;
    if pg_relation_size(current_segment) < least_bytes then
        return null;
    end if;
    perform setval(format('pgtrickle_changes.segment_%s', source), 1 - current);
    return current_segment;
end
$$;
comment on function pgtrickle._old_segment(oid, bigint) is
    'The segment of a source that is to be emptied. Turns writers to the other one first when that is empty and theirs has grown; null when there is nothing to empty';
revoke all on function pgtrickle._old_segment(oid, bigint) from public;


create or replace function pgtrickle._segment_bytes(just_read bigint)
    returns bigint
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- To truncate goes over all of shared_buffers, and has every session plan again what reads the segment: ten
    -- milliseconds. What was consumed and is still there costs each refresh a fraction of a microsecond a row.
    -- So about five refreshes like the last one fill a segment, at a hundred bytes a row.
    return least(greatest(262144, 500 * just_read), 1048576);
end
$$;
comment on function pgtrickle._segment_bytes(bigint) is
    'Bytes from which a segment is to be emptied after a refresh that read so many changes';


create or replace function pgtrickle._is_to_be_purged(source oid, least_bytes bigint default 262144)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    first constant bigint := coalesce(pg_relation_size(to_regclass(format('pgtrickle_changes.changes_%s_0', source))), 0);
    second constant bigint := coalesce(pg_relation_size(to_regclass(format('pgtrickle_changes.changes_%s_1', source))), 0);
begin
    if first >= least_bytes or second >= least_bytes or first > 0 and second > 0 then
        return true;
    end if;
    -- An archive that was emptied by DELETE keeps its size.
    if coalesce(pg_relation_size(to_regclass(format('pgtrickle_changes.changes_%s_2', source))), 0) > 0 then
        return exists (select from pgtrickle.pgt_captures c where c.source_relid = source and c.archived_until is not null);
    end if;
    return false;
end
$$;
comment on function pgtrickle._is_to_be_purged(oid, bigint) is
    'Whether _purge, which is asked after each refresh, could find anything to do: by the sizes of files, and nearly always by them alone';


create or replace function pgtrickle._archive(segment regclass, source oid)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    columns text;
    newest xid8;
begin
    perform from pgtrickle.pgt_captures c where c.source_relid = source for update skip locked;
    if not found then
        return false;
    end if;
    select string_agg(quote_ident(a.attname), ', ')
    into columns
    from pg_attribute a
    where a.attrelid = segment
      and a.attnum > 0
      and not a.attisdropped;
    execute format(
        'with moved as (delete from %1$s where ctid = any (array('
        'select b.ctid from %1$s b where pg_visible_in_snapshot(b.__pgt_xid, $1)'
        ' and b.__pgt_xid is distinct from $2 limit 50000)) returning %3$s),'
        ' kept as (insert into pgtrickle_changes.changes_%2$s_2 (%3$s) select %3$s from moved returning __pgt_xid)'
        ' select max(k.__pgt_xid) from kept k', segment, source, columns)
    into newest
    using pg_current_snapshot(), pg_current_xact_id_if_assigned();
    if newest is null then
        return false;
    end if;
    update pgtrickle.pgt_captures c
    set archived_until = greatest(c.archived_until, newest),
        archived_by = pg_current_xact_id(),
        purged_by = pg_current_xact_id()
    where c.source_relid = source;
    return true;
end
$$;
comment on function pgtrickle._archive(regclass, oid) is
    'Moves a bounded number of committed changes of an old segment to the archive, where only those read them who have not consumed them. True when it did';
revoke all on function pgtrickle._archive(regclass, oid) from public;


create or replace function pgtrickle._trim_archive(source oid, truncates boolean)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    capture pgtrickle.pgt_captures;
    least_xmin xid8;
    all_past boolean;
    trimmed bigint;
begin
    select c.* into capture from pgtrickle.pgt_captures c where c.source_relid = source;
    if capture.archived_until is null then
        return false;
    end if;
    -- Of all transactions before this one every consumer has seen everything.
    select case when bool_and(f.snapshot is not null) then min(pg_snapshot_xmin(f.snapshot)) end,
        bool_and(pg_snapshot_xmin(f.snapshot) > capture.archived_until
            or capture.archived_by <> f.own_xid and pg_visible_in_snapshot(capture.archived_by, f.snapshot))
    into least_xmin, all_past
    from pgtrickle.pgt_dependencies d
    left join pgtrickle.pgt_frontiers f using (pgt_id)
    where d.source_relid = source
      and d.source_number is not null;
    if least_xmin is null or not all_past and least_xmin <= coalesce(capture.archived_from, '0') then
        return false;
    end if;
    perform from pgtrickle.pgt_captures c
    where c.source_relid = source
      and (c.archived_by, c.archived_until) = (capture.archived_by, capture.archived_until)
    for update skip locked;
    if not found then
        return false;  -- held by a newcomer, or moved on
    end if;
    truncates := truncates and all_past;
    begin
        if truncates then
            execute format('lock table pgtrickle_changes.changes_%s_2 in access exclusive mode nowait', source);
        end if;
    exception when lock_not_available then
        truncates := false;
    end;
    if truncates then
        execute format('truncate pgtrickle_changes.changes_%s_2', source);
        trimmed := 0;
    else
        execute format('delete from pgtrickle_changes.changes_%1$s_2 where ctid = any (array('
            'select b.ctid from pgtrickle_changes.changes_%1$s_2 b where $2 or b.__pgt_xid < $1 limit 50000))', source)
        using least_xmin, all_past;
        get diagnostics trimmed = row_count;
    end if;
    update pgtrickle.pgt_captures c
    set archived_from = case when trimmed < 50000 and not all_past then least_xmin end,
        archived_until = case when trimmed = 50000 or not all_past then c.archived_until end,
        archived_by = case when trimmed = 50000 or not all_past then c.archived_by end,
        purged_by = pg_current_xact_id()
    where c.source_relid = source;
    return true;
end
$$;
comment on function pgtrickle._trim_archive(oid, boolean) is
    'Takes out of the archive what every consumer has consumed: all of it by TRUNCATE, where that is wanted and possible, or a bounded number of rows. True when it did';
revoke all on function pgtrickle._trim_archive(oid, boolean) from public;


create or replace function pgtrickle._was_just_read(segment regclass, source oid, least_bytes bigint, just_read bigint)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    width bigint;
    bytes bigint;
begin
    select sum(pg_relation_size(b.buffer::regclass)) - pg_relation_size(_was_just_read.segment)
    into bytes
    from pgtrickle._buffers(source) b
    where b.segment < 2;
    if just_read = 0 or bytes >= least_bytes then
        return false;
    end if;
    execute format('select pg_column_size(b.*) from %s b limit 1', segment) into width;
    return coalesce(2 * just_read * (width + 4) >= pg_relation_size(segment), true);
end
$$;
comment on function pgtrickle._was_just_read(regclass, oid, bigint, bigint) is
    'Whether a refresh that has read so many changes has probably read those of an old segment for the first time, while the other segment has yet to grow';
revoke all on function pgtrickle._was_just_read(regclass, oid, bigint, bigint) from public;


create or replace function pgtrickle._purge(
        source oid, least_bytes bigint default 262144, truncates boolean default true, just_read bigint default 0)
    returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '1s'
as $$
declare
    segment regclass;
    looked_at pg_snapshot;
    seen pg_snapshot;
    has_rows boolean;
    archives boolean;
    consumed record;
    trimmed boolean;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        return false;
    end if;
    trimmed := pgtrickle._trim_archive(source, truncates);
    segment := pgtrickle._old_segment(source, least_bytes);
    if segment is null then
        return trimmed;
    end if;
    execute format('select exists (select from %s)', segment) into has_rows;
    if not (has_rows or truncates) then
        return trimmed;
    end if;
    archives := pg_relation_size(segment) >= least_bytes and not pgtrickle._was_just_read(segment, source, least_bytes, just_read);
    if not archives and pgtrickle._is_pending_for_some(segment, source) then
        return trimmed;
    end if;
    -- Looked at once without keeping anybody out, so that a lagging consumer costs nobody anything.
    looked_at := pg_current_snapshot();
    consumed := pgtrickle._consumption(segment, source);
    if not consumed.by_all then
        if consumed.by_some and archives then
            return pgtrickle._archive(segment, source) or trimmed;
        end if;
        return trimmed;
    end if;
    perform from pgtrickle.pgt_captures c where c.source_relid = source for update skip locked;
    if not found then
        return trimmed;
    end if;
    if truncates then
        execute format('lock table %s in access exclusive mode nowait', segment);
    end if;
    seen := pg_current_snapshot();
    -- Where no transaction has ended since, there is nothing in it that was not there.
    if seen::text <> looked_at::text then
        consumed := pgtrickle._consumption(segment, source);
        if not consumed.by_all then
            return trimmed;
        end if;
    end if;
    update pgtrickle.pgt_captures c set purged_by = pg_current_xact_id() where c.source_relid = source;
    if truncates then
        execute format('truncate %s', segment);
    else
        execute format('delete from %1$s where ctid = any (array('
            'select b.ctid from %1$s b where pg_visible_in_snapshot(b.__pgt_xid, $1) limit 50000))', segment)
        using seen;
    end if;
    return true;
exception when lock_not_available or deadlock_detected or object_in_use or undefined_table then
    -- In use, or its capture is being made or dropped at this moment.
    return false;
end
$$;
comment on function pgtrickle._purge(oid, bigint, boolean, bigint) is
    'Empties a segment of the source''s buffer when every consumer has consumed it, or moves its rows to the archive, and trims that; true when it did something. Waits for nobody but, at most a second, for who makes or drops the capture. Keeps its locks until commit, so truncate only at the end of a transaction; otherwise it deletes. least_bytes: a segment below this size is left as it is; just_read: how many changes the refresh before it has read';


create or replace function pgtrickle._to_be_purged(sources oid[], least_bytes bigint default 262144)
    returns oid[]
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    source oid;
    found_sources oid[] := '{}';
begin
    foreach source in array sources loop
        if pgtrickle._is_to_be_purged(source, least_bytes) then
            found_sources := found_sources || source;
        end if;
    end loop;
    return found_sources;
end
$$;
comment on function pgtrickle._to_be_purged(oid[], bigint) is 'Those of the sources for which _is_to_be_purged, in the same order';


create or replace function pgtrickle._purge_consumed(sources oid[], just_read bigint, least_bytes bigint default 262144)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    source oid;
    purged boolean;
begin
    -- Equal times: the first statement of its transaction. (A client that prepares it has other
    -- times, and deletes, though it may be alone.)
    foreach source in array sources loop
        purged := pgtrickle._purge(source, least_bytes, transaction_timestamp() = statement_timestamp(), just_read);
    end loop;
end
$$;
comment on function pgtrickle._purge_consumed(oid[], bigint, bigint) is
    '_purge, at the end of a refresh that has read so many changes, of sources: in ascending order, since what is locked stays so until commit';


create or replace function pgtrickle._is_abandoned(capture pgtrickle.pgt_captures)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- Who creates a stream table may capture its sources in a transaction before that, and die.
    select capture.unused_since is not null
        or capture.created_at < now() - make_interval(secs => pgtrickle._setting('unused_capture_seconds')::double precision)
            and not exists (
                select from pgtrickle.pgt_dependencies d
                where d.source_relid = capture.source_relid
                  and d.source_number is not null)
$$;
comment on function pgtrickle._is_abandoned(pgtrickle.pgt_captures) is
    'Whether a capture seems to have no consumer, and none that is about to come; _drop_capture_if_unused knows';


create or replace function pgtrickle._drop_unused()
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    source oid;
begin
    -- Who writes the source waits for what is dropped until the transaction ends: so one of them only.
    for source in
        select u.source
        from (
            select c.source_relid as source, c.unused_since
            from pgtrickle.pgt_captures c
            where pgtrickle._is_abandoned(c)
            union all
            select m.source, null
            from (
                select substring(p.proname from '^maintain_([0-9]{1,10})$')::bigint::oid as source
                from pg_proc p
                where p.pronamespace = 'pgtrickle_changes'::regnamespace
                  and p.proname ~ '^maintain_[0-9]{1,10}$'
            ) m
            where pgtrickle._is_maintenance_left(m.source)
        ) u
        order by u.unused_since nulls first, u.source
    loop
        if pgtrickle._drop_capture_if_unused(source) or pgtrickle._drop_maintenance_if_unused(source) then
            return true;
        end if;
    end loop;
    return false;
end
$$;
comment on function pgtrickle._drop_unused() is
    'Drops the capture of a source, or its maintenance triggers, that no stream table uses any more; true when it did, and there may be another. Waits two seconds at most for who uses the source. For a transaction of its own';


create or replace function pgtrickle._purgeable(least_bytes bigint default 262144)
    returns setof oid
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select c.source_relid
    from pgtrickle.pgt_captures c
    where pgtrickle._is_to_be_purged(c.source_relid, least_bytes)
    order by c.source_relid
$$;
comment on function pgtrickle._purgeable(bigint) is
    'Sources for which _purge could find something to do. It keeps its locks until commit: a transaction for each, or in this order';


insert into pgtrickle.settings (name, value, unit, description)
values ('unused_capture_seconds', '600', 's', 'Age from which a capture without a consumer is dropped: whoever made it for a new stream table was interrupted')
on conflict (name) do update
    set unit = excluded.unit,
        description = excluded.description;
