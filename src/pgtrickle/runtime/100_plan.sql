-- Plans: how a compiler's work reaches the runtime. The form of a plan is in the README.
--
-- A compiler at hand when a stream table is created offers the plan first, in the same
-- transaction; otherwise the table is PENDING, exact by recomputation, until install_plan.

create or replace function pgtrickle._check_plan(plan jsonb)
    returns void
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    wrong text;
begin
    wrong := case
        when plan is null or jsonb_typeof(plan) <> 'object' then 'it is not a JSON object'
        when plan -> 'format' is distinct from '1'::jsonb then format('its format is %s, this runtime knows 1', coalesce(plan ->> 'format', 'missing'))
        when coalesce(plan ->> 'mode', '') not in ('DIFFERENTIAL', 'FULL') then '"mode" is neither DIFFERENTIAL nor FULL'
        when coalesce(plan ->> 'query', '') = '' then '"query" is missing'
        when plan ->> 'mode' = 'FULL' then case when coalesce(plan ->> 'reason', '') = '' then '"reason" is missing' end
        when jsonb_typeof(plan -> 'sources') is distinct from 'array' then '"sources" is not an array'
        when jsonb_typeof(plan -> 'state') is distinct from 'array' then '"state" is not an array'
        when jsonb_typeof(plan -> 'deltas') is distinct from 'object' then '"deltas" is not an object'
        when coalesce(plan #>> '{identity,kind}', '') not in ('key', 'row') then '"identity" is neither of kind key nor row'
        when plan #>> '{identity,kind}' = 'key' and jsonb_typeof(plan #> '{identity,columns}') is distinct from 'array'
            then 'an identity of kind key needs "columns"'
    end;
    if wrong is null and plan ->> 'mode' = 'DIFFERENTIAL' then
        select case
            when exists (
                select from jsonb_array_elements(plan -> 'sources') s
                where jsonb_typeof(s -> 'relid') is distinct from 'number' or jsonb_typeof(s -> 'columns') is distinct from 'array')
            then 'a source lacks "relid" or "columns"'
            when exists (
                select from jsonb_array_elements(plan -> 'state') s
                where coalesce(s ->> 'name', '') !~ '^[a-z_][a-z0-9_]{0,62}$' or coalesce(s ->> 'fill', '') = ''
                   or jsonb_typeof(s -> 'key') is distinct from 'array')
            then 'a state lacks a proper "name", "fill" or "key"'
            when exists (
                select from jsonb_array_elements(plan -> 'sources') with ordinality s (source, number)
                where not plan -> 'deltas' ? (number - 1)::text)
            then 'a source has no text in "deltas"'
            when jsonb_array_length(plan -> 'sources') > 1 and not plan -> 'deltas' ? '*'
            then '"deltas" has no text for several sources ("*")'
        end
        into wrong;
    end if;
    if wrong is not null then
        raise exception using
            errcode = '22023',
            message = format('this is not a plan: %s', wrong),
            hint = 'Compiler and runtime may be of different versions: pgtrickle install brings the runtime up to date';
    end if;
end
$$;
comment on function pgtrickle._check_plan(jsonb) is 'Error 22023 where a document does not have the form of a plan';


create or replace function pgtrickle.offer_plan(query text, plan jsonb)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    offerer oid := (select r.oid from pg_roles r where r.rolname = current_user);
begin
    perform pgtrickle._check_plan(plan);
    if query is null then
        raise exception using
            errcode = '22004',
            message = 'the query a plan is offered for must not be null';
    end if;
    delete from pgtrickle.pgt_offered_plans o
    where o.offered_by = offerer
      and o.offered_xid <> pg_current_xact_id();
    insert into pgtrickle.pgt_offered_plans (offered_by, query_md5, plan)
    values (offerer, md5(query), plan)
    on conflict (offered_by, query_md5, offered_xid) do update
        set plan = excluded.plan;
end
$$;
comment on function pgtrickle.offer_plan(text, jsonb) is
    'Hands over a plan compiled for a query text that this same transaction is about to give to create_stream_table or alter_stream_table';


create or replace function pgtrickle._take_offer(p_query text, canonical text, faithful boolean)
    returns jsonb
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    taken jsonb;
begin
    delete from pgtrickle.pgt_offered_plans o
    where o.offered_by = (select r.oid from pg_roles r where r.rolname = current_user)
      and o.query_md5 = md5(p_query)
      and o.offered_xid = pg_current_xact_id()
    returning o.plan into taken;
    -- A differential plan made from another understanding of the query is none for this one. The
    -- compiler proves by itself that the canonical text means what the user wrote, and sees more
    -- than `faithful` does: BETWEEN in AND, IN over varchar.
    if taken ->> 'mode' = 'DIFFERENTIAL' and taken ->> 'query' <> canonical then
        return null;
    end if;
    return taken;
end
$$;
comment on function pgtrickle._take_offer(text, text, boolean) is
    'The plan offered in this transaction for this query text, where it was made from the same canonical text; null where there is none';


create or replace function pgtrickle._is_offered(p_query text, other_than text default null)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select
        from pgtrickle.pgt_offered_plans o
        where o.offered_by = (select r.oid from pg_roles r where r.rolname = current_user)
          and o.query_md5 = md5(p_query)
          and o.offered_xid = pg_current_xact_id_if_assigned()
          and o.plan ->> 'compiler' is distinct from other_than);
