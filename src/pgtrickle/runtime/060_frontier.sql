-- Frontiers: which captured changes a stream table has consumed.
--
-- A frontier is (snapshot, own_xid, own_seq): the snapshot of the statement that last read the
-- sources, the transaction that ran it, and the last change of that transaction it had seen. A
-- transaction's own id may be visible in its own snapshot or not, so its own changes are told by
-- their sequence number and all others by the snapshot. Statements take the three as $1, $2, $3,
-- through EXECUTE ... USING, so that each execution is planned with their values.

create or replace function pgtrickle._unconsumed(buffer text)
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    -- Everything below the snapshot's xmin is consumed, own_xid included: it is never below it.
    select format(
        '%1$s.__pgt_xid operator(pg_catalog.>=) pg_catalog.pg_snapshot_xmin($1)'
        ' and case when %1$s.__pgt_xid operator(pg_catalog.=) $2'
        ' then %1$s.__pgt_seq operator(pg_catalog.>) $3'
        ' else not pg_catalog.pg_visible_in_snapshot(%1$s.__pgt_xid, $1) end',
        buffer)
$$;
comment on function pgtrickle._unconsumed(text) is
    'Condition on the rows of a buffer (its alias): not consumed by the frontier $1 pg_snapshot, $2 xid8, $3 bigint';


create or replace function pgtrickle._already_visible(source oid, buffer text)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not pgtrickle._reads_wal(source) then
        return '';
    end if;
    return format(
        ' and (%1$s.__pgt_xid operator(pg_catalog.=) pg_catalog.pg_current_xact_id_if_assigned()'
        ' or pg_catalog.pg_visible_in_snapshot(%1$s.__pgt_xid, (select pg_catalog.pg_current_snapshot())))', buffer);
end
$$;
comment on function pgtrickle._already_visible(oid, text) is
    'Further condition on the rows of a buffer, starting with "and", where they come from the log: it may have been decoded beyond the statement''s snapshot. Empty where triggers write them, whose rows become visible with the change itself';


create or replace function pgtrickle._buffers(source oid)
    returns table (segment integer, buffer text, is_read text)
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    -- Of the archive no row is looked at by whoever has consumed it as a whole, however many there are:
    -- whose snapshot has nothing in flight below its end, or sees who moved the last of it there. (All
    -- that was moved had been committed then.) Its own transaction may have moved some after it.
    select s, format('pgtrickle_changes.changes_%s_%s', source, s),
        case s when 2 then format(
            '(select c.archived_until operator(pg_catalog.>=) pg_catalog.pg_snapshot_xmin($1)'
            ' and (c.archived_by operator(pg_catalog.=) $2 or not pg_catalog.pg_visible_in_snapshot(c.archived_by, $1))'
            ' from pgtrickle.pgt_captures c where c.source_relid operator(pg_catalog.=) %s::pg_catalog.oid) and ', source)
        else '' end
    from generate_series(0, 2) s
$$;
comment on function pgtrickle._buffers(oid) is
    'The segments of a source''s buffer, the archive last, and the condition, ending with "and", under which the frontier ($1 pg_snapshot, $2 xid8) has not consumed the whole of one';


create or replace function pgtrickle._changes_sql(source oid, columns text[], marked boolean default false)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- Of a buffer most rows are not consumed yet. PostgreSQL takes one in seven for granted where it is
    -- asked so, and as good as all of them where it is asked whether something is NULL.
    select string_agg(
        format(case when marked then 'select %s__pgt_weight from %s b where %s%s%s'
                else 'select %s__pgt_weight from %s b where %s(case when %s and b.__pgt_weight operator(pg_catalog.<>) 0%s then true end) is not null' end,
            columns_list, s.buffer, s.is_read, pgtrickle._unconsumed('b'), pgtrickle._already_visible(source, 'b')),
        ' union all ' order by s.segment)
    from pgtrickle._buffers(source) s
    cross join (
        select coalesce(string_agg(
                case when t.typtype = 'd'
                    then format('b.%1$I::%2$s as %1$I, ', name, format_type(c.type, null))
                    else format('b.%I, ', name)
                end, '' order by position), '') as columns_list
        from unnest(columns) with ordinality wanted(name, position)
        left join pgtrickle._captured_columns(source, columns) c using (name)
        left join pg_type t on t.oid = c.type
    ) list
$$;
comment on function pgtrickle._changes_sql(oid, text[], boolean) is
    'Query for a source''s unconsumed changes, from all segments: the columns, then __pgt_weight integer (-1 was, +1 is; 0 where marked: it was truncated)';


