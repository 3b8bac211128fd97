-- Operations on several stream tables, and refreshes together with something else.

create or replace function pgtrickle._call_sql(function_name text, given jsonb)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    unknown text;
    arguments text;
begin
    select string_agg(format('"%s"', g.key), ', ') filter (where p.type is null),
        string_agg(format('%I => %L::%s', g.key, g.value, p.type), ', ')
    into unknown, arguments
    from jsonb_each_text(given) g
    left join (
        select a.name, format_type(a.type, null) as type
        from pg_proc f
        cross join unnest(f.proargnames, f.proargtypes::oid[]) a (name, type)
        where f.pronamespace = 'pgtrickle'::regnamespace
          and f.proname = function_name
    ) p on p.name = g.key;
    if unknown is not null then
        raise exception using
            errcode = '22023',
            message = format('%s has no argument %s', function_name, unknown);
    end if;
    return format('select pgtrickle.%I(%s)', function_name, arguments);
end
$$;
comment on function pgtrickle._call_sql(text, jsonb) is 'A call of a function of the contract with these named arguments; error 22023 names one that it has not';


create or replace function pgtrickle.bulk_create(definitions jsonb)
    returns jsonb
    language plpgsql
as $$
declare
    definition jsonb;
    created jsonb := '[]';
begin
    if pg_catalog.jsonb_typeof(definitions) is distinct from 'array' or definitions = '[]' then
        raise exception using
            errcode = '22023',
            message = 'bulk_create needs an array of objects, each with name and query';
    end if;
    for definition in select d from pg_catalog.jsonb_array_elements(definitions) d loop
        if pg_catalog.jsonb_typeof(definition) <> 'object' or definition ->> 'name'::text is null or definition ->> 'query'::text is null then
            raise exception using
                errcode = '22023',
                message = pg_catalog.format('bulk_create needs name and query, but got %s', definition);
        end if;
        execute pgtrickle._call_sql('create_stream_table', definition);
        created := created || pg_catalog.jsonb_build_object(
            'name', definition ->> 'name'::text, 'status', 'created', 'pgt_id', (pgtrickle._find(definition ->> 'name'::text)).pgt_id);
    end loop;
    return created;
end
$$;
comment on function pgtrickle.bulk_create(jsonb) is
    'Creates stream tables, all or none: [{"name": ..., "query": ..., and any argument of create_stream_table}, ...]. Returns [{"name", "status": "created", "pgt_id"}, ...]';


create or replace function pgtrickle.bulk_alter_stream_tables(names text[], params json)
    returns integer
    language plpgsql
as $$
declare
    name text;
begin
    if pg_catalog.json_typeof(params) is distinct from 'object' then
        raise exception using
            errcode = '22023',
            message = 'bulk_alter_stream_tables needs an object with arguments of alter_stream_table',
            hint = 'For instance: {"schedule": "5m"}';
    end if;
    foreach name in array coalesce(names, '{}') loop
        execute pgtrickle._call_sql('alter_stream_table', params::jsonb || pg_catalog.jsonb_build_object('name', name));
    end loop;
    return coalesce(pg_catalog.cardinality(names), 0);
end
$$;
comment on function pgtrickle.bulk_alter_stream_tables(text[], json) is
    'Changes stream tables, all or none; params has arguments of alter_stream_table. Returns how many';


create or replace function pgtrickle.bulk_drop_stream_tables(names text[])
    returns integer
    language plpgsql
as $$
declare
    dropped text[];
    name text;
begin
    -- What reads another one of them goes first.
    select pg_catalog.array_agg(o.name order by o.number desc)
    into dropped
    from pgtrickle._in_order() with ordinality o (pgt_id, name, depth, upstream, number)
    where o.pgt_id in (select (pgtrickle._find(n)).pgt_id from pg_catalog.unnest(names) n);
    foreach name in array coalesce(dropped, '{}') loop
        perform pgtrickle.drop_stream_table(name);
    end loop;
    return coalesce(pg_catalog.cardinality(dropped), 0);
end
$$;
comment on function pgtrickle.bulk_drop_stream_tables(text[]) is
    'Drops stream tables, all or none; they may read each other, but error 2BP01 where another one reads them. Returns how many';


create or replace function pgtrickle.write_and_refresh(sql text, stream_table_name text)
    returns void
    language plpgsql
as $$
begin
    execute sql;
    perform pgtrickle.refresh_stream_table(stream_table_name);
end
$$;
comment on function pgtrickle.write_and_refresh(text, text) is
    'Runs a statement as the caller, then refreshes a stream table, both in the caller''s transaction';


create or replace function pgtrickle.refresh_if_stale(p_name text, p_max_age interval default '5 minutes')
    returns boolean
    language plpgsql
    strict
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(p_name);
begin
    if target.last_refresh_at between pg_catalog.clock_timestamp() - p_max_age and pg_catalog.clock_timestamp() then
        return false;
    end if;
    perform pgtrickle.refresh_stream_table(p_name);
    return true;
end
$$;
comment on function pgtrickle.refresh_if_stale(text, interval) is
    'Refreshes a stream table whose last refresh is longer ago than that; true when it did';


create or replace function pgtrickle.create_refresh_group(group_name text, members text[], isolation text default 'read_committed')
    returns integer
    language plpgsql
as $$
declare
    wanted constant text := pgtrickle._parse_choice('isolation', isolation, array['read_committed', 'repeatable_read']);
    relids oid[];
    member pgtrickle.pgt_stream_tables;
    id integer;
begin
    for member in select (pgtrickle._find(m)).* from pg_catalog.unnest(members) m loop
        perform pgtrickle._check_owner(member);
        relids := pg_catalog.array_append(relids, member.pgt_relid);
    end loop;
    if (select pg_catalog.count(distinct r) from pg_catalog.unnest(relids) r) < 2 then
        raise exception using
            errcode = '22023',
            message = 'a refresh group needs at least two stream tables';
    end if;
    if coalesce(group_name, '') = '' then
        raise exception using
            errcode = '22023',
            message = 'a refresh group needs a name';
    end if;
    insert into pgtrickle.pgt_refresh_groups (group_name, member_oids, isolation)
    values (create_refresh_group.group_name, relids, coalesce(wanted, 'read_committed'))
    returning group_id into id;
    return id;
exception when unique_violation then
    raise exception using
        errcode = '42710',
        message = pg_catalog.format('refresh group "%s" exists', group_name);
end
$$;
comment on function pgtrickle.create_refresh_group(text, text[], text) is
    'Declares stream tables that are to be refreshed together; repeatable_read: at one snapshot. Returns the group''s id';


create or replace function pgtrickle.drop_refresh_group(group_name text)
    returns void
    language plpgsql
as $$
begin
    delete from pgtrickle.pgt_refresh_groups g where g.group_name = drop_refresh_group.group_name;
    if not found then
        raise exception using
            errcode = '42704',
            message = pg_catalog.format('there is no refresh group "%s" of yours', group_name);
    end if;
end
$$;
comment on function pgtrickle.drop_refresh_group(text) is 'Drops a refresh group; its stream tables stay';


create or replace function pgtrickle.refresh_groups()
    returns table (group_id integer, group_name text, member_count integer, isolation text, created_at timestamptz)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select g.group_id, g.group_name, cardinality(g.member_oids), g.isolation, g.created_at
    from pgtrickle.pgt_refresh_groups g
    order by g.group_name
$$;
comment on function pgtrickle.refresh_groups() is 'Refresh groups';
