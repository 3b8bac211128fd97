-- State tables: what a plan keeps between refreshes, in the schema pgtrickle_state. A plan says of
-- each what fills it, the key by which its rows are found, and what joins look it up by.

create or replace function pgtrickle._create_state(p_pgt_id bigint, states jsonb, place integer)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    state constant jsonb := states -> (place - 1);
    name constant text := state ->> 'name';
    before text;
    key text;
begin
    -- A fill may read what the states before it are filled with.
    select 'with ' || string_agg(format('filled_%s as (select * from pgtrickle_state.%I)', position, s ->> 'name'), ', ' order by position)
    into before
    from jsonb_array_elements(states) with ordinality others (s, position)
    where position < place;
    -- Room for the next version of a row beside it, so that indexes need not be written.
    execute format('create table pgtrickle_state.%I with (fillfactor = 80) as %s %s with no data', name, before, state ->> 'fill');
    execute format('alter table pgtrickle_state.%I replica identity full', name);
    perform pgtrickle._revoke_defaults(format('pgtrickle_state.%I', name)::regclass);
    execute format('comment on table pgtrickle_state.%I is %L', name, 'State of stream table ' || p_pgt_id);
    select string_agg(quote_ident(k), ', ' order by number)
    into key
    from jsonb_array_elements_text(state -> 'key') with ordinality keys (k, number);
    if key is not null then
        execute format(
            case when coalesce((state ->> 'unique')::boolean, true)
                then 'create unique index on pgtrickle_state.%I (%s) nulls not distinct'
                else 'create index on pgtrickle_state.%I (%s)' end,
            name, key);
    end if;
    select string_agg(quote_ident(k), ', ' order by number)
    into key
    from jsonb_array_elements_text(state -> 'lookup') with ordinality keys (k, number);
    if key is not null then
        execute format('create index on pgtrickle_state.%I (%s)', name, key);
    end if;
end
$$;
comment on function pgtrickle._create_state(bigint, jsonb, integer) is 'Creates one state table of a plan, empty, owned by the caller';


create or replace function pgtrickle._reads_much(p_pgt_id bigint)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(sum(pg_relation_size(member)) >= 8 * 1024 * 1024, false)
    from pgtrickle.pgt_dependencies d
    cross join lateral pgtrickle._members(d.source_relid) member
    where d.pgt_id = p_pgt_id
$$;
comment on function pgtrickle._reads_much(bigint) is 'Whether the tables that a stream table reads have 8 MB or more together';


create or replace function pgtrickle._empty_states(states jsonb, much boolean)
    returns text[]
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set client_min_messages = warning
as $$
declare
    state regclass;
    indexes text;
    definitions text[];
    put_off text[] := '{}';
begin
    for state, indexes, definitions in
        select c.oid, string_agg(i.indexrelid::regclass::text, ', '), array_agg(pg_get_indexdef(i.indexrelid)) filter (where i.indexrelid is not null)
        from jsonb_array_elements(states) s
        join pg_class c on c.oid = to_regclass(format('pgtrickle_state.%I', s ->> 'name'))
        left join pg_index i on i.indrelid = c.oid
            and (c.reltuples >= 100000 or (much and c.reltuples <= 0))
            -- Where somebody has hung a constraint on a state, all its indexes stay.
            and not exists (select from pg_constraint k where k.conrelid = c.oid and k.conindid <> 0)
        group by c.oid
    loop
        continue when indexes is null and pg_relation_size(state) = 0;  -- as a new one is
        begin
            execute format('lock table %s in access exclusive mode nowait', state);
            if pg_relation_size(state) > 0 then
                execute format('truncate %s', state);
            end if;
            -- Rows in no order take five times as long where indexes are written with them.
            if indexes is not null then
                execute format('drop index %s', indexes);
                put_off := put_off || definitions;
            end if;
        exception when lock_not_available or object_in_use then
            -- A backup reads it, perhaps for hours.
            execute format('delete from %s', state);
        end;
    end loop;
    return put_off;
end
$$;
comment on function pgtrickle._empty_states(jsonb, boolean) is
    'Empties a plan''s state tables, which nobody but refreshes reads. From those that will hold many rows, as they did or as much is read for the first time, it takes the indexes, and returns their definitions';


create or replace function pgtrickle._put_off_identity(stream_table pgtrickle.pgt_stream_tables)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- A table of this transaction's, which nobody else sees yet: to drop an index keeps readers out.
    if stream_table.created_at <> now()
        or exists (
            select
            from pg_index i
            join pg_class c on c.oid = i.indexrelid and c.relname = pgtrickle._identity_name(stream_table.pgt_id)
            where i.indrelid = stream_table.pgt_relid
              and (i.indisreplident or i.indisclustered
                   or exists (select from pg_depend d where d.refclassid = 'pg_class'::regclass and d.refobjid = i.indexrelid and d.deptype = 'n')))
    then
        return false;
    end if;
    perform pgtrickle._drop_identity(stream_table.pgt_id);
    return true;
end
$$;
comment on function pgtrickle._put_off_identity(pgtrickle.pgt_stream_tables) is
    'Drops the identity index of a stream table that was created in this transaction, to be made when it has been filled; whether it was';


create or replace function pgtrickle._drop_state_tables(p_pgt_id bigint, of_role name)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set client_min_messages = warning
as $$
declare
    tables constant text := (
        select string_agg(format('pgtrickle_state.%I', c.relname), ', ')
        from pg_class c
        where c.relnamespace = 'pgtrickle_state'::regnamespace
          and c.relkind = 'r'
          and obj_description(c.oid, 'pg_class') = 'State of stream table ' || p_pgt_id
          and (of_role is null or pg_has_role(of_role, c.relowner, 'USAGE')));
begin
    -- With what somebody may have hung on them, to keep them from being dropped.
    if tables is not null then
        execute format('drop table %s cascade', tables);
    end if;
end
$$;
comment on function pgtrickle._drop_state_tables(bigint, name) is
    'Drops the state tables of a stream table, or those the role has the rights of, and what depends on them';


create or replace function pgtrickle._drop_state(p_pgt_id bigint)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select pgtrickle._drop_state_tables(p_pgt_id, current_user)
$$;
comment on function pgtrickle._drop_state(bigint) is
    'Drops the state tables of a stream table. They are found by their comments, so also after its catalog row is gone';