create or replace function pgtrickle._netted_sql(changes text, columns text[])
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    -- Of each row as it prints, as many of those that came and of those that went are left out as
    -- there are of both. (The name of the condition is one that no captured column has.)
    select format(
        'select %1$s__pgt_weight from (select c.*, pg_catalog.row_number() over (partition by %2$s, c.__pgt_weight)'
        ' operator(pg_catalog.>) least('
        'pg_catalog.count(*) filter (where c.__pgt_weight operator(pg_catalog.<) 0) over (partition by %2$s),'
        ' pg_catalog.count(*) filter (where c.__pgt_weight operator(pg_catalog.>) 0) over (partition by %2$s)) as __pgt_seq'
        ' from (%3$s) c) n where __pgt_seq',
        coalesce(string_agg(format('%I, ', name), '' order by position), ''),
        format('row(%s)::text collate "C"', string_agg(format('c.%I', name), ', ' order by position)),
        changes)
    from unnest(columns) with ordinality wanted(name, position)
$$;
comment on function pgtrickle._netted_sql(text, text[]) is
    'A query for changes of these columns, as _changes_sql gives it, without rows that came and went';


create or replace function pgtrickle._key_among(source oid, columns text[])
    returns text[]
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select key.names
    from pg_index i
    cross join lateral (
        select array_agg(a.attname::text order by a.attnum) as names
        from pg_attribute a
        where a.attrelid = source
          and a.attnum = any (i.indkey[:i.indnkeyatts - 1])
    ) key
    where i.indrelid = source
      and i.indisunique
      and i.indisvalid
      and i.indpred is null
      and i.indexprs is null
      and key.names <@ columns
    order by not i.indisprimary, cardinality(key.names), i.indexrelid
    limit 1
$$;
comment on function pgtrickle._key_among(oid, text[]) is
    'Columns of a unique index of a source, the primary key first, if all are among these; else null';


create or replace function pgtrickle._paired_sql(changes text, columns text[], key text[])
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    -- Less than _netted_sql leaves out, and several times faster: of what changed more often than
    -- once all stays. Rows are compared byte for byte, so whatever the key, nothing is lost.
    select format(
        'select %1$s__pgt_weight from (select c.*, case'
        ' when pg_catalog.count(*) over k operator(pg_catalog.=) 2'
        ' and pg_catalog.sum(c.__pgt_weight) over k operator(pg_catalog.=) 0'
        ' then pg_catalog.first_value(row(%2$s)) over k operator(pg_catalog.*=) pg_catalog.last_value(row(%2$s)) over k'
        ' else false end as __pgt_seq'
        ' from (%3$s) c'
        ' window k as (partition by %4$s order by c.__pgt_weight rows between unbounded preceding and unbounded following)) p'
        ' where not __pgt_seq',
        string_agg(format('%I, ', name), '' order by position),
        string_agg(format('c.%I', name), ', ' order by position),
        changes,
        (select string_agg(format('c.%I', name), ', ') from unnest(key) name))
    from unnest(columns) with ordinality wanted(name, position)
$$;
comment on function pgtrickle._paired_sql(text, text[], text[]) is
    'A query for changes of these columns, as _changes_sql gives it, without the two of a key of which one went and one came and that are the same';


create or replace function pgtrickle._settled_sql(source oid, changes text, columns text[])
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    key constant text[] := pgtrickle._key_among(source, columns);
begin
    return case when key is null then pgtrickle._netted_sql(changes, columns) else pgtrickle._paired_sql(changes, columns, key) end;
end
$$;
comment on function pgtrickle._settled_sql(oid, text, text[]) is
    'A query for changes of a source, as _changes_sql gives it, without updates of other columns than these';


create or replace function pgtrickle._has_changes_sql(source oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select string_agg(
        format('exists (select from %s b where %s%s%s)', s.buffer, s.is_read,
            pgtrickle._unconsumed('b'), pgtrickle._already_visible(source, 'b')),
        ' or ' order by s.segment)
    from pgtrickle._buffers(source) s
$$;
comment on function pgtrickle._has_changes_sql(oid) is 'Condition: the source has changes, or truncations, that are not consumed';


create or replace function pgtrickle._reads_less(source oid, columns text[])
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from pgtrickle.pgt_captures c
        where c.source_relid = source
          and cardinality(c.columns) > cardinality(_reads_less.columns))
$$;
comment on function pgtrickle._reads_less(oid, text[]) is
    'Whether others read more columns of a source, so that rows may be captured that did not change in these';