end
$$;
comment on function pgtrickle._is_offered(text, text) is
    'Whether a plan was offered in this transaction for this query text, by another compiler than that one';


create or replace function pgtrickle._take_offer(p_query text, search_path text)
    returns jsonb
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    analysis record;
begin
    if not pgtrickle._is_offered(p_query) then
        return null;
    end if;
    analysis := pgtrickle._analyze_query(p_query, search_path);
    return pgtrickle._take_offer(p_query, analysis.canonical, analysis.faithful);
end
$$;
comment on function pgtrickle._take_offer(text, text) is
    'The plan offered in this transaction for this query text as read under this search_path; null where there is none';


create or replace function pgtrickle._is_hashable(type oid)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
declare
    t pg_type;
begin
    select * into t from pg_type where oid = type;
    return case
        when t.typtype = 'd' then pgtrickle._is_hashable(t.typbasetype)
        when t.typtype = 'e' then true
        when t.typtype = 'c' then coalesce((
            select bool_and(pgtrickle._is_hashable(a.atttypid))
            from pg_attribute a
            where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped), false)
        when t.typtype = 'r' then pgtrickle._is_hashable((select r.rngsubtype from pg_range r where r.rngtypid = type))
        when t.typtype = 'm' then pgtrickle._is_hashable((select r.rngsubtype from pg_range r where r.rngmultitypid = type))
        when t.typtype = 'p' then false
        when t.typsubscript = 'array_subscript_handler'::regproc then pgtrickle._is_hashable(t.typelem)
        else exists (
            select
            from pg_opclass o
            join pg_am m on m.oid = o.opcmethod and m.amname = 'hash'
            join pg_amproc p on p.amprocfamily = o.opcfamily and p.amprocnum = 2
                and p.amproclefttype = o.opcintype and p.amprocrighttype = o.opcintype
            where o.opcdefault
              and (o.opcintype = type
                   or exists (
                        select from pg_cast c
                        where c.castsource = type and c.casttarget = o.opcintype
                          and c.castmethod = 'b' and c.castcontext = 'i')))
    end;
end
$$;
comment on function pgtrickle._is_hashable(oid) is 'Whether hash_record_extended can hash a column of this type';


create or replace function pgtrickle._image(value anyelement)
    returns text
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
    set extra_float_digits = 1
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'postgres'
    set timezone = 'UTC'
    set bytea_output = 'hex'
    set lc_monetary = 'C'
as $$
begin
    return value::text;
end
$$;
comment on function pgtrickle._image(anyelement) is
    'Text of a value of a type that cannot be hashed and whose own cast to text depends on the session; for row identity only';


