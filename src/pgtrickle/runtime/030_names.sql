-- Names, settings, durations: what callers give as text becomes something to work with.
--
-- Functions that resolve what a caller wrote run under the caller's search_path; all others pin
-- theirs. This file and all after it are run again at every upgrade: `create or replace` only.

create or replace function pgtrickle._parse_name(name text, out schema_name text, out object_name text)
    language plpgsql
    stable
as $$
declare
    parts text[];
    part text;
begin
    if name is null then
        raise exception using
            errcode = '22004',
            message = 'the name of a stream table must not be null';
    end if;
    if pg_catalog.strpos(name, '"') operator(pg_catalog.>) 0 then
        begin
            parts := pg_catalog.parse_ident(name);
        exception when invalid_parameter_value then
            raise exception using
                errcode = '42602',
                message = pg_catalog.format('"%s" is not a valid name', name),
                hint = 'A name with double quotes is read as SQL: "Schema"."Table". Without them it is taken as it stands: Schema.Table';
        end;
    else
        parts := pg_catalog.string_to_array(name, '.');
    end if;
    if pg_catalog.cardinality(parts) > 2 then
        raise exception using
            errcode = '42602',
            message = pg_catalog.format('"%s" has more parts than schema and table', name),
            hint = 'Put a part that itself contains a dot in double quotes: "my.schema"."table"';
    end if;
    if pg_catalog.cardinality(parts) = 0 or '' = any (parts) then
        raise exception using
            errcode = '42602',
            message = pg_catalog.format('"%s" is not the name of a table', name),
            hint = 'Give schema.table, or table alone for the first schema of search_path';
    end if;
    foreach part in array parts loop
        if pg_catalog.octet_length(part) > 63 then
            raise exception using
                errcode = '42622',
                message = pg_catalog.format('"%s" has a part longer than 63 bytes', name);
        end if;
    end loop;
    object_name := parts[pg_catalog.cardinality(parts)];
    schema_name := case when pg_catalog.cardinality(parts) = 2 then parts[1] else pg_catalog.current_schema() end;
    if schema_name is null then
        raise exception using
            errcode = '3F000',
            message = pg_catalog.format('no schema has been selected for "%s"', name),
            hint = 'Give schema.table, or set search_path';
    end if;
end
$$;
comment on function pgtrickle._parse_name(text) is
    'Schema and name meant by a text. With a double quote in it the text is read as SQL identifiers, otherwise it is split at the dot and taken literally';


create or replace function pgtrickle._quoted(schema_name text, object_name text)
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return format('%I.%I', schema_name, object_name);
end
$$;
comment on function pgtrickle._quoted(text, text) is 'Schema and name as SQL reads them';


create or replace function pgtrickle._present(relation oid)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- One that is gone has no name but its number, over which a statement made of it would stumble.
    if not exists (select from pg_class c where c.oid = relation) then
        raise exception using
            errcode = '42P01',
            message = format('the relation with OID %s was dropped meanwhile', relation),
            hint = 'Repeat the call: what bears its name now is then found';
    end if;
    return relation::regclass::text;
end
$$;
comment on function pgtrickle._present(oid) is 'Name of a relation as SQL reads it; error 42P01 where it has been dropped';


create or replace function pgtrickle._relation_oid(schema_name text, object_name text)
    returns oid
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
    select c.oid
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = schema_name
      and c.relname = object_name
$$;
comment on function pgtrickle._relation_oid(text, text) is 'OID of the relation of this schema and name, null where there is none';


create or replace function pgtrickle._is_restored(target pgtrickle.pgt_stream_tables)
    returns boolean
    language plpgsql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- The name first: what server this is has to be read from its control file.
    return target.pgt_relid is distinct from pgtrickle._relation_oid(target.pgt_schema, target.pgt_name)
        and exists (
            select from pgtrickle.pgt_frontiers f
            where f.pgt_id = target.pgt_id
              and f.cluster_id <> pgtrickle._cluster_id());
