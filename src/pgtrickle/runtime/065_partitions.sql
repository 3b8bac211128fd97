-- Partitioned stream tables: RANGE by one column, with a default partition for what no other takes.
--
-- Users add partitions with plain DDL, so a refresh looks what there is before it writes:
--   * statement triggers are not inherited, so each partition gets the guard; a row trigger, which
--     new partitions inherit, covers them until then
--   * a partition attached with rows in it, or detached, is a change of contents no source explains:
--     the table is recomputed and the difference applied
-- A row's ctid is unique within its partition only: whoever finds rows by place uses tableoid too.

create or replace function pgtrickle._is_partitioned(relation oid)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (select from pg_class c where c.oid = relation and c.relkind = 'p')
$$;
comment on function pgtrickle._is_partitioned(oid) is 'Whether a table is partitioned';


create or replace function pgtrickle._extent(relation oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when pgtrickle._is_partitioned(relation) then '' else 'only ' end || pgtrickle._present(relation)
$$;
comment on function pgtrickle._extent(oid) is
    'A stream table as its rows are read: its partitions belong to it, tables that inherit from it do not';


create or replace function pgtrickle._partition_column(columns jsonb, partition_by text)
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    found text;
begin
    select c ->> 'name'
    into found
    from jsonb_array_elements(columns) c
    where lower(c ->> 'name') = lower(partition_by)
    order by c ->> 'name' = partition_by desc
    limit 1;
    if found is null then
        raise exception using
            errcode = case when partition_by ~* '^(list|hash):' or partition_by ~ ',' then '0A000' else '42703' end,
            message = format('partition_by = %L names no column of the query', partition_by),
            hint = format('This engine makes RANGE partitions by one column; the query has %s',
                (select string_agg(c ->> 'name', ', ' order by (c ->> 'position')::integer) from jsonb_array_elements(columns) c));
    end if;
    return found;
end
$$;
comment on function pgtrickle._partition_column(jsonb, text) is
    'The column of the query that partition_by means, in its own spelling; error 42703 where there is none, 0A000 for LIST, HASH and several columns';


create or replace function pgtrickle._check_partitioning_stays(target pgtrickle.pgt_stream_tables, partition_by text)
    returns void
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if lower(coalesce(partition_by, '')) <> lower(coalesce(target.st_partition_key, '')) then
        raise exception using
            errcode = '0A000',
            message = format('stream table %I.%I is %s, which is fixed at creation: partition_by cannot become %s',
                target.pgt_schema, target.pgt_name,
                case when target.st_partition_key is null then 'not partitioned' else format('partitioned by %I', target.st_partition_key) end,
                coalesce(quote_literal(nullif(partition_by, '')), 'null')),
            hint = 'Create it anew: in dbt by --full-refresh, in SQL by drop_stream_table and create_stream_table';
    end if;
end
$$;
comment on function pgtrickle._check_partitioning_stays(pgtrickle.pgt_stream_tables, text) is
    'Error 0A000 where partition_by (null or empty: none) is not what the stream table has';


create or replace function pgtrickle._check_partition_column_stays(target pgtrickle.pgt_stream_tables, changed smallint[])
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select
        from pg_attribute a
        where a.attrelid = target.pgt_relid
          and a.attname = target.st_partition_key
          and a.attnum = any (changed))
    then
        raise exception using
            errcode = '0A000',
            message = format('the new query moves, retypes or drops %I, by which stream table %I.%I is partitioned',
                target.st_partition_key, target.pgt_schema, target.pgt_name),
            hint = 'Keep the columns up to it as they are, or create the table anew: in dbt by --full-refresh';
    end if;
end
$$;
comment on function pgtrickle._check_partition_column_stays(pgtrickle.pgt_stream_tables, smallint[]) is
    'Error 0A000 where the column a stream table is partitioned by is among those that go or change their type';


create or replace function pgtrickle._partition_name(p_schema text, p_table text, suffix text)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    ending text := '_' || suffix;
    stem text := p_table;
    number integer := 1;