create or replace function pgtrickle._pending_of_sql(source oid, columns text[])
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when pgtrickle._reads_less(source, columns) then format(
        'select coalesce(sum(s.gone operator(pg_catalog.+) s.come), 0)::bigint as pending, coalesce(sum(s.markers), 0)::bigint as markers,'
        ' case when sum(least(s.gone, s.come)) operator(pg_catalog.>) 0 then (select pg_catalog.count(*) from (%s) t) end as touched'
        ' from (select pg_catalog.count(*) filter (where u.__pgt_weight operator(pg_catalog.<) 0) as gone,'
        ' pg_catalog.count(*) filter (where u.__pgt_weight operator(pg_catalog.>) 0) as come,'
        ' pg_catalog.count(*) filter (where u.__pgt_weight operator(pg_catalog.=) 0) as markers'
        ' from (%s) u group by u.__pgt_seq) s',
        pgtrickle._settled_sql(source, pgtrickle._changes_sql(source, columns), columns), arms)
    else format(
        'select pg_catalog.count(*) filter (where u.__pgt_weight operator(pg_catalog.<>) 0) as pending,'
        ' pg_catalog.count(*) filter (where u.__pgt_weight operator(pg_catalog.=) 0) as markers, null::bigint as touched from (%s) u', arms)
    end
    from (
        select string_agg(
            format('select b.__pgt_weight, b.__pgt_seq from %s b where %s%s%s', r.buffer, r.is_read,
                pgtrickle._unconsumed('b'), pgtrickle._already_visible(source, 'b')),
            ' union all ' order by r.segment) as arms
        from pgtrickle._buffers(source) r
    ) buffers
$$;
comment on function pgtrickle._pending_of_sql(oid, text[]) is
    'Query that counts what is not consumed of a source, one row: changed rows, truncation marks, and those of the rows that changed in these columns, which is null where nobody reads others, or columns is null';


create or replace function pgtrickle._pending_sql(sources oid[], plan jsonb default null)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('select pg_catalog.array_agg(p.pending order by p.source), pg_catalog.array_agg(p.markers order by p.source),'
        ' pg_catalog.pg_current_snapshot(), pg_catalog.array_agg(p.touched order by p.source) from (%s) p',
        string_agg(
            format('select %s as source, n.* from (%s) n', position, pgtrickle._pending_of_sql(source,
                -- Where a changed row leads to little, to see whether it was changed takes longer.
                case when (plan -> 'sources' -> (position::integer - 1) -> 'fans_out')::boolean
                then (select array_agg(name) from jsonb_array_elements_text(plan -> 'sources' -> (position::integer - 1) -> 'columns') name) end)),
            ' union all ' order by position))
    from unnest(sources) with ordinality s(source, position)
$$;
comment on function pgtrickle._pending_sql(oid[], jsonb) is
    'Statement that counts what is not consumed: per source, in the order given, changed rows (bigint[]) and truncation marks (bigint[]); the snapshot it saw; and the rows changed in what the plan, if any, reads of them (bigint[], null: all)';


create or replace function pgtrickle._pending_changes(target bigint)
    returns table (source_relid oid, pending bigint, truncated boolean)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    frontier pgtrickle.pgt_frontiers;
    sources oid[];
    counts bigint[];
    markers bigint[];
    seen pg_snapshot;
begin
    select array_agg(d.source_relid order by d.source_number)
    into sources
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = target
      and d.source_number is not null
      and to_regclass(format('pgtrickle_changes.changes_%s_0', d.source_relid)) is not null;
    select f.* into frontier from pgtrickle.pgt_frontiers f where f.pgt_id = target;
    if sources is null or frontier.snapshot is null then
        return;
    end if;
    execute pgtrickle._pending_sql(sources)
    into counts, markers, seen
    using frontier.snapshot, frontier.own_xid, frontier.own_seq;
    return query select s, n, m > 0 from unnest(sources, counts, markers) c (s, n, m);
exception when undefined_table then
    null;  -- the buffer of a source was dropped meanwhile: nothing consumes it any more
end
$$;
comment on function pgtrickle._pending_changes(bigint) is
    'Captured rows per source that the stream table has not consumed, and whether it was truncated since; no row where nothing was consumed yet';


create or replace function pgtrickle._largest_buffer_bytes(sources oid[])
    returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    source oid;
    of_source bigint;
    largest bigint := 0;
begin
    -- The size of a file, so that nothing has to be planned and read. A row not committed yet has one.
    -- (A loop: nothing of it starts an executor.)
    foreach source in array sources loop
        of_source := 0;
        for segment in 0 .. 2 loop
            of_source := of_source + coalesce(pg_relation_size(to_regclass(format('pgtrickle_changes.changes_%s_%s', source, segment))), 1);
        end loop;
        largest := greatest(largest, of_source);
    end loop;
    return largest;
end
$$;
comment on function pgtrickle._largest_buffer_bytes(oid[]) is
    'Size of the change buffers, archive included, of that of these sources that has most; 0 says that nothing is pending for any consumer';


create or replace function pgtrickle._buffers_are_empty(sources oid[])
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    return pgtrickle._largest_buffer_bytes(coalesce(sources, '{}')) = 0;
end
$$;
comment on function pgtrickle._buffers_are_empty(oid[]) is
    'Whether the change buffers of all these sources are empty files: then nothing is pending for any consumer';


create or replace function pgtrickle._own_sequence()
    returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce(pg_sequence_last_value('pgtrickle_changes.change_seq'::regclass), 0);
end
$$;
comment on function pgtrickle._own_sequence() is
    'Bounds the changes this transaction has captured so far: they are numbered up to it, its later ones above it';
