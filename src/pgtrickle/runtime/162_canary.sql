-- A new query tried beside the one in use: a canary is a stream table of its own.

create or replace function pgtrickle._canary_name(target pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    name constant text := '__pgt_canary_' || target.pgt_name;
begin
    if octet_length(name) > 63 then
        raise exception using
            errcode = '42622',
            message = format('the name of the canary of stream table %I.%I would be longer than 63 bytes', target.pgt_schema, target.pgt_name),
            hint = 'Create a stream table with the new query under a name of your choice, and compare it yourself';
    end if;
    return pgtrickle._quoted(target.pgt_schema, name);
end
$$;
comment on function pgtrickle._canary_name(pgtrickle.pgt_stream_tables) is 'The name of a stream table''s canary, as SQL reads it; error 42622 where it would be too long';


create or replace function pgtrickle.canary_begin(p_name text, p_new_query text)
    returns text
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(p_name);
    name constant text := pgtrickle._canary_name(target);
begin
    perform pgtrickle._check_owner(target);
    perform pgtrickle.create_stream_table(name, p_new_query,
        schedule => coalesce(target.schedule, 'calculated'),
        refresh_mode => target.requested_refresh_mode,
        cdc_mode => target.requested_cdc_mode);
    return name;
end
$$;
comment on function pgtrickle.canary_begin(text, text) is
    'Creates a stream table with the new query beside the one of this name, with its schedule and modes, and returns its name: __pgt_canary_<name>. canary_diff compares them, canary_promote gives the stream table the new query, drop_stream_table gives it up';


create or replace function pgtrickle.canary_diff(p_name text)
    returns table (row_source text, diff_row text)
    language plpgsql
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(p_name);
    canary pgtrickle.pgt_stream_tables := pgtrickle._find(pgtrickle._canary_name(target));
begin
    return query execute pg_catalog.format(
        'select ''live'', r.row_text from (select %3$s from %1$s t except all select %4$s from %2$s t) r (row_text)'
        ' union all '
        'select ''canary'', r.row_text from (select %4$s from %2$s t except all select %3$s from %1$s t) r (row_text)',
        target.pgt_relid::regclass, canary.pgt_relid::regclass,
        -- Of a record: who owns a table can make a cast of its rows, which would run as the caller.
        pg_catalog.format('row(%s)::text', pgtrickle._prefixed('t', pgtrickle._columns_of(target.pgt_relid))),
        pg_catalog.format('row(%s)::text', pgtrickle._prefixed('t', pgtrickle._columns_of(canary.pgt_relid))));
end
$$;
comment on function pgtrickle.canary_diff(text) is
    'Rows, as text, that a stream table has and its canary has not (live), or the other way round (canary), each as often as the one has it more. Both as they stand: refresh them first';


create or replace function pgtrickle._promote(target pgtrickle.pgt_stream_tables, canary pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
as $$
declare
    live constant text := pgtrickle._quoted(target.pgt_schema, target.pgt_name);
    settings constant jsonb := canary.defining_settings || pg_catalog.jsonb_build_object('search_path', canary.defining_search_path);
    former jsonb;
begin
    -- The query means what it meant where the canary was created.
    select pg_catalog.jsonb_object_agg(s.key, pg_catalog.current_setting(s.key)) into former from pg_catalog.jsonb_each_text(settings) s;
    perform pg_catalog.set_config(s.key, s.value, true) from pg_catalog.jsonb_each_text(settings) s;
    perform pgtrickle.alter_stream_table(live, query => canary.original_query);
    perform pg_catalog.set_config(s.key, s.value, true) from pg_catalog.jsonb_each_text(former) s;
    perform pgtrickle.drop_stream_table(pgtrickle._quoted(canary.pgt_schema, canary.pgt_name));
    return pg_catalog.format('%s has the query of its canary, which was dropped', live);
end
$$;
comment on function pgtrickle._promote(pgtrickle.pgt_stream_tables, pgtrickle.pgt_stream_tables) is
    'canary_promote, called as the owner of both';


create or replace function pgtrickle.canary_promote(p_name text)
    returns text
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(p_name);
    canary pgtrickle.pgt_stream_tables := pgtrickle._find(pgtrickle._canary_name(target));
begin
    perform pgtrickle._check_owner(target);
    if canary.pgt_owner <> target.pgt_owner then
        raise exception using
            errcode = '42501',
            message = pg_catalog.format('the canary of stream table %s belongs to role %I', pgtrickle._quoted(target.pgt_schema, target.pgt_name), pg_catalog.pg_get_userbyid(canary.pgt_owner)),
            hint = 'Its query would run as another role than the one that wrote it';
    end if;
    return pgtrickle._as_owner(target, pg_catalog.format(
        'select pgtrickle._promote(pgtrickle._stream_table(%s), pgtrickle._stream_table(%s))', target.pgt_id, canary.pgt_id));
end
$$;
comment on function pgtrickle.canary_promote(text) is
    'Gives a stream table the query of its canary, and drops that; returns what was done. Error 42P01 where there is no canary';