begin
    loop
        while octet_length(stem || ending) > 63 loop
            stem := left(stem, -1);
        end loop;
        exit when pgtrickle._relation_oid(p_schema, stem || ending) is null;
        number := number + 1;
        ending := format('_%s_%s', suffix, number);
    end loop;
    return stem || ending;
end
$$;
comment on function pgtrickle._partition_name(text, text, text) is
    'A name nobody has yet for a partition: <table>_<suffix>, shortened and numbered where it must be';


create or replace function pgtrickle._create_default_partition(p_schema text, p_name text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('create table %1$I.%2$I partition of %1$I.%3$I default',
        p_schema, pgtrickle._partition_name(p_schema, p_name, 'default'), p_name);
end
$$;
comment on function pgtrickle._create_default_partition(text, text) is 'Gives a partitioned table the partition for all rows that no other takes';


create or replace function pgtrickle._name_default_partition(target pgtrickle.pgt_stream_tables)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    present oid := (select max(p.partdefid) from pg_partitioned_table p where p.partrelid = target.pgt_relid and p.partdefid <> 0);
    name text := (select c.relname from pg_class c where c.oid = present limit 1);
    wanted constant text := pgtrickle._partition_name(target.pgt_schema, target.pgt_name, 'default');
begin
    -- Only a name that was given by us for another name of the table, and only to the plain form.
    if name ~ '_default(_[0-9]+)?$' and wanted = left(target.pgt_name, 55) || '_default' then
        execute format('alter table %s rename to %I', present::regclass, wanted);
    end if;
end
$$;
comment on function pgtrickle._name_default_partition(pgtrickle.pgt_stream_tables) is
    'Renames the default partition after its table, which was renamed, where that name is free';


create or replace function pgtrickle._partitions(relation oid)
    returns oid[]
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(m order by m), '{}')
    from pgtrickle._members(relation) m
    where m <> relation
$$;
comment on function pgtrickle._partitions(oid) is 'All partitions of a table, at every level';


create or replace function pgtrickle._guard_command(relation oid, p_pgt_id bigint)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format(
        'create or replace trigger pgtrickle_guard before insert or update or delete or truncate on %s '
        'for each statement when (pg_catalog.current_setting(''pgtrickle.internal_refresh'', true) is distinct from %L) '
        'execute function pgtrickle._guard(%L)',
        relation::regclass, p_pgt_id::text, p_pgt_id)
$$;
comment on function pgtrickle._guard_command(oid, bigint) is
    'Command that creates the statement trigger by which a stream table, or a partition of it, refuses all writes but those of its refresh';


create or replace function pgtrickle._take_in_partition(p_pgt_id bigint, partition oid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute pgtrickle._guard_command(partition, p_pgt_id);
    execute format('alter table %s replica identity full', partition::regclass);
end
$$;
comment on function pgtrickle._take_in_partition(bigint, oid) is 'Makes one partition read-only to everyone but its stream table''s refresh';


create or replace function pgtrickle._notice_partitions(target pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    present oid[];
    partition oid;
    has_rows boolean;
    reasons text[] := '{}';
begin
    if target.st_partition_key is null then
        return null;
    end if;
    present := pgtrickle._partitions(target.pgt_relid);
    if present = target.st_partitions then
        return null;
    end if;
    foreach partition in array present loop
        if partition = any (target.st_partitions) then
            continue;
        end if;
        perform pgtrickle._take_in_partition(target.pgt_id, partition);
        execute format('select exists (select from %s)', partition::regclass) into has_rows;
        if has_rows then
            reasons := reasons || format('partition %s was attached with rows', partition::regclass);
        end if;
    end loop;
    if not target.st_partitions <@ present then
        reasons := reasons || text 'a partition was detached or dropped';
    end if;
    update pgtrickle.pgt_stream_tables s
    set st_partitions = present
    where s.pgt_id = target.pgt_id;
    return nullif(array_to_string(reasons, '; '), '');
end
$$;
comment on function pgtrickle._notice_partitions(pgtrickle.pgt_stream_tables) is
    'Takes in partitions that are new, and says why the table may not hold what its last refresh left: rows came or went with a partition. Null where it does';