end
$$;
comment on function pgtrickle._is_restored(pgtrickle.pgt_stream_tables) is
    'Whether a stream table came with a dump: its OID is that of the database that was dumped, and means nothing here';


create or replace function pgtrickle._find_by_name(p_schema text, p_name text)
    returns pgtrickle.pgt_stream_tables
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    found_row pgtrickle.pgt_stream_tables;
begin
    -- By OID first: the name in the catalog may be one the table had before a plain rename.
    select s.*
    into found_row
    from pgtrickle.pgt_stream_tables s
    where s.pgt_relid = pgtrickle._relation_oid(p_schema, p_name)
      and not pgtrickle._is_restored(s);
    if found then
        if (found_row.pgt_schema, found_row.pgt_name) <> (p_schema, p_name) then
            perform pgtrickle._follow_renames();
            found_row.pgt_schema := p_schema;
            found_row.pgt_name := p_name;
        end if;
        return found_row;
    end if;
    select s.*
    into found_row
    from pgtrickle.pgt_stream_tables s
    where s.pgt_schema = p_schema
      and s.pgt_name = p_name
      and (not exists (select from pg_class c where c.oid = s.pgt_relid) or pgtrickle._is_restored(s));
    return found_row;
end
$$;
comment on function pgtrickle._find_by_name(text, text) is
    'Row of the stream table of this schema and name; all null where there is none. Also finds one whose table was dropped and not yet cleaned up';


create or replace function pgtrickle._stream_table(id bigint)
    returns pgtrickle.pgt_stream_tables
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select s from pgtrickle.pgt_stream_tables s where s.pgt_id = id
$$;
comment on function pgtrickle._stream_table(bigint) is 'The catalog row of a stream table by its number';


create or replace function pgtrickle._find(name text)
    returns pgtrickle.pgt_stream_tables
    language plpgsql
as $$
declare
    wanted record;
    found_row pgtrickle.pgt_stream_tables;
    near text;
begin
    wanted := pgtrickle._parse_name(name);
    found_row := pgtrickle._find_by_name(wanted.schema_name, wanted.object_name);
    if found_row.pgt_id is not null then
        return found_row;
    end if;
    select pg_catalog.string_agg(candidate, ', ')
    into near
    from (
        select pgtrickle._quoted(s.pgt_schema, s.pgt_name) as candidate
        from pgtrickle.pgt_stream_tables s
        where pg_catalog.lower(s.pgt_name) = pg_catalog.lower(wanted.object_name)
           or pg_catalog.strpos(pg_catalog.lower(s.pgt_name), pg_catalog.lower(wanted.object_name)) > 0
           or pg_catalog.strpos(pg_catalog.lower(wanted.object_name), pg_catalog.lower(s.pgt_name)) > 0
        order by pg_catalog.lower(s.pgt_name) = pg_catalog.lower(wanted.object_name) desc, s.pgt_schema = wanted.schema_name desc, s.pgt_name
        limit 3
    ) candidates;
    raise exception using
        errcode = '42P01',
        message = pg_catalog.concat_ws(', ',
            pg_catalog.format('stream table %I.%I does not exist', wanted.schema_name, wanted.object_name),
            pgtrickle._kind_of(pgtrickle._relation_oid(wanted.schema_name, wanted.object_name)) || ' of that name does'),
        hint = coalesce('Did you mean ' || near || '?', 'Stream tables are listed in pgtrickle.stream_tables_info');
end
$$;
comment on function pgtrickle._find(text) is 'Row of the stream table of this name; error 42P01 where there is none';


