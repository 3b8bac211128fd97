-- Capture: statement triggers write the changed rows of a source, signed, into its buffer.
--
-- A source with OID n has, in pgtrickle_changes and owned by the installer:
--   changes_<n>_0, changes_<n>_1   segments of the buffer, written by turns; readers always read both
--   changes_<n>_2                  the archive: what lags behind finds the old changes there (061)
--   segment_<n>                    a sequence whose last value is the segment written now
--   capture_<n>()                  the trigger function
-- and four triggers on it and on every partition, created by whoever needs the capture (052).
--
-- A buffer column has the base type of the source's column, without typmod: a domain's checks
-- would be user code running with the installer's rights, and a column made wider must not make
-- the writers of the source fail.

create or replace function pgtrickle._cluster_id()
    returns text
    language plpgsql
    immutable  -- as long as a session is, so that a plan asks once: it reads a file
    security definer  -- who plans it first must not decide what the others are told
    set search_path = pg_catalog, pg_temp
as $$
begin
    if has_function_privilege('pg_control_system()'::regprocedure, 'EXECUTE') then
        return concat_ws('/', (pg_control_system()).system_identifier, (select d.oid from pg_database d where d.datname = current_database()));
    end if;
    return concat_ws('/', 'unknown', (select d.oid from pg_database d where d.datname = current_database()));
end
$$;
comment on function pgtrickle._cluster_id() is
    'Server and database; snapshots and transaction ids kept in the catalog mean nothing in another one';


create or replace function pgtrickle._members(relation oid)
    returns setof oid
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        -- An older snapshot is to be compared with what is committed now.
        return query
            select relation
            union
            select t.relid::oid from pg_partition_tree(relation::regclass) t;
    elsif exists (select from pg_class c where c.oid = relation and c.relkind = 'p') then
        -- pg_partition_tree locks partitions and not their root: it waits for whoever changes one, and
        -- who locks the root first, as TRUNCATE and ATTACH do, deadlocks with what is locked after it.
        return query
            with recursive member (oid, relkind) as (
                select relation, 'p'::"char"
                union all
                select c.oid, c.relkind
                from member m
                join pg_inherits i on i.inhparent = m.oid
                join pg_class c on c.oid = i.inhrelid
                where m.relkind = 'p'
                  and not i.inhdetachpending
            )
            select m.oid from member m;
    else
        return next relation;
    end if;
end
$$;
comment on function pgtrickle._members(oid) is
    'The relation and all its partitions, at every level. At READ COMMITTED nothing is locked; else those committed by now, locked ACCESS SHARE: lock the relation before';


create or replace function pgtrickle._base_type(type oid)
    returns oid
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    base oid := type;
    below oid;
begin
    loop
        select t.typbasetype into below from pg_type t where t.oid = base;
        if coalesce(below, 0) = 0 then
            return base;
        end if;
        base := below;
    end loop;
end
$$;
comment on function pgtrickle._base_type(oid) is 'The type itself, or what a domain is finally made of';


