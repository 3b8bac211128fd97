-- Recompute: run the query, compare with the table, apply the difference. One statement reads
-- everything, so the result is that of one snapshot; readers of the table are never blocked.
--
-- Rows are compared on images, never by `=` alone: 1.0 equals 1.00 and prints otherwise.
--   key identity   a full join on the key, and on the image of the whole row: what is unmatched on
--                  one side is to be deleted, on the other to be inserted. The key is the plan's;
--                  or that of a unique index which the table happens to have, and then the rows are
--                  counted too: images in the table are distinct, so those in the result are where
--                  as many rows of either were matched
--   row identity   a bag: images are counted on both sides, and only where the counts differ are
--                  rows enumerated. The image is the row's text, which all types have
-- Deletes happen before inserts, for a row may hand its unique value to another.

create or replace function pgtrickle._columns_of(relation oid)
    returns text[]
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(format('%I', a.attname) order by a.attnum), '{}')
    from pg_attribute a
    where a.attrelid = relation
      and a.attnum > 0
      and not a.attisdropped
$$;
comment on function pgtrickle._columns_of(oid) is 'Names of a relation''s columns, in order, quoted';


create or replace function pgtrickle._prefixed(prefix text, columns text[])
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(prefix || '.' || name, ', ' order by position), '')
    from unnest(columns) with ordinality c(name, position)
$$;
comment on function pgtrickle._prefixed(text, text[]) is 'A list of quoted columns, each with a prefix: t.a, t.b';


create or replace function pgtrickle._fills_sql(states jsonb)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(
        format('filled_%1$s as (%3$s), fill_%1$s as (insert into pgtrickle_state.%2$I select * from filled_%1$s), ',
            position, state ->> 'name', state ->> 'fill'),
        '' order by position), '')
    from jsonb_array_elements(states) with ordinality s(state, position)
$$;
comment on function pgtrickle._fills_sql(jsonb) is
    'CTEs that fill a plan''s state tables, each followed by a comma; a fill may read the rows of those before it, filled_1, filled_2 ...';


create or replace function pgtrickle._populate_sql(target oid, query text, states jsonb)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format(
        'with %1$sinserted as (insert into %2$s %3$s %4$s returning 1)'
        ' select (select pg_catalog.count(*) from inserted), 0::bigint, true, pg_catalog.pg_current_snapshot()',
        pgtrickle._fills_sql(states),
        pgtrickle._present(target),
        case when columns <> '{}' then format('(%s)', array_to_string(columns, ', ')) else '' end,
        query || E'\n')
    from pgtrickle._columns_of(target) columns
$$;
comment on function pgtrickle._populate_sql(oid, text, jsonb) is
    'Statement that fills an empty stream table and its state. One row: rows inserted, rows deleted, true, snapshot';


create or replace function pgtrickle._same_image_sql(relation oid, a text, b text)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    conditions text;
    others text[];
