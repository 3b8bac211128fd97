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
-- Nothing is lost to a late commit: a segment is truncated under ACCESS EXCLUSIVE, taken without
-- waiting, so no transaction that wrote to it is in flight; and only rows that were already visible
-- before consumption was checked are deleted. Nothing is lost to a new consumer: it holds the row
-- in pgt_captures from before it is populated, and the purge, which writes that row, skips it
-- while held.

create or replace function pgtrickle._is_consumed(segment regclass, source oid)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    consumer record;
    pending boolean;
begin
    -- What this transaction wrote itself may be rolled back together with its own frontier only.
    execute format('select exists (select from %s b where b.__pgt_xid = $1)', segment)
    into pending
    using pg_current_xact_id_if_assigned();
    if pending then
        return false;
    end if;
    for consumer in
        select f.snapshot, f.own_xid, f.own_seq
        from pgtrickle.pgt_dependencies d
        left join pgtrickle.pgt_frontiers f using (pgt_id)
        where d.source_relid = source
          and d.source_number is not null
    loop
        if consumer.snapshot is null then
            return false;
        end if;
        execute format('select exists (select from %s b where %s)', segment, pgtrickle._unconsumed('b'))
        into pending
        using consumer.snapshot, consumer.own_xid, consumer.own_seq;
        if pending then
            return false;
        end if;
    end loop;
    return true;
end
$$;
comment on function pgtrickle._is_consumed(regclass, oid) is
    'Whether every consumer of the source has consumed every row of a segment; false while one of them is not populated';
revoke all on function pgtrickle._is_consumed(regclass, oid) from public;


create or replace function pgtrickle._old_segment(source oid, least_bytes bigint)
    returns regclass
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    current constant integer := pg_sequence_last_value(to_regclass(format('pgtrickle_changes.segment_%s', source)));
    current_segment constant regclass := to_regclass(format('pgtrickle_changes.changes_%s_%s', source, current));
    other_segment constant regclass := to_regclass(format('pgtrickle_changes.changes_%s_%s', source, 1 - current));
begin
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


create or replace function pgtrickle._purge(source oid, least_bytes bigint default 262144, truncates boolean default true)
    returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    segment regclass;
    seen pg_snapshot;
    has_rows boolean;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        return false;
    end if;
    segment := pgtrickle._old_segment(source, least_bytes);
    if segment is null then
        return false;
    end if;
    execute format('select exists (select from %s)', segment) into has_rows;
    if not (has_rows or truncates) then
        return false;
    end if;
    -- Looked at once without keeping anybody out, so that a lagging consumer costs nobody anything.
    if not pgtrickle._is_consumed(segment, source) then
        return false;
    end if;
    perform from pgtrickle.pgt_captures c where c.source_relid = source for update skip locked;
    if not found then
        return false;
    end if;
    if truncates then
        execute format('lock table %s in access exclusive mode nowait', segment);
    end if;
    seen := pg_current_snapshot();
    if not pgtrickle._is_consumed(segment, source) then
        return false;
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
exception when lock_not_available or object_in_use then
    return false;
end
$$;
comment on function pgtrickle._purge(oid, bigint, boolean) is
    'Empties a segment of the source''s buffer when every consumer has consumed it; true when it did. Never waits. Keeps its locks until commit, so truncate only at the end of a transaction; otherwise it deletes. least_bytes: a segment below this size is left as it is';


create or replace function pgtrickle._purge_all()
    returns bigint
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select count(*) filter (where case when c.unused_since is null
            then pgtrickle._purge(c.source_relid)
            else pgtrickle._drop_capture_if_unused(c.source_relid) end)
    from (select * from pgtrickle.pgt_captures order by source_relid) c
$$;
comment on function pgtrickle._purge_all() is
    'Purges every buffer and drops captures nobody uses any more; the number of buffers emptied or dropped. For a transaction of its own';