create or replace function pgtrickle._captured_columns(source oid, columns text[])
    returns table (name text, type oid, declaration text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
    select a.attname::text,
        a.atttypid,
        format('%I %s%s', a.attname, format_type(b.type, -1),
            case when a.attcollation <> 0 and a.attcollation <> t.typcollation
                then (select format(' collate %I.%I', n.nspname, c.collname)
                      from pg_collation c
                      join pg_namespace n on n.oid = c.collnamespace
                      where c.oid = a.attcollation)
                else '' end)
    from pg_attribute a
    cross join lateral (select pgtrickle._base_type(a.atttypid) as type) b
    join pg_type t on t.oid = b.type
    where a.attrelid = source
      and a.attnum > 0
      and not a.attisdropped
      and a.attname = any (columns)
    order by a.attnum
$$;
comment on function pgtrickle._captured_columns(oid, text[]) is
    'Those of the columns that the source has, in its order, and how its buffer declares them';


create or replace function pgtrickle._capture_triggers(source oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
    select case when count(*) = 4 * (select count(*) from pgtrickle._members(source))
        then md5(string_agg(format('%s %s %s %s', t.tgrelid, t.tgname, t.tgenabled, t.xmin), ' ' order by t.tgrelid, t.tgname))
        end
    from pg_trigger t
    -- Sublinks, so that the index is used, and the function looked up once.
    where t.tgrelid = any (array(select pgtrickle._members(source)))
      and t.tgname in ('pgtrickle_capture_insert', 'pgtrickle_capture_update', 'pgtrickle_capture_delete', 'pgtrickle_capture_truncate')
      and t.tgfoid = (select to_regproc(format('pgtrickle_changes.capture_%s', source)))
      and t.tgenabled in ('O', 'A')
$$;
comment on function pgtrickle._capture_triggers(oid) is
    'Fingerprint of a source''s capture triggers, null when one is missing or disabled. It holds the versions of their catalog rows, so that disabling and enabling one again shows';


create or replace function pgtrickle._is_replicated(source oid)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
    select exists (
        select
        from pg_subscription_rel r
        where r.srrelid in (select pgtrickle._members(source)))
$$;
comment on function pgtrickle._is_replicated(oid) is
    'Whether a subscription writes the relation or a partition of it: that fires triggers of rows, and none of statements';


create or replace function pgtrickle._capture_fingerprint(source oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when exists (select from pgtrickle.pgt_captures c where c.source_relid = source and c.cdc_mode = 'WAL')
        then pgtrickle._published(source)
        else pgtrickle._capture_triggers(source) end
$$;
comment on function pgtrickle._capture_fingerprint(oid) is
    'Fingerprint of what captures a source: triggers or its place in the publication; null when that is not whole';


create or replace function pgtrickle._row_security_applies(relation oid, role name)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
    select c.relrowsecurity
        and not (r.rolsuper or r.rolbypassrls)
        and (c.relforcerowsecurity or not pg_has_role(role, c.relowner, 'USAGE'))
    from pg_class c, pg_roles r
    where c.oid = relation
      and r.rolname = role
$$;
comment on function pgtrickle._row_security_applies(oid, name) is 'Whether policies hide rows of the relation from the role';


create or replace function pgtrickle._not_observable(source oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
    select case
            when c.relkind not in ('r', 'p') then format('%s is %s', c.oid::regclass, pgtrickle._kind_of(c.oid))
            when c.relispartition then format('%s is a partition', c.oid::regclass)
            when c.relpersistence = 't' then format('%s is a temporary table', c.oid::regclass)
            when c.relkind = 'r' and exists (select from pg_inherits i where c.oid in (i.inhrelid, i.inhparent))
                then format('%s takes part in table inheritance', c.oid::regclass)
            when member.oid is not null then format('%s is %s', member.oid::regclass,
                case when member.relkind = 'f' then 'a foreign table' else 'an unlogged table' end)
            when c.relnamespace = 'pg_catalog'::regnamespace then format('%s is a system table', c.oid::regclass)
        end
    from pg_class c
    left join lateral (
        select m.oid, m.relkind
        from pg_class m
        where m.oid in (select pgtrickle._members(c.oid))
          and (m.relkind = 'f' or m.relpersistence = 'u')
        limit 1
    ) member on true
    where c.oid = source
$$;
comment on function pgtrickle._not_observable(oid) is
    'Why neither triggers nor the log tell all changes of what a query reads under the relation''s name, null when they do';


create or replace function pgtrickle._not_capturable(source oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(pgtrickle._not_observable(source),
        case when pgtrickle._is_replicated(source) then format('%s is written by logical replication', source::regclass) end)
$$;
comment on function pgtrickle._not_capturable(oid) is 'Why changes of the relation cannot be captured by triggers, null when they can';


create or replace function pgtrickle._lock_capture(source oid)
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select pg_advisory_xact_lock(1885829236, (source::bigint - 2147483648)::integer)
$$;
comment on function pgtrickle._lock_capture(oid) is
    'Serialises, until commit, whoever creates, widens or drops the capture of a source';


create or replace function pgtrickle._try_lock_capture(source oid)
    returns boolean
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select pg_try_advisory_xact_lock(1885829236, (source::bigint - 2147483648)::integer)
$$;
comment on function pgtrickle._try_lock_capture(oid) is '_lock_capture without waiting; whether it has it';


create or replace function pgtrickle._has_columns(relation regclass, names name[], types oid[])
    returns boolean
    language plpgsql
    volatile  -- at READ COMMITTED, what has been committed by now
    set search_path = pg_catalog, pg_temp
as $$
begin
    return cardinality(names) = (
        select count(*)
        from unnest(names, types) c (name, type)
        join pg_attribute a on a.attrelid = relation and a.attname = c.name and a.atttypid = c.type);
end
$$;
comment on function pgtrickle._has_columns(regclass, name[], oid[]) is 'Whether a relation has columns of all these names and types';


create or replace function pgtrickle._planned_with(relation regclass, names name[], types oid[])
    returns boolean
    language plpgsql
    immutable  -- as long as a plan is
as $$
begin
    return pgtrickle._has_columns(relation, names, types);
end
$$;
comment on function pgtrickle._planned_with(regclass, name[], oid[]) is
    'As _has_columns, asked when the expression is planned. With the relation as a constant, its definition changing has it planned anew, so that nothing is asked as long as it stays';


create or replace function pgtrickle._capture_function(source oid, columns text[])
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    names text;
    known text[];
    types oid[];
    number integer;
    unless_untouched text := '';
    target constant text := format('pgtrickle_changes.changes_%s', source);
    inserts text := '';
    segment integer;
    body text;
begin
    select string_agg(format('%I', c.name), ', '), array_agg(c.name), array_agg(c.type), count(*)
    into names, known, types, number
    from pgtrickle._captured_columns(source, columns) c;
    -- Of an update that touched other columns alone no row is captured.
    if number < (
        select count(*)
        from pg_attribute a
        where a.attrelid = source
          and a.attnum > 0
          and not a.attisdropped)
    then
        -- Statements of their own: as a condition of the insert it took longer. Where the first row is
        -- another, which it mostly is, that is all there is to know.
        unless_untouched := format($text$
    if tg_op = 'UPDATE' then
        if (select row(%1$s)::record from old_table limit 1) *= (select row(%1$s)::record from new_table limit 1) then
            if (select count(*) from (select from new_table limit 10001) touched) <= 10000
                and (select row(array_agg(row(%1$s)))::record from old_table) *= (select row(array_agg(row(%1$s)))::record from new_table)
            then
                return null;
            end if;
        end if;
    end if;$text$,
            names);
    end if;
    for segment in 0 .. 1 loop
        inserts := inserts || format($text$
    %1$s pg_sequence_last_value('pgtrickle_changes.segment_%2$s'::regclass) %3$s then
        if tg_op = 'INSERT' then
            insert into %4$s_%5$s (__pgt_xid, __pgt_seq, __pgt_weight%6$s)
            select pg_current_xact_id(), capture.change, 1%6$s from new_table;
        elsif tg_op = 'DELETE' then
            insert into %4$s_%5$s (__pgt_xid, __pgt_seq, __pgt_weight%6$s)
            select pg_current_xact_id(), capture.change, -1%6$s from old_table;
        else
            insert into %4$s_%5$s (__pgt_xid, __pgt_seq, __pgt_weight%6$s)
            select pg_current_xact_id(), capture.change, -1%6$s from old_table
            union all
            select pg_current_xact_id(), capture.change, 1%6$s from new_table;
        end if;$text$,
            case segment when 0 then 'if' else 'elsif' end,
            source,
            case segment when 0 then '= 0' else '<> 0' end,
            target, segment, coalesce(', ' || names, ''));
    end loop;
    -- Columns of the source stand beside the function's variables, and may have any name.
    body := format($text$
#variable_conflict use_column
<<capture>>
declare
    change bigint;
    stands boolean;
begin
    -- A partition that was detached keeps its triggers; so does a table restored elsewhere. (Two
    -- conditions: one that has a query in it is run as a query.)
    if tg_relid <> %1$s then
        if not exists (select from pg_partition_ancestors(tg_relid) a where a.relid = %1$s) then
            return null;
        end if;
    end if;
    change := nextval('pgtrickle_changes.change_seq'::regclass);
    -- Columns that were dropped, renamed or changed must not fail the writer: consumers start anew.
    if current_setting('transaction_isolation') = 'read committed' then
        stands := pgtrickle._planned_with(%1$L::regclass, %2$L::name[], %3$L::oid[]);
    else
        stands := pgtrickle._has_columns(%1$L::regclass, %2$L::name[], %3$L::oid[]);
    end if;
    if tg_op = 'TRUNCATE' or not stands then
        insert into %4$s_0 (__pgt_xid, __pgt_seq, __pgt_weight) values (pg_current_xact_id(), capture.change, 0);
        return null;
    end if;%6$s%5$s
    end if;
    return null;
end
$text$,
        source, coalesce(known, '{}'), coalesce(types, '{}'), target, inserts, unless_untouched);
    return format(
        'create or replace function pgtrickle_changes.capture_%s() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as %L',
        source, body);
end
$$;
comment on function pgtrickle._capture_function(oid, text[]) is
    'Text that creates a source''s trigger function. It joins nothing, runs no user code, and drops an update of up to 10,000 rows that changed no captured column';