create or replace function pgtrickle._kind_of(relation oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select case
            when exists (select from pgtrickle.pgt_stream_tables s where s.pgt_relid = c.oid) then 'a stream table'
            else case c.relkind
                when 'r' then 'a table'
                when 'p' then 'a partitioned table'
                when 'v' then 'a view'
                when 'm' then 'a materialized view'
                when 'f' then 'a foreign table'
                when 'S' then 'a sequence'
                when 'i' then 'an index'
                when 'I' then 'an index'
                when 'c' then 'a composite type'
                else 'a relation'
            end
        end
    from pg_class c
    where c.oid = relation
$$;
comment on function pgtrickle._kind_of(oid) is 'What a relation is, in words: "a view"';


create or replace function pgtrickle._setting(name text)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    here constant text := current_setting('pg_trickle.' || name, true);
begin
    if here <> '' then
        return here;
    end if;
    return (select s.value from pgtrickle.settings s where s.name = _setting.name);
end
$$;
comment on function pgtrickle._setting(text) is
    'Value of a setting: the session''s pg_trickle.<name>, else the row in pgtrickle.settings, else null';


create or replace function pgtrickle.parse_duration_seconds(input text)
    returns bigint
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    select d.seconds
    from (
        select case
            when btrim(input) ~ '^[0-9]{1,15}$' then btrim(input)::bigint
            when btrim(input) ~ '^([0-9]{1,9}[smhdwSMHDW])+$' then (
                select sum(part[1]::bigint * case lower(part[2])
                        when 's' then 1
                        when 'm' then 60
                        when 'h' then 3600
                        when 'd' then 86400
                        when 'w' then 604800
                    end)::bigint
                from regexp_matches(btrim(input), '([0-9]+)([smhdwSMHDW])', 'g') part)
        end as seconds
    ) d
    where d.seconds <= 10000000000  -- more cannot be added to every moment there is
$$;
comment on function pgtrickle.parse_duration_seconds(text) is
    'Seconds in a duration such as 90, 30s, 5m or 1h30m (units s, m, h, d, w); null where the text is none, or one of more than 300 years';


create or replace function pgtrickle._cron_error(expression text)
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    labels constant text[] := array['second', 'minute', 'hour', 'day of month', 'month', 'day of week'];
    lows constant integer[] := array[0, 0, 0, 1, 1, 0];
    highs constant integer[] := array[59, 59, 23, 31, 12, 7];
    months constant text[] := array['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
    days constant text[] := array['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
    fields text[] := regexp_split_to_array(lower(btrim(expression)), '[[:space:]]+');
    shift integer;
    field integer;
    item text;
    parts text[];
    first integer;
    last integer;
begin
    if left(btrim(expression), 1) = '@' then
        return case
            when fields[1] = any (array['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'])
             and cardinality(fields) = 1
            then null
            else format('"%s" is not one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly', expression)
        end;
    end if;
    if cardinality(fields) not in (5, 6) then
        return format('it has %s fields; five (minute, hour, day of month, month, day of week) or six (second first) are needed', cardinality(fields));
    end if;
    shift := 6 - cardinality(fields);
    for position in 1 .. cardinality(fields) loop
        field := position + shift;
        foreach item in array string_to_array(fields[position], ',') loop
            for number in 1 .. 12 loop
                if field = 5 then
                    item := regexp_replace(item, E'\\y' || months[number] || E'\\y', number::text, 'g');
                elsif field = 6 and number <= 7 then
                    item := regexp_replace(item, E'\\y' || days[number] || E'\\y', (number - 1)::text, 'g');
                end if;
            end loop;
            parts := regexp_match(item, '^(?:[*]|([0-9]{1,4})(?:-([0-9]{1,4}))?)(?:/([0-9]{1,4}))?$');
            if parts is null then
                return format('"%s" is not understood as %s', fields[position], labels[field]);
            end if;
            first := coalesce(parts[1]::integer, lows[field]);
            last := coalesce(parts[2]::integer, parts[1]::integer, highs[field]);
            if first < lows[field] or last > highs[field] or first > last then
                return format('"%s" is not within %s to %s, the range of %s', item, lows[field], highs[field], labels[field]);
            end if;
            if parts[3]::integer = 0 then
                return format('"%s" steps by 0', item);
            end if;
        end loop;
    end loop;
    return null;
end
$$;
comment on function pgtrickle._cron_error(text) is 'What is wrong with a cron expression of five or six fields or an @alias; null where nothing is';


create or replace function pgtrickle._parse_schedule(schedule text)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    given text := btrim(schedule);
    seconds bigint;
    least_seconds bigint := coalesce(pgtrickle._setting('min_schedule_seconds')::bigint, 1);
    wrong text;
begin
    if given is null then
        raise exception using
            errcode = '22004',
            message = 'schedule must not be null',
            hint = 'Use ''calculated'' to refresh as often as what reads the table needs it';
    end if;
    if lower(given) = 'calculated' then
        return null;
    end if;
    if given ~ '[[:space:]@]' then
        wrong := pgtrickle._cron_error(given);
        if wrong is not null then
            raise exception using
                errcode = '22023',
                message = format('schedule "%s" is not a cron expression: %s', schedule, wrong),
                hint = 'Examples: ''*/5 * * * *'', ''0 6 * * mon-fri'', ''@hourly''';
        end if;
        return given;
    end if;
    seconds := pgtrickle.parse_duration_seconds(given);
    if seconds is null then
        raise exception using
            errcode = '22023',
            message = format(case when given ~* '^([0-9]+|([0-9]+[smhdw])+)$' then 'schedule "%s" is longer than 300 years'
                else 'schedule "%s" is neither a duration nor a cron expression' end, schedule),
            hint = 'Examples: ''30s'', ''5m'', ''1h30m'', ''*/5 * * * *'', ''calculated''';
    end if;
    if seconds < least_seconds then
        raise exception using
            errcode = '22023',
            message = format('schedule "%s" is shorter than the least allowed, %s s', schedule, least_seconds),
            hint = 'The least is the setting min_schedule_seconds in pgtrickle.settings';
    end if;
    return given;
end
$$;
comment on function pgtrickle._parse_schedule(text) is
    'The schedule as it is stored: a duration, a cron expression, or null for calculated; error 22023 where it is none of these';


create or replace function pgtrickle._parse_choice(option text, value text, choices text[])
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if value is not null and lower(value) <> all (choices) then
        raise exception using
            errcode = '22023',
            message = format('%s "%s" is not known', option, value),
            hint = format('It is one of %s', array_to_string(choices, ', '));
    end if;
    return lower(value);
end
$$;
comment on function pgtrickle._parse_choice(text, text, text[]) is 'The value in lower case; error 22023 where it is none of the choices; null stays null';


create or replace function pgtrickle._parse_refresh_mode(mode text)
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return case pgtrickle._parse_choice('refresh_mode', mode, array['auto', 'full', 'differential', 'incremental', 'immediate'])
        when 'incremental' then 'DIFFERENTIAL'
        else upper(mode)
    end;
end
$$;
comment on function pgtrickle._parse_refresh_mode(text) is 'AUTO, FULL, DIFFERENTIAL or IMMEDIATE; INCREMENTAL is another word for DIFFERENTIAL';


create or replace function pgtrickle._refuse_option(option text, value text)
    returns void
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using
        errcode = '0A000',
        message = format('%s = %L is not supported by this engine yet', option, value),
        hint = format('Leave %s out, or at its default', option);
end
$$;
comment on function pgtrickle._refuse_option(text, text) is 'Error 0A000: an option of the contract that this engine does not have yet is never silently accepted';


insert into pgtrickle.settings (name, value, unit, description)
values
    ('min_schedule_seconds', '1', 's', 'Shortest schedule a stream table may have'),
    ('default_schedule_seconds', '1', 's', 'Schedule of a stream table that has none and that nothing reads'),
    ('max_consecutive_errors', '3', null, 'Failed refreshes in a row after which a stream table is suspended')
on conflict (name) do update
    set unit = excluded.unit,
        description = excluded.description;
