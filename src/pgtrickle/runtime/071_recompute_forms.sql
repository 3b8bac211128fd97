-- Two other forms of recomputing, for two cases in which they take half the time.
--
--   merged     where many rows differ: one MERGE of the result into the table. Nothing is stored on
--              the way, each row is written where it was found, and one that keeps its key is
--              updated, which spares the indexes where its page has room
--   computed   where little comes of much: the query by itself, its rows as an array, and then the
--              difference. No statement that writes runs in parallel, and this one need not write

create or replace function pgtrickle._merge_sql(target oid, query text, identity jsonb, states jsonb)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    columns constant text[] := pgtrickle._columns_of(target);
    counted constant boolean := coalesce((identity ->> 'counted')::boolean, false);
begin
    return format(
        'with %1$s%2$s, merged as ('
        'merge into %3$s o using result n on %4$s'
        ' when not matched by source then delete'
        ' when matched and not (%5$s) then update set %6$s'
        ' when not matched then insert (%7$s) values (%8$s)'
        ' returning merge_action() as action), '
        'done as (select pg_catalog.count(*) filter (where m.action <> ''DELETE'') as came,'
        ' pg_catalog.count(*) filter (where m.action <> ''INSERT'') as gone,'
        ' pg_catalog.count(*) filter (where m.action = ''INSERT'') as inserted,'
        ' pg_catalog.count(*) filter (where m.action = ''DELETE'') as deleted from merged m)'
        ' select d.came, d.gone, %9$s, pg_catalog.pg_current_snapshot() from done d',
        pgtrickle._fills_sql(states),
        pgtrickle._result_sql(target, query, counted),
        pgtrickle._extent(target),
        (select string_agg(format('o.%1$I = n.%1$I', name), ' and ') from jsonb_array_elements_text(identity -> 'columns') name),
        pgtrickle._same_image_sql(target, 'o', 'n'),
        (select string_agg(format('%1$s = n.%1$s', name), ', ' order by position) from unnest(columns) with ordinality c (name, position)),
        array_to_string(columns, ', '),
        pgtrickle._prefixed('n', columns),
        case when counted then pgtrickle._counted_sql(target, 'd.inserted', 'd.deleted') else 'true' end);
end
$$;
comment on function pgtrickle._merge_sql(oid, text, jsonb, jsonb) is
    'As _recompute_sql by key, in one MERGE. For keys without nulls. Fails where a row takes over a unique value from another (23505), or the key is not one of the result (21000)';


create or replace function pgtrickle._is_to_be_merged(stream_table pgtrickle.pgt_stream_tables, identity jsonb)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    nulls text;
    has_nulls boolean;
begin
    if current_setting('server_version_num')::integer < 170000  -- there is no NOT MATCHED BY SOURCE
        or jsonb_array_length(identity -> 'columns') is not distinct from 0
        or not pgtrickle._differed_in_many(stream_table)
    then
        return false;
    end if;
    -- A null is equal to nothing: its row would go after it came.
    select string_agg(format('t.%I is null', name), ' or ')
    into nulls
    from jsonb_array_elements_text(identity -> 'columns') name
    where not exists (
        select from pg_attribute a where a.attrelid = stream_table.pgt_relid and a.attname = name and a.attnotnull);
    if nulls is null then
        return true;
    end if;
    execute format('select exists (select from %s t where %s)', pgtrickle._extent(stream_table.pgt_relid), nulls) into has_nulls;
    return not has_nulls;
end
$$;
comment on function pgtrickle._is_to_be_merged(pgtrickle.pgt_stream_tables, jsonb) is
    'Whether to recompute in one MERGE by this key';


create or replace function pgtrickle._differed_in_many(stream_table pgtrickle.pgt_stream_tables)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce((
        select h.rows_deleted > 0.05 * c.reltuples
        from pgtrickle.pgt_refresh_history h
        join pg_class c on c.oid = stream_table.pgt_relid and c.reltuples > 0
        where h.pgt_id = stream_table.pgt_id
          and h.status = 'COMPLETED'
          and h.action <> 'NO_DATA'
        order by h.refresh_id desc
        limit 1), false)
$$;
comment on function pgtrickle._differed_in_many(pgtrickle.pgt_stream_tables) is
    'Whether the last refresh that changed the table changed more than five in a hundred of its rows: the best guess of what the next one will do';


create or replace function pgtrickle._is_to_be_computed_first(stream_table pgtrickle.pgt_stream_tables)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select current_setting('max_parallel_workers_per_gather')::integer > 0
        and pg_relation_size(stream_table.pgt_relid) between 1 and 8 * 1024 * 1024
        and exists (
            select
            from pgtrickle.pgt_dependencies d
            cross join lateral pgtrickle._members(d.source_relid) member
            where d.pgt_id = stream_table.pgt_id
              and pg_relation_size(member) >= 2 * pg_size_bytes(current_setting('min_parallel_table_scan_size')))
$$;
comment on function pgtrickle._is_to_be_computed_first(pgtrickle.pgt_stream_tables) is
    'Whether the query reads what PostgreSQL may read in parallel, and its result fits in memory';


create or replace function pgtrickle._computing_sql(target oid, query text)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- A result that has become many times as large is not for an array.
    select format(
        'with %1$s select case when pg_catalog.count(*) < %2$s then coalesce(pg_catalog.array_agg(row(%3$s)), ''{}'') end as rows,'
        ' pg_catalog.pg_current_snapshot() as snapshot from (select * from result limit %2$s) n',
        pgtrickle._result_sql(target, query, false),
        (8 * greatest(c.reltuples, 1000))::bigint,
        pgtrickle._prefixed('n', pgtrickle._columns_of(target)))
    from pg_class c
    where c.oid = target
$$;
comment on function pgtrickle._computing_sql(oid, text) is
    'Query for the rows of a stream table as an array of records, null where they are too many, and its snapshot';


create or replace function pgtrickle._computed_sql(target oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('select * from pg_catalog.unnest($1) c (%s)',
        string_agg(format('%I %s', a.attname, format_type(a.atttypid, -1)), ', ' order by a.attnum))
    from pg_attribute a
    where a.attrelid = target
      and a.attnum > 0
      and not a.attisdropped
$$;
comment on function pgtrickle._computed_sql(oid) is 'Query that gives the rows in the array $1 of _computing_sql';


create or replace function pgtrickle._difference_sql(target oid, query text, identity jsonb, states jsonb, merged boolean)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when merged then pgtrickle._merge_sql(target, query, identity, states)
        else pgtrickle._recompute_sql(target, query, identity, states) end
$$;
comment on function pgtrickle._difference_sql(oid, text, jsonb, jsonb, boolean) is
    'Statement that recomputes a stream table, in the form that suits many changes or in the one that suits few';