begin
    -- Where values that are equal are the same, to ask for that costs a quarter of comparing rows.
    -- Equal numerics differ in their scale at most.
    select string_agg(
            format('%1$s.%3$I is not distinct from %2$s.%3$I', a, b, c.attname)
                || case when c.is_numeric then format(' and pg_catalog.scale(%1$s.%3$I) is not distinct from pg_catalog.scale(%2$s.%3$I)', a, b, c.attname) else '' end,
            ' and ' order by c.attnum) filter (where c.is_plain),
        array_agg(quote_ident(c.attname) order by c.attnum) filter (where not c.is_plain)
    into conditions, others
    from (
        select f.attname, f.attnum, f.atttypid = 'numeric'::regtype as is_numeric,
            f.atttypid in (
                'boolean'::regtype, 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'oid'::regtype, 'numeric'::regtype,
                'date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'time'::regtype, 'uuid'::regtype, 'bytea'::regtype)
            or t.typtype = 'e'
            or f.atttypid in ('text'::regtype, 'varchar'::regtype) and l.collisdeterministic as is_plain
        from pg_attribute f
        join pg_type t on t.oid = f.atttypid
        left join pg_collation l on l.oid = f.attcollation
        where f.attrelid = relation
          and f.attnum > 0
          and not f.attisdropped
    ) c;
    return concat_ws(' and ', conditions,
        case when others is not null then
            format('row(%s)::record *= row(%s)::record', pgtrickle._prefixed(a, others), pgtrickle._prefixed(b, others)) end);
end
$$;
comment on function pgtrickle._same_image_sql(oid, text, text) is
    'Condition: rows a and b (aliases), which have the columns of a relation, are the same and print the same';


create or replace function pgtrickle._unique_columns(relation oid)
    returns text[]
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select key.columns
    from pg_index i
    cross join lateral (
        select array_agg(a.attname::text order by k.position) as columns, bool_and(a.attnotnull) as is_not_null
        from unnest(i.indkey::smallint[]) with ordinality k (attnum, position)
        join pg_attribute a on a.attrelid = relation and a.attnum = k.attnum
        where k.position <= i.indnkeyatts
    ) key
    where i.indrelid = relation
      and i.indisunique
      and i.indisvalid
      and i.indimmediate
      and i.indexprs is null
      and i.indpred is null
      and (i.indnullsnotdistinct or key.is_not_null)
      and not exists (select from unnest(i.indclass::oid[]) class join pg_opclass o on o.oid = class and not o.opcdefault)
    order by i.indisprimary desc, i.indnkeyatts, i.indexrelid
    limit 1
$$;
comment on function pgtrickle._unique_columns(oid) is
    'Columns of a relation of which no two rows have the same values, by a unique index; null where no index says so';


create or replace function pgtrickle._difference_by_key_sql(target oid, columns text[], key text[])
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    old_row constant text := format('row(%s)', pgtrickle._prefixed('o', columns));
    new_row constant text := format('row(%s)', pgtrickle._prefixed('n', columns));
    same_key text;
    old_is_null text;
    new_is_null text;
    partitioned constant boolean := pgtrickle._is_partitioned(target);
begin
    select string_agg(format('o.%1$I = n.%1$I', name), ' and '),
        coalesce(string_agg(format('o.%I is null', name), ' or ') filter (where is_nullable), 'false'),
        coalesce(string_agg(format('n.%I is null', name), ' or ') filter (where is_nullable), 'false')
    into same_key, old_is_null, new_is_null
    from unnest(key) name
    cross join lateral (
        select not exists (
            select from pg_attribute a where a.attrelid = target and a.attname = name and a.attnotnull) as is_nullable
    ) k;
    -- A join by `=` never pairs nulls, so rows with a null in the key come out on both sides,
    -- changed or not; those that are the same on both are then recognised by their text.
    return format(
        'difference as materialized ('
        'select o.__pgt_place%10$s, n.__pgt_present, %1$s,'
        ' case when o.__pgt_place is not null and (%2$s) then %3$s::text end as __pgt_old,'
        ' case when n.__pgt_present and (%4$s) then %5$s::text end as __pgt_new'
        ' from (select t.ctid as __pgt_place%11$s, %6$s from %7$s t) o'
        ' full join (select true as __pgt_present, %1$s from result n) n on %8$s and %13$s'
        ' where o.__pgt_place is null or n.__pgt_present is null), '
        'vanished as (select d.__pgt_place%12$s from difference d where d.__pgt_place is not null'
        ' and not exists (select from difference e where e.__pgt_new = d.__pgt_old)), '
        'appeared as (select %9$s from difference d where d.__pgt_present'
        ' and not exists (select from difference e where e.__pgt_old = d.__pgt_new))',
        pgtrickle._prefixed('n', columns),
        old_is_null, old_row,
        new_is_null, new_row,
        pgtrickle._prefixed('t', columns),
        pgtrickle._extent(target),
        same_key,
        pgtrickle._prefixed('d', columns),
        case when partitioned then ', o.__pgt_part' end,
        case when partitioned then ', t.tableoid as __pgt_part' end,
        case when partitioned then ', d.__pgt_part' end,
        pgtrickle._same_image_sql(target, 'o', 'n'));
end
$$;
comment on function pgtrickle._difference_by_key_sql(oid, text[], text[]) is
    'CTEs vanished (__pgt_place tid; __pgt_part oid where the table is partitioned) and appeared (the columns): the table against the CTE result, rows matched by key and image';


create or replace function pgtrickle._difference_by_row_sql(target oid, columns text[])
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format(
        'difference as materialized ('
        'select i.image, pg_catalog.sum(i.weight) as weight from ('
        'select row(%1$s)::text collate "C" as image, 1 as weight from result n'
        ' union all select row(%2$s)::text collate "C", -1 from %3$s t) i'
        ' group by i.image having pg_catalog.sum(i.weight) <> 0), '
        'vanished as (select p.__pgt_place%6$s from ('
        'select t.ctid as __pgt_place%7$s, d.weight, pg_catalog.row_number() over (partition by d.image) as number'
        ' from %3$s t join difference d on d.image = row(%2$s)::text collate "C" where d.weight < 0) p'
        ' where p.number <= - p.weight), '
        'appeared as (select %4$s from ('
        'select %5$sd.weight as __pgt_weight, pg_catalog.row_number() over (partition by d.image) as __pgt_number'
        ' from result n join difference d on d.image = row(%1$s)::text collate "C" where d.weight > 0) p'
        ' where p.__pgt_number <= p.__pgt_weight)',
        pgtrickle._prefixed('n', columns),
        pgtrickle._prefixed('t', columns),
        pgtrickle._extent(target),
        pgtrickle._prefixed('p', columns),
        case when columns <> '{}' then pgtrickle._prefixed('n', columns) || ', ' else '' end,
        case when pgtrickle._is_partitioned(target) then ', p.__pgt_part' end,
        case when pgtrickle._is_partitioned(target) then ', t.tableoid as __pgt_part' end)
$$;
comment on function pgtrickle._difference_by_row_sql(oid, text[]) is
    'CTEs vanished (__pgt_place tid; __pgt_part oid where the table is partitioned) and appeared (the columns): the table against the CTE result, as bags of rows';


create or replace function pgtrickle._result_sql(target oid, query text, materialized boolean)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- A source's column may have another type now than when the table was made; where values of
    -- it fit the table's column they are stored, and compared, as that.
    select format('query%1$s as (%2$s), result as %3$s (select %4$s from query q)',
        case when columns <> '{}' then format('(%s)', array_to_string(columns, ', ')) else '' end,
        query || E'\n',
        case when materialized then 'materialized' else '' end,
        (select string_agg(format('q.%1$I::%2$s as %1$I', a.attname, format_type(a.atttypid, -1)), ', ' order by a.attnum)
         from pg_attribute a
         where a.attrelid = target
           and a.attnum > 0
           and not a.attisdropped))
    from pgtrickle._columns_of(target) columns
$$;
comment on function pgtrickle._result_sql(oid, text, boolean) is
    'CTEs query and result: what the query of a stream table gives, with the names and types of the table''s columns';


create or replace function pgtrickle._counted_sql(target oid, came text, gone text)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('(select pg_catalog.count(*) from result) - %s = (select pg_catalog.count(*) from %s t) - %s',
        came, pgtrickle._extent(target), gone)
$$;
comment on function pgtrickle._counted_sql(oid, text, text) is
    'Condition that as many rows of the CTE result were matched as of the table. came, gone: expressions for how many of either were not';


create or replace function pgtrickle._recompute_sql(target oid, query text, identity jsonb, states jsonb)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    columns constant text[] := pgtrickle._columns_of(target);
    by_key constant boolean := coalesce(identity ->> 'kind' = 'key' and jsonb_array_length(identity -> 'columns') > 0, false);
    counted constant boolean := by_key and coalesce((identity ->> 'counted')::boolean, false);
    difference text;
begin
    if by_key then
        difference := pgtrickle._difference_by_key_sql(target, columns,
            array(select jsonb_array_elements_text(identity -> 'columns')));
    else
        difference := pgtrickle._difference_by_row_sql(target, columns);
    end if;
    return format(
        'with %1$s%2$s, %3$s, '
        'deleted as (delete from %4$s t using vanished v where t.ctid = v.__pgt_place%5$s returning 1), '
        'inserted as (insert into %6$s%7$s select %8$s from appeared a'
        ' where (select pg_catalog.count(*) from deleted) >= 0 returning 1)'
        ' select (select pg_catalog.count(*) from inserted), (select pg_catalog.count(*) from deleted),'
        ' (select pg_catalog.count(*) from deleted) = (select pg_catalog.count(*) from vanished)%9$s,'
        ' pg_catalog.pg_current_snapshot()',
        pgtrickle._fills_sql(states),
        pgtrickle._result_sql(target, query, counted or not by_key),  -- what is read twice
        difference,
        pgtrickle._extent(target),
        case when pgtrickle._is_partitioned(target) then ' and t.tableoid = v.__pgt_part' end,
        pgtrickle._present(target),
        case when columns <> '{}' then format('(%s)', array_to_string(columns, ', ')) else '' end,
        pgtrickle._prefixed('a', columns),
        case when counted then ' and ' || pgtrickle._counted_sql(target,
            '(select pg_catalog.count(*) from appeared)', '(select pg_catalog.count(*) from vanished)') end);
end
$$;
comment on function pgtrickle._recompute_sql(oid, text, jsonb, jsonb) is
    'Statement that recomputes a stream table and applies the difference, by the identity of a plan, to which "counted" is added where the key is of the table alone. States must be empty. One row: rows inserted, rows deleted, whether all rows to delete were there (and counted), snapshot';
