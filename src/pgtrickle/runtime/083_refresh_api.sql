-- Executor functions, through which a refresh runs as the stream table's owner, and the functions
-- users call.

create or replace function pgtrickle._grant_state_create(role name)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not pg_has_role(session_user, role, 'MEMBER') then
        raise exception using
            errcode = '42501',
            message = format('role %I may not have rights granted to role %I', session_user, role);
    end if;
    if has_schema_privilege(role, 'pgtrickle_state', 'CREATE') then
        return;
    end if;
    perform pg_advisory_xact_lock(1885829237, 0);
    if not has_schema_privilege(role, 'pgtrickle_state', 'CREATE') then
        execute format('grant create on schema pgtrickle_state to %I', role);
    end if;
end
$$;
comment on function pgtrickle._grant_state_create(name) is
    'Lets a role create its state tables and executor functions in pgtrickle_state';


create or replace function pgtrickle._create_as_defined(stream_table pgtrickle.pgt_stream_tables, statement text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Set, and not written into the statement: it is the owner's, and no SQL.
    perform set_config('search_path', pgtrickle._pinned_search_path(stream_table.defining_search_path), true);
    execute statement;
end
$$;
comment on function pgtrickle._create_as_defined(pgtrickle.pgt_stream_tables, text) is
    'Runs a statement that creates a function with "set search_path from current": that of the stream table''s creation';


create or replace function pgtrickle._pinned_settings(settings jsonb)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select string_agg(format(' set %I = %L', name, value), '')
    from jsonb_each_text(settings) s(name, value)
    where lower(name) not in ('search_path', 'timezone_abbreviations')
$$;
comment on function pgtrickle._pinned_settings(jsonb) is
    'Clauses of CREATE FUNCTION that pin a stream table''s defining settings, but for the search_path and, which _pinned_source does, timezone_abbreviations';


create or replace function pgtrickle._pinned_source(settings jsonb, result text, statements text)
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    -- As a clause of the function it would have the server read a file at each call.
    select format(
        $text$
declare
    abbreviations constant text := pg_catalog.current_setting('timezone_abbreviations');
    result %2$s;
begin
    if abbreviations <> %1$L then
        perform pg_catalog.set_config('timezone_abbreviations', %1$L, true);
    end if;
    %3$s
    if abbreviations <> %1$L then
        perform pg_catalog.set_config('timezone_abbreviations', abbreviations, true);
    end if;
    return%4$s;
end
$text$,
        coalesce(settings ->> 'timezone_abbreviations', 'Default'),
        coalesce(result, 'boolean'),
        statements,
        case when result is not null then ' result' else '' end)
$$;
comment on function pgtrickle._pinned_source(jsonb, text, text) is
    'Source of a function that runs statements under a stream table''s timezone_abbreviations. result: type of the variable "result" that they set and it returns; null for void';


create or replace function pgtrickle._create_executor(target bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    stream_table pgtrickle.pgt_stream_tables;
begin
    select s.* into strict stream_table from pgtrickle.pgt_stream_tables s where s.pgt_id = target;
    if not has_schema_privilege('pgtrickle_state', 'CREATE') then
        perform pgtrickle._grant_state_create(current_user);
    end if;
    perform pgtrickle._drop_planted(target);
    perform pgtrickle._create_as_defined(stream_table, format(
        'create or replace function pgtrickle_state.refresh_%1$s('
        'mode text default null, initiated_by text default ''MANUAL'', wait boolean default true, catch boolean default false)'
        ' returns pgtrickle.refresh_outcome language plpgsql security definer set search_path from current%2$s as %3$L',
        target,
        pgtrickle._pinned_settings(stream_table.defining_settings),
        pgtrickle._pinned_source(stream_table.defining_settings, 'pgtrickle.refresh_outcome', format($text$if catch then
        result := pgtrickle._try_refresh(%1$s, mode, initiated_by, wait);
    else
        result := pgtrickle._refresh(%1$s, mode, initiated_by, wait);
    end if;$text$, target))));
    execute format('revoke all on function pgtrickle_state.refresh_%s(text, text, boolean, boolean) from public', target);
    execute format('comment on function pgtrickle_state.refresh_%s(text, text, boolean, boolean) is %L',
        target, format('Refreshes stream table %I.%I as its owner', stream_table.pgt_schema, stream_table.pgt_name));
    perform pgtrickle._create_as_defined(stream_table, format(
        'create or replace function pgtrickle_state.verify_%1$s(examples integer)'
        ' returns table (row_text text, in_query bigint, in_table bigint)'
        ' language plpgsql security definer set search_path from current%2$s as %3$L',
        target,
        pgtrickle._pinned_settings(stream_table.defining_settings),
        pgtrickle._pinned_source(stream_table.defining_settings, null, format('return query select * from pgtrickle._verify(%s, examples);', target))));
    execute format('revoke all on function pgtrickle_state.verify_%s(integer) from public', target);
    execute format('comment on function pgtrickle_state.verify_%s(integer) is %L',
        target, format('Compares stream table %I.%I with its query as its owner', stream_table.pgt_schema, stream_table.pgt_name));
end
$$;
comment on function pgtrickle._create_executor(bigint) is
    'Creates, or makes anew with the settings now in the catalog, a stream table''s executor functions. Call it as the table''s owner';


create or replace function pgtrickle._check_executor(stream_table pgtrickle.pgt_stream_tables, signature text)
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    executor constant oid := to_regprocedure(format('pgtrickle_state.%s', signature));
begin
    perform pgtrickle._check_not_given_away(stream_table);
    if executor is null and pg_relation_filenode(stream_table.pgt_relid) is null then
        raise exception using
            errcode = '42P01',
            message = format('stream table %I.%I was dropped', stream_table.pgt_schema, stream_table.pgt_name);
    end if;
    if executor is null then
        raise exception using
            errcode = '55000',
            message = format('stream table %I.%I has no executor', stream_table.pgt_schema, stream_table.pgt_name),
            hint = format('Its owner makes it anew: select pgtrickle.repair_stream_table(%L)', format('%I.%I', stream_table.pgt_schema, stream_table.pgt_name));
    end if;
    if not has_function_privilege(executor, 'EXECUTE') then
        raise exception using
            errcode = '42501',
            message = format('role %I may not refresh stream table %I.%I', current_user, stream_table.pgt_schema, stream_table.pgt_name),
            hint = format('Only its owner %I and members of that role may', pg_get_userbyid(stream_table.pgt_owner));
    end if;
    -- Its owner may exchange it for a function that runs with the rights of whoever calls it.
    if not pgtrickle._runs_as_its_owner(split_part(signature, '(', 1), rtrim(split_part(signature, '(', 2), ')'))
        or not (select p.prosecdef and p.proowner = stream_table.pgt_owner from pg_proc p where p.oid = executor)
    then
        raise exception using
            errcode = '42501',
            message = format('the executor of stream table %I.%I was exchanged: it would run with the rights of role %I', stream_table.pgt_schema, stream_table.pgt_name,
                (select case when p.prosecdef then pg_get_userbyid(p.proowner) else current_user end from pg_proc p where p.oid = executor)),
            hint = format('Its owner makes it anew: select pgtrickle.repair_stream_table(%L)', format('%I.%I', stream_table.pgt_schema, stream_table.pgt_name));
    end if;
end
$$;
comment on function pgtrickle._check_executor(pgtrickle.pgt_stream_tables, text) is
    'Errors where a function of a stream table''s owner in pgtrickle_state is missing, may not be called, or would not run as its owner';


create or replace function pgtrickle._call_executor(target bigint, mode text, initiated_by text, wait boolean, catch boolean)
    returns pgtrickle.refresh_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    called record;
begin
    -- Not "select * from": that would be planned, and its row kept, at greater length.
    execute format('select pgtrickle_state.refresh_%s($1, $2, $3, $4) as outcome', target)
    into called
    using mode, upper(initiated_by), coalesce(wait, true), catch;
    return called.outcome;
end
$$;
comment on function pgtrickle._call_executor(bigint, text, text, boolean, boolean) is
    'Calls a stream table''s executor, which was looked at before';


create or replace function pgtrickle._execute_refresh(
        stream_table pgtrickle.pgt_stream_tables, mode text, initiated_by text, wait boolean, catch boolean)
    returns pgtrickle.refresh_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if pg_is_in_recovery() then
        raise exception using
            errcode = '25006',
            message = format('stream table %I.%I cannot be refreshed on a standby', stream_table.pgt_schema, stream_table.pgt_name),
            hint = 'Refresh it on the primary; the standby follows';
    end if;
    perform pgtrickle._check_executor(stream_table, format('refresh_%s(text, text, boolean, boolean)', stream_table.pgt_id));
    return pgtrickle._call_executor(stream_table.pgt_id, mode, initiated_by, wait, catch);
end
$$;
comment on function pgtrickle._execute_refresh(pgtrickle.pgt_stream_tables, text, text, boolean, boolean) is
    'Calls a stream table''s executor; errors 25006 on a standby, 42501 where the caller may not';


create or replace function pgtrickle._is_a_refresh_alone(query text)
    returns boolean
    language plpgsql
    immutable
as $$
begin
    -- Names of columns, and no call, operator or second FROM, which might write something. No backslash,
    -- of which a setting decides what it is.
    return (pg_catalog.strpos(query, pg_catalog.chr(92)) operator(pg_catalog.=) 0
        and query operator(pg_catalog.~*) pg_catalog.concat(
            '^[[:space:]]*select[[:space:]]+',
            '(?:(?:(?:[[:alnum:]_]+[[:space:]]*,[[:space:]]*)*[[:alnum:]_]+|[*])[[:space:]]+from[[:space:]]+)?',
            'pgtrickle[.](?:refresh_stream_table|try_refresh)[(]''(?:[^'']|'''')*''[)][[:space:]]*;?[[:space:]]*$'));
end
$$;
comment on function pgtrickle._is_a_refresh_alone(text) is
    'Whether what a client has sent is the refresh of one stream table and nothing else';


create or replace function pgtrickle._commit_lazily()
    returns void
    language plpgsql
as $$
begin
    -- Equal times: the first statement of its transaction. Alone in what was sent, it is the last one, too.
    if pg_catalog.transaction_timestamp() operator(pg_catalog.=) pg_catalog.statement_timestamp()
        and pgtrickle._is_a_refresh_alone(pg_catalog.current_query())
    then
        perform pg_catalog.set_config('synchronous_commit', 'off', true);
    end if;
end
$$;
comment on function pgtrickle._commit_lazily() is
    'For a refresh that found nothing to do: has the commit not wait for the disk, where the transaction is that refresh alone. A crash within a second may then forget that it took place';


create or replace function pgtrickle._refresh_by_name(name text, mode text, initiated_by text, wait boolean, catch boolean)
    returns pgtrickle.refresh_outcome
    language plpgsql
as $$
declare
    wanted constant record := pgtrickle._parse_name(name);
    target constant bigint := pgtrickle._at_hand(wanted.schema_name, wanted.object_name);
    outcome pgtrickle.refresh_outcome;
begin
    outcome := case when target is null
        then pgtrickle._execute_refresh(pgtrickle._find(name), mode, initiated_by, wait, catch)
        else pgtrickle._call_executor(target, mode, initiated_by, wait, catch) end;
    if outcome.action operator(pg_catalog.=) 'NO_DATA' then
        perform pgtrickle._commit_lazily();
    end if;
    return outcome;
end
$$;
comment on function pgtrickle._refresh_by_name(text, text, text, boolean, boolean) is
    'Finds a stream table as _find does, and calls its executor; errors where the caller may not, or it is not to run';


create or replace function pgtrickle.refresh_stream_table(name text)
    returns void
    language plpgsql
as $$
declare
    outcome pgtrickle.refresh_outcome;
begin
    outcome := pgtrickle._refresh_by_name(name, null, 'MANUAL', true, false);
    if outcome.status = 'SKIPPED' then
        -- Not an error: that would undo what is recorded, such as a fuse that has just blown.
        raise warning using message = pg_catalog.format('stream table %s was not refreshed: %s', name, outcome.reason);
    end if;
end
$$;
comment on function pgtrickle.refresh_stream_table(text) is
    'Brings a stream table up to date, waiting for a refresh in progress. Errors are raised, and leave the table as it was. A refresh held back by a gate, a watermark or the fuse is a warning';


create or replace function pgtrickle.try_refresh(
        name text, wait boolean default true, mode text default null, initiated_by text default 'MANUAL')
    returns pgtrickle.refresh_outcome
    language plpgsql
as $$
begin
    perform pgtrickle._parse_choice('mode', mode, array['full', 'reinitialize']);
    perform pgtrickle._parse_choice('initiated_by', initiated_by, array['scheduler', 'manual', 'initial', 'self_monitor']);
    return pgtrickle._refresh_by_name(name, mode, initiated_by, wait, true);
end
$$;
comment on function pgtrickle.try_refresh(text, boolean, text, text) is
    'Brings a stream table up to date and says what happened. An error is recorded (status ERROR, history FAILED) and returned, and leaves the table as it was; a later success heals it. With wait => false a table being refreshed is SKIPPED. mode FULL recomputes';
