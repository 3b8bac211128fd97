-- Adding a partition where the default partition may already hold its rows: plain DDL is refused then.

create or replace function pgtrickle._range_condition(relation oid, key text, from_value text, to_value text)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(format('t.%I %s %L::%s', key, operator, value, format_type(a.atttypid, a.atttypmod)), ' and '),
        format('t.%I is not null', key))
    from pg_attribute a
    cross join (values ('>=', from_value), ('<', to_value)) bound (operator, value)
    where a.attrelid = relation
      and a.attname = key
      and value is not null
$$;
comment on function pgtrickle._range_condition(oid, text, text, text) is
    'Condition on rows t of a range, from inclusive, to exclusive; null is no bound. Rows whose key is null are in no range';


create or replace function pgtrickle._attach_with_rows(
        target pgtrickle.pgt_stream_tables, partition text, from_value text, to_value text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    root constant regclass := target.pgt_relid;
    rest constant regclass := (select nullif(max(p.partdefid), 0) from pg_partitioned_table p where p.partrelid = target.pgt_relid);
    condition constant text := pgtrickle._range_condition(target.pgt_relid, target.st_partition_key, from_value, to_value);
    guarded constant text := current_setting('pgtrickle.internal_refresh', true);
begin
    perform set_config('pgtrickle.internal_refresh', target.pgt_id::text, true);
    if rest is not null then
        execute format('insert into %s select * from %s t where %s', partition, rest, condition);
        -- Detached, it fires no capture: to those who read the table, nothing has changed.
        execute format('alter table %s detach partition %s', root, rest);
        execute format('delete from %s t where %s', rest, condition);
    end if;
    execute format('alter table %s attach partition %s for values from (%s) to (%s)', root, partition,
        coalesce(quote_literal(from_value), 'minvalue'), coalesce(quote_literal(to_value), 'maxvalue'));
    if rest is not null then
        execute format('alter table %s attach partition %s default', root, rest);
    end if;
    perform set_config('pgtrickle.internal_refresh', coalesce(guarded, ''), true);
end
$$;
comment on function pgtrickle._attach_with_rows(pgtrickle.pgt_stream_tables, text, text, text) is
    'Makes an empty table a partition for a range, with the rows the default partition has of it. PostgreSQL itself checks that each row is where it belongs';


create or replace function pgtrickle._add_partition(
        target pgtrickle.pgt_stream_tables, from_value text, to_value text, partition_name text)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    partition text;
    captured text[];
begin
    perform pgtrickle._lock_name(target.pgt_schema, target.pgt_name);
    perform pgtrickle._lock_frontier(target.pgt_id, true);
    if target.st_partition_key is null then
        raise exception using
            errcode = '42809',
            message = format('stream table %I.%I is not partitioned', target.pgt_schema, target.pgt_name),
            hint = 'Create it with partition_by => ''<column>''';
    end if;
    if octet_length(partition_name) > 63 then
        raise exception using
            errcode = '42622',
            message = format('"%s" is longer than 63 bytes', partition_name);
    end if;
    partition := pgtrickle._quoted(target.pgt_schema, coalesce(partition_name,
        pgtrickle._partition_name(target.pgt_schema, target.pgt_name,
            regexp_replace(lower(coalesce(from_value, 'until_' || coalesce(to_value, 'end'))), '[^a-z0-9]+', '_', 'g'))));
    execute format('create table %s (like %s)', partition, target.pgt_relid::regclass);
    perform pgtrickle._attach_with_rows(target, partition, from_value, to_value);
    perform pgtrickle._take_in_partition(target.pgt_id, partition::regclass);
    update pgtrickle.pgt_stream_tables s
    set st_partitions = (
        select array_agg(p order by p)
        from unnest(target.st_partitions || partition::regclass::oid) p)
    where s.pgt_id = target.pgt_id;
    select c.columns into captured from pgtrickle.pgt_captures c where c.source_relid = target.pgt_relid;
    if captured is not null then
        perform pgtrickle._ensure_capture(target.pgt_relid, captured);
    end if;
    return partition;
end
$$;
comment on function pgtrickle._add_partition(pgtrickle.pgt_stream_tables, text, text, text) is
    'add_partition, called as the stream table''s owner';


create or replace function pgtrickle.add_partition(
        name text, from_value text, to_value text, partition_name text default null)
    returns text
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
begin
    return pgtrickle._as_owner(target, pg_catalog.format(
        'select pgtrickle._add_partition(pgtrickle._stream_table(%s), %L, %L, %L)',
        target.pgt_id, from_value, to_value, partition_name));
end
$$;
comment on function pgtrickle.add_partition(text, text, text, text) is
    'Adds a partition for values from (inclusive, null: no bound) to (exclusive, null: no bound) and moves the rows of that range out of the default partition; returns its name. Readers wait from when the rows have been copied to the commit. Error 42809 where the table is not partitioned';