create or replace function pgtrickle._hashed_form(type oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
    select case
        when pgtrickle._is_hashable(type) then '%s'
        -- The cast to text of arrays, rows, ranges and money is not immutable.
        when t.typtype = 'b' and t.typsubscript <> 'array_subscript_handler'::regproc
            and (select p.provolatile = 'i' from pg_proc p where p.oid = t.typoutput)
        then '(%s)::text'
        else 'pgtrickle._image(%s)'
    end
    from pg_type t
    where t.oid = type
$$;
comment on function pgtrickle._hashed_form(oid) is 'How a column of this type stands in the expression of row identity, with %s for the column';


create or replace function pgtrickle._row_identity(relation oid, columns text[] default null, alias text default null)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('hash_record_extended(row(%s), 0)', string_agg(
        format(pgtrickle._hashed_form(c.type), coalesce(quote_ident(alias) || '.', '') || quote_ident(c.name)),
        ', ' order by c.position))
    from pgtrickle._probe_columns(relation) c
    where columns is null or c.name = any (columns)
$$;
comment on function pgtrickle._row_identity(oid, text[], text) is
    'The expression by which rows of a relation without a key are found, as the identity index has it';


create or replace function pgtrickle._identity_name(p_pgt_id bigint)
    returns text
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    select 'pgtrickle_identity_' || p_pgt_id
$$;
comment on function pgtrickle._identity_name(bigint) is 'Name of a stream table''s identity index, in the table''s own schema';


create or replace function pgtrickle._drop_identity(p_pgt_id bigint)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    command text;
begin
    for command in
        select format('drop index %I.%I', n.nspname, c.relname)
        from pgtrickle.pgt_stream_tables s
        join pg_index i on i.indrelid = s.pgt_relid
        join pg_class c on c.oid = i.indexrelid
        join pg_namespace n on n.oid = c.relnamespace
        where s.pgt_id = p_pgt_id
          and c.relname = pgtrickle._identity_name(p_pgt_id)
    loop
        execute command;
    end loop;
end
$$;
comment on function pgtrickle._drop_identity(bigint) is 'Drops a stream table''s identity index; this locks the table against readers until commit';


create or replace function pgtrickle._forget_identity(p_pgt_id bigint)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    update pgtrickle.pgt_plans p
    set plan = p.plan - 'identity'
    where p.pgt_id = p_pgt_id
      and p.plan_status = 'PENDING'
      and p.plan ? 'identity';
    if found then
        perform pgtrickle._drop_identity(p_pgt_id);
    end if;
    return found;
end
$$;
comment on function pgtrickle._forget_identity(bigint) is
    'Drops the identity index that a retired plan left behind, or that FULL has; false where there is none';


create or replace function pgtrickle._plan_key(plan jsonb)
    returns text[]
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return case when plan -> 'identity' ->> 'kind' = 'key' and plan -> 'identity' -> 'columns' <> '[]'
        then array(select jsonb_array_elements_text(plan -> 'identity' -> 'columns')) end;
end
$$;
comment on function pgtrickle._plan_key(jsonb) is 'Columns that are a key of what a plan''s query gives; null where it has none, or one row';


create or replace function pgtrickle._is_index_key(relation oid, identity jsonb)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce(identity ->> 'kind' = 'key'
        and not coalesce((identity ->> 'hashed')::boolean, false)
        and jsonb_array_length(identity -> 'columns') between 1 and 32
        and not exists (
            select
            from pgtrickle._probe_columns(relation) c
            where identity -> 'columns' ? c.name
              and not pgtrickle._is_sortable(c.type)), false);
end
$$;
comment on function pgtrickle._is_index_key(oid, jsonb) is
    'Whether the identity of a plan is a key of which a btree index of the relation''s columns can be made';


create or replace function pgtrickle._create_identity(p_pgt_id bigint, identity jsonb)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    target pgtrickle.pgt_stream_tables;
    columns text[];
    sortable boolean;
begin
    select * into strict target from pgtrickle.pgt_stream_tables where pgt_id = p_pgt_id;
    if identity ->> 'kind' = 'key' then
        columns := array(select jsonb_array_elements_text(identity -> 'columns'));
        if cardinality(columns) = 0 then
            return;  -- one row: nothing to find it by
        end if;
        if exists (
            select from unnest(columns) name
            where name not in (select c.name from pgtrickle._probe_columns(target.pgt_relid) c))
        then
            raise exception using
                errcode = '22023',
                message = format('the plan''s key %s has a column that stream table %I.%I does not have', columns, target.pgt_schema, target.pgt_name);
        end if;
    end if;
    sortable := pgtrickle._is_index_key(target.pgt_relid, identity);
    if sortable then
        -- What is unique in a partitioned table includes what it is partitioned by. Without it the
        -- index finds rows all the same, and a delta counts what it found.
        execute format(
            case when target.st_partition_key is null or target.st_partition_key = any (columns)
                then 'create unique index %I on %I.%I (%s) nulls not distinct'
                else 'create index %I on %I.%I (%s)' end,
            pgtrickle._identity_name(p_pgt_id), target.pgt_schema, target.pgt_name,
            (select string_agg(quote_ident(name), ', ' order by number) from unnest(columns) with ordinality k (name, number)));
    else
        execute format('create index %I on %I.%I (%s)',
            pgtrickle._identity_name(p_pgt_id), target.pgt_schema, target.pgt_name,
            pgtrickle._row_identity(target.pgt_relid, columns));
    end if;
end
$$;
comment on function pgtrickle._create_identity(bigint, jsonb) is
    'Creates the index by which refreshes find rows: unique on the key, else on a hash of the whole row';


create or replace function pgtrickle._ensure_identity(p_pgt_id bigint, identity jsonb)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (
        select
        from pgtrickle.pgt_stream_tables s
        join pg_index i on i.indrelid = s.pgt_relid
        join pg_class c on c.oid = i.indexrelid
        where s.pgt_id = p_pgt_id
          and c.relname = pgtrickle._identity_name(p_pgt_id))
    then
        perform pgtrickle._create_identity(p_pgt_id, identity);
    end if;
end
$$;
comment on function pgtrickle._ensure_identity(bigint, jsonb) is '_create_identity, where there is no identity index';


create or replace function pgtrickle._is_sortable(type oid)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
declare
    t pg_type;
begin
    select * into t from pg_type where oid = type;
    return case
        when t.typtype = 'd' then pgtrickle._is_sortable(t.typbasetype)
        when t.typtype in ('e', 'r', 'm') then true
        when t.typtype = 'c' then coalesce((
            select bool_and(pgtrickle._is_sortable(a.atttypid))
            from pg_attribute a
            where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped), false)
        when t.typtype = 'p' then false
        when t.typsubscript = 'array_subscript_handler'::regproc then pgtrickle._is_sortable(t.typelem)
        else exists (
            select
            from pg_opclass o
            join pg_am m on m.oid = o.opcmethod and m.amname = 'btree'
            where o.opcdefault
              and (o.opcintype = type
                   or exists (
                        select from pg_cast c
                        where c.castsource = type and c.casttarget = o.opcintype
                          and c.castmethod = 'b' and c.castcontext = 'i')))
    end;
end
$$;
comment on function pgtrickle._is_sortable(oid) is 'Whether a column of this type can stand in a btree index';


create or replace function pgtrickle._settle_mode(p_pgt_id bigint)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    update pgtrickle.pgt_stream_tables s
    set refresh_mode = case
            when s.requested_refresh_mode = 'IMMEDIATE' then 'IMMEDIATE'
            when s.requested_refresh_mode = 'DIFFERENTIAL' then 'DIFFERENTIAL'
            when s.requested_refresh_mode = 'AUTO' and p.plan_status = 'COMPILED' and p.plan ->> 'mode' = 'DIFFERENTIAL' then 'DIFFERENTIAL'
            else 'FULL'
        end,
        effective_refresh_mode = case
            when s.requested_refresh_mode = 'IMMEDIATE' then 'IMMEDIATE'
            when s.requested_refresh_mode <> 'FULL' and p.plan_status = 'COMPILED' and p.plan ->> 'mode' = 'DIFFERENTIAL' then 'DIFFERENTIAL'
            else 'FULL'
        end,
        refresh_reason = case
            when s.requested_refresh_mode = 'FULL' then null
            when p.plan_status = 'PENDING' then 'not compiled yet: a worker, the Python API or the dbt adapter does that'
            else p.plan ->> 'reason'
        end,
        schedule = case when s.requested_refresh_mode <> 'IMMEDIATE' then s.schedule end,
        updated_at = now()
    from pgtrickle.pgt_plans p
    where s.pgt_id = p_pgt_id
      and p.pgt_id = s.pgt_id
$$;
comment on function pgtrickle._settle_mode(bigint) is 'Brings the modes shown in the catalog in line with the mode asked for and the plan at hand';


create or replace function pgtrickle._prepare_plan(p_pgt_id bigint, plan jsonb)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    source record;
begin
    -- Capture first: it takes the locks, and a privilege that is missing shows before anything else.
    for source in
        select (s ->> 'relid')::oid as relid, array(select jsonb_array_elements_text(s -> 'columns')) as columns, number - 1 as number
        from jsonb_array_elements(plan -> 'sources') with ordinality e (s, number)
        order by 1
    loop
        perform pgtrickle._ensure_capture(source.relid, source.columns);
        update pgtrickle.pgt_dependencies d
        set source_number = source.number,
            column_snapshot = pgtrickle._columns_as_defined(d.source_relid),
            schema_fingerprint = pgtrickle._definition_fingerprint(d.source_relid)
        where d.pgt_id = p_pgt_id
          and d.source_relid = source.relid;
        if not found then
            raise exception using
                errcode = '22023',
                message = format('the plan captures %s, which the query does not read', source.relid::regclass);
        end if;
    end loop;
    for number in 1 .. coalesce(jsonb_array_length(plan -> 'state'), 0)
    loop
        perform pgtrickle._create_state(p_pgt_id, plan -> 'state', number);
    end loop;
end
$$;
comment on function pgtrickle._prepare_plan(bigint, jsonb) is 'Creates what a differential plan needs besides the identity index: capture on its sources, state tables';


create or replace function pgtrickle._plan_under(mode text, plan jsonb)
    returns jsonb
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    select case when mode = 'IMMEDIATE' and plan -> 'deltas' ? 'time'
        then jsonb_build_object(
            'format', 1, 'mode', 'FULL', 'query', plan -> 'query', 'compiler', plan -> 'compiler', 'construct', 'time',
            'reason', 'its result changes with time, when nobody writes')
        else plan end
$$;
comment on function pgtrickle._plan_under(text, jsonb) is
    'A plan as it serves a mode asked for: one that reads the moment cannot be IMMEDIATE, since writes alone would bring the table up to date';


create or replace function pgtrickle._replace_plan(p_pgt_id bigint, p_plan jsonb)
    returns jsonb
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    target pgtrickle.pgt_stream_tables;
    used jsonb := p_plan;
    message text;
    hint text;
begin
    select * into strict target from pgtrickle.pgt_stream_tables where pgt_id = p_pgt_id;
    used := pgtrickle._plan_under(target.requested_refresh_mode, p_plan);
    if target.requested_refresh_mode = 'FULL' then
        -- Of the plan only what says which row is which: recomputing matches rows by a unique index.
        used := case
            when pgtrickle._is_index_key(target.pgt_relid, p_plan -> 'identity')
                and (target.st_partition_key is null or p_plan -> 'identity' -> 'columns' ? target.st_partition_key)
            then jsonb_build_object('identity', p_plan -> 'identity') end;
    elsif target.requested_refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE') and used ->> 'mode' = 'FULL' then
        raise exception using
            errcode = '0A000',
            message = format('stream table %I.%I cannot be maintained differentially%s: %s', target.pgt_schema, target.pgt_name,
                case when target.requested_refresh_mode = 'IMMEDIATE' then ', so it cannot be IMMEDIATE' else '' end,
                -- The compiler's reasons begin with the construct.
                case when starts_with(used ->> 'reason', used ->> 'construct') then used ->> 'reason'
                    else concat_ws(': ', used ->> 'construct', used ->> 'reason') end),
            hint = 'Use refresh_mode FULL or AUTO, which recompute it, or change the query';
    end if;
    update pgtrickle.pgt_dependencies set source_number = null where pgt_id = p_pgt_id;
    perform pgtrickle._drop_state(p_pgt_id);
    perform pgtrickle._drop_programs(p_pgt_id);
    if used ->> 'mode' = 'DIFFERENTIAL' then
        begin
            perform pgtrickle._prepare_plan(p_pgt_id, used);
        exception when insufficient_privilege or feature_not_supported then
            if target.requested_refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE') then
                raise;
            end if;
            get stacked diagnostics message = message_text, hint = pg_exception_hint;
            used := jsonb_build_object(
                'format', 1, 'mode', 'FULL', 'query', used -> 'query', 'compiler', used -> 'compiler',
                'construct', null, 'reason', concat_ws('. ', message, nullif(hint, '')));
        end;
    end if;
    update pgtrickle.pgt_plans
    set plan = used,
        plan_status = case when used ->> 'mode' is null then 'PENDING' else 'COMPILED' end,
        compiled_at = case when used ->> 'mode' is not null then now() end
    where pgt_id = p_pgt_id;
    perform pgtrickle._settle_mode(p_pgt_id);
    return used;
end
$$;
comment on function pgtrickle._replace_plan(bigint, jsonb) is
    'Replaces a stream table''s plan (null: PENDING), state tables and capture, and returns the plan now in use, of one for FULL the identity; error 0A000 where DIFFERENTIAL or IMMEDIATE was asked for and the plan is to recompute. The identity index stays as it was, and nothing is filled';


create or replace function pgtrickle._captured_sources(p_pgt_id bigint)
    returns oid[]
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return array(
        select d.source_relid
        from pgtrickle.pgt_dependencies d
        where d.pgt_id = p_pgt_id
          and d.source_number is not null
        order by d.source_relid);
end
$$;
comment on function pgtrickle._captured_sources(bigint) is 'Sources whose captured changes a stream table consumes';


create or replace function pgtrickle._sources(p_pgt_id bigint)
    returns oid[]
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(d.source_relid order by d.source_relid), '{}')
    from pgtrickle.pgt_dependencies d
    where d.pgt_id = p_pgt_id
      and d.source_type <> 'VIEW'
$$;
comment on function pgtrickle._sources(bigint) is 'Tables a stream table reads, captured or not';


create or replace function pgtrickle._release_captures(sources oid[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    source oid;
begin
    foreach source in array sources loop
        perform pgtrickle._drop_capture_if_unused(source);
        perform pgtrickle._drop_maintenance_if_unused(source);
    end loop;
end
$$;
comment on function pgtrickle._release_captures(oid[]) is
    'Drops the capture of those sources that nobody consumes any more, and the maintenance triggers of those that no IMMEDIATE table reads';


create or replace function pgtrickle._set_plan(p_pgt_id bigint, p_plan jsonb)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    former_sources constant oid[] := pgtrickle._captured_sources(p_pgt_id);
    former_identity constant jsonb := (select p.plan -> 'identity' from pgtrickle.pgt_plans p where p.pgt_id = p_pgt_id);
    used jsonb := pgtrickle._replace_plan(p_pgt_id, p_plan);
begin
    if used -> 'identity' is distinct from former_identity then
        perform pgtrickle._drop_identity(p_pgt_id);
        if used -> 'identity' is not null then
            begin
                perform pgtrickle._create_identity(p_pgt_id, used -> 'identity');
            exception when unique_violation then
                -- The table is of before the sources had the key. The refresh that fills the states makes the index.
                perform pgtrickle._forget_identity(p_pgt_id);
            end;
        end if;
    end if;
    perform pgtrickle._release_captures(former_sources);
end
$$;
comment on function pgtrickle._set_plan(bigint, jsonb) is
    'Replaces the plan of a stream table whose query and columns stay (null: PENDING), with all that belongs to it. Fills nothing';


create or replace function pgtrickle.install_plan(name text, plan jsonb)
    returns text
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    former_role text;
    mode text;
begin
    perform pgtrickle._check_plan(plan);
    if target.requested_refresh_mode operator(pg_catalog.=) 'AUTO' and pgtrickle._reads_much(target.pgt_id) then
        plan := pgtrickle._as_owner(target, pg_catalog.format('select pgtrickle._worth_keeping(%s, %L)::pg_catalog.text', target.pgt_id, plan));
    end if;
    former_role := pgtrickle._act_as_owner(target);
    plan := pgtrickle._plan_under(target.requested_refresh_mode, plan);
    perform pgtrickle._lock_writers(target);
    perform pgtrickle._lock_frontier(target.pgt_id, true);  -- as refresh and drop do, before all else of the table
    perform from pgtrickle.pgt_plans p where p.pgt_id = target.pgt_id for update;
    perform pgtrickle._rebind(target);
    perform pgtrickle._follow_definitions(target);
    -- The stored text may be of an older PostgreSQL, or of before a column was added: what counts is
    -- how it reads today.
    if plan ->> 'mode'::text = 'DIFFERENTIAL'
        and plan ->> 'query'::text <> target.defining_query
        and plan ->> 'query'::text <> (pgtrickle._analyze_stored(target)).canonical
    then
        raise exception using
            errcode = '55000',
            message = pg_catalog.format('the plan was made for another query than the one stream table %I.%I has now', target.pgt_schema, target.pgt_name),
            hint = 'Compile the query listed by pgtrickle._pending() again';
    end if;
    if target.requested_refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE') and plan ->> 'mode'::text = 'FULL' then
        -- Too late to refuse the query: stay exact by recomputation, and say so.
        update pgtrickle.pgt_plans p
        set plan = install_plan.plan, plan_status = 'COMPILED', compiled_at = pg_catalog.now()
        where p.pgt_id = target.pgt_id;
        perform pgtrickle._settle_mode(target.pgt_id);
        perform pgtrickle._notify(target, 'differential_impossible',
            pg_catalog.jsonb_build_object('construct', plan -> 'construct'::text, 'reason', plan -> 'reason'::text));
    else
        perform pgtrickle._set_plan(target.pgt_id, plan);
    end if;
    -- State is filled by the next refresh, from one snapshot.
    update pgtrickle.pgt_stream_tables s
    set needs_reinit = s.needs_reinit or (s.is_populated and s.effective_refresh_mode in ('DIFFERENTIAL', 'IMMEDIATE'))
    where s.pgt_id = target.pgt_id;
    select s.effective_refresh_mode
    into mode
    from pgtrickle.pgt_stream_tables s
    where s.pgt_id = target.pgt_id;
    perform pgtrickle._act_again_as(former_role);
    return mode;
end
$$;
comment on function pgtrickle.install_plan(text, jsonb) is
    'Gives an existing stream table its compiled plan; the next refresh fills the state. Returns how the table will be refreshed: DIFFERENTIAL or FULL';


create or replace function pgtrickle._pending()
    returns table (pgt_id bigint, pgt_schema text, pgt_name text, query text, requested_refresh_mode text, search_path text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select s.pgt_id, s.pgt_schema, s.pgt_name, s.defining_query, s.requested_refresh_mode, s.defining_search_path
    from pgtrickle.pgt_stream_tables s
    join pgtrickle.pgt_plans p on p.pgt_id = s.pgt_id
    where p.plan_status = 'PENDING'
      and s.requested_refresh_mode <> 'FULL'
      and pg_has_role(s.pgt_owner, 'USAGE')
    order by s.pgt_id
$$;
comment on function pgtrickle._pending() is 'Stream tables of the caller''s that no compiler has seen yet; compile query under search_path, then install_plan';
