-- The stamp of what a refresh relies on in PostgreSQL's catalogs.
--
-- Whether sources were rebuilt, views and functions replaced, columns altered or triggers dropped is
-- found out with care in 075 and 080; that costs milliseconds, and nearly always nothing has
-- happened. A catalog row that changes becomes another version of it, with another xmin or at
-- another place. So the versions of all rows that the careful questions read, hashed, are the same
-- only while their answers are. A stamp that differs for a reason that does not matter, such as a
-- new index, costs one careful look.
--
-- The stamp is taken before the careful look whose result it stands for.

create or replace function pgtrickle._partitions_stamp(relation oid)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Columns and keys are asked of the root alone. In one query: there may be a thousand partitions.
    return (
        select string_agg(concat_ws(' ', c.oid, c.xmin, c.ctid, pg_relation_filenode(c.oid), triggers.stamp), ' ' order by c.oid)
        from pgtrickle._members(relation) m (oid)
        join pg_class c on c.oid = m.oid
        left join (
            select g.tgrelid, string_agg(g.xmin::text || g.ctid, ' ' order by g.oid) as stamp
            from pg_trigger g
            where g.tgrelid in (select m from pgtrickle._members(relation) m)
            group by g.tgrelid
        ) triggers on triggers.tgrelid = c.oid
        where c.oid <> relation);
end
$$;
comment on function pgtrickle._partitions_stamp(oid) is
    'Versions of the catalog rows that describe the partitions of a table, at any depth';


create or replace function pgtrickle._relation_stamp(relation oid)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
begin
    -- pg_relation_filenode sees what is committed now, also where the snapshot is older. Such a one sees
    -- two versions of a row that others changed since and this transaction after them.
    return (
        select string_agg(concat_ws(' ', relation, c.xmin, c.ctid, pg_relation_filenode(relation),
            (select string_agg(a.xmin::text || a.ctid, ' ' order by a.attnum) from pg_attribute a where a.attrelid = relation and a.attnum > 0),
            (select string_agg(e.xmin::text || e.ctid, ' ' order by e.oid) from pg_enum e where e.enumtypid in (select a.atttypid from pg_attribute a where a.attrelid = relation)),
            (select string_agg(i.xmin::text || i.ctid, ' ' order by i.indexrelid) from pg_index i where i.indrelid = relation),
            (select string_agg(t.xmin::text || t.ctid, ' ' order by t.oid) from pg_trigger t where t.tgrelid = relation),
            case when c.relkind = 'v' then pgtrickle._view_stamp(relation) end,
            case when c.relkind = 'p' then pgtrickle._partitions_stamp(relation) end,
            case when c.relkind = 'r' and c.relhassubclass then exists (select from pg_inherits i where i.inhparent = relation) end,
            case when c.relrowsecurity then pgtrickle._row_security_applies(relation, current_user) end), ' ' order by c.ctid)
        from pg_class c
        where c.oid = relation);
end
$$;
comment on function pgtrickle._relation_stamp(oid) is
    'Versions of the catalog rows that describe a relation, its partitions included; null where there is none';


create or replace function pgtrickle._view_stamp(view oid)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- What a view calls is part of its text under its present name.
    return (
        select string_agg(concat_ws(' ', r.xmin, r.ctid, (
            select string_agg(coalesce(p.xmin::text || p.ctid, o.xmin::text || o.ctid, y.xmin::text || y.ctid, l.xmin::text || l.ctid), ' '
                order by d.refclassid, d.refobjid)
            from pg_depend d
            left join pg_proc p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
            left join pg_operator o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
            left join pg_type y on d.refclassid = 'pg_type'::regclass and y.oid = d.refobjid
            left join pg_collation l on d.refclassid = 'pg_collation'::regclass and l.oid = d.refobjid
            where d.classid = 'pg_rewrite'::regclass
              and d.objid = r.oid)), ' ' order by r.oid)
        from pg_rewrite r
        where r.ev_class = view);
end
$$;
comment on function pgtrickle._view_stamp(oid) is
    'Versions of the catalog rows that hold a view''s query and describe what it calls';


create or replace function pgtrickle._catalog_stamp(target bigint)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select md5(concat_ws(' ',
            (select p.xmin::text || p.ctid from pgtrickle.pgt_plans p where p.pgt_id = target),
            case when s.functions_used <> '{}' then (
                select string_agg(concat_ws(' ', p.oid, p.xmin, p.ctid), ' ' order by f.signature)
                from unnest(s.functions_used) f (signature)
                left join pg_proc p on p.oid = to_regprocedure(f.signature)) end,
            (select string_agg(
                concat_ws(' ', d.xmin, d.ctid, named.oid, pgtrickle._relation_stamp(d.source_relid),
                    c.epoch, c.triggers, c.cluster_id, case when c.cdc_mode = 'WAL' then pgtrickle._published(c.source_relid) end,
                    case when exists (select from pg_subscription_rel) then pgtrickle._is_replicated(d.source_relid) end),
                ' ' order by d.source_relid)
            from pgtrickle.pgt_dependencies d
            left join pgtrickle.pgt_captures c on c.source_relid = d.source_relid and d.source_number is not null
            left join lateral (
                select k.oid
                from pg_namespace n
                join pg_class k on k.relnamespace = n.oid
                where n.nspname = d.source_schema
                  and k.relname = d.source_name
            ) named on true
            where d.pgt_id = target)))
        from pgtrickle.pgt_stream_tables s
        where s.pgt_id = target);
end
$$;
comment on function pgtrickle._catalog_stamp(bigint) is
    'Hash of the versions of all catalog rows of this database that a refresh relies on: while it is the same, what was found out about sources, views, functions, columns and capture still holds';


create or replace function pgtrickle._source_stamp(source oid, p_schema text, p_name text)
    returns text
    language plpgsql
    volatile  -- at READ COMMITTED, what has been committed by now
    set search_path = pg_catalog, pg_temp
as $$
begin
    return concat_ws(' ', (
        select c.oid
        from pg_namespace n
        join pg_class c on c.relnamespace = n.oid
        where n.nspname = p_schema
          and c.relname = p_name), pgtrickle._relation_stamp(source));
end
$$;
comment on function pgtrickle._source_stamp(oid, text, text) is
    'The part of _catalog_stamp that speaks of a source: which relation bears its name, and the versions of what describes it';


create or replace function pgtrickle._unlocked_stamp(sources oid[])
    returns text
    language plpgsql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    source oid;
    stamp text;
begin
    -- One at a time: for an array PostgreSQL would plan it again each time.
    foreach source in array sources loop
        stamp := concat_ws(' ', stamp,
            (select string_agg(t.xmin::text || t.ctid, ' ' order by t.oid) from pg_trigger t where t.tgrelid = source),
            exists (select from pg_inherits i where i.inhparent = source));
    end loop;
    return stamp;
end
$$;
comment on function pgtrickle._unlocked_stamp(oid[]) is
    'Versions of those catalog rows of sources that others may change while they are only read or written: triggers and children. All else needs a lock that readers keep away';


create or replace function pgtrickle._source_stamp_when_planned(source regclass, p_schema text, p_name text)
    returns text
    language plpgsql
    immutable  -- as long as a plan is
    set search_path = pg_catalog, pg_temp
as $$
begin
    return pgtrickle._source_stamp(source, p_schema, p_name);
end
$$;
comment on function pgtrickle._source_stamp_when_planned(regclass, text, text) is
    'As _source_stamp, asked when the expression is planned. With the source as a constant, its definition changing has it planned anew by who locks the source after that';


create or replace function pgtrickle._unlocked_stamp_when_planned(sources regclass[])
    returns text
    language plpgsql
    immutable  -- as long as a plan is
    set search_path = pg_catalog, pg_temp
as $$
begin
    return pgtrickle._unlocked_stamp(sources::oid[]);
end
$$;
comment on function pgtrickle._unlocked_stamp_when_planned(regclass[]) is 'As _unlocked_stamp, asked when the expression is planned';


create or replace function pgtrickle._source_stamps_sql(target bigint)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Not for what plans do not follow: views, partitions and children, enums, roles and functions. Under an
    -- older snapshot it is not to be planned: what that sees would stay known after it.
    return (
        select format('if pg_catalog.current_setting(%L) operator(pg_catalog.=) %L then'
            ' source_stamps := array[%s, pgtrickle._unlocked_stamp_when_planned(array[%s])]; end if;',
            'transaction_isolation', 'read committed',
            string_agg(
                format('pgtrickle._source_stamp_when_planned(%L::pg_catalog.regclass, %L, %L)', d.source_relid, d.source_schema, d.source_name),
                ', ' order by d.source_relid),
            string_agg(format('%L::pg_catalog.regclass', d.source_relid), ', ' order by d.source_relid))
        from pgtrickle.pgt_dependencies d
        left join pg_class c on c.oid = d.source_relid
        where d.pgt_id = target
        having bool_and(d.source_number is not null and c.relkind = 'r' and not c.relhassubclass and not c.relrowsecurity
                and not exists (select from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = c.oid and t.typtype = 'e'))
           and exists (select from pgtrickle.pgt_stream_tables s where s.pgt_id = target and s.functions_used = '{}'));
end
$$;
comment on function pgtrickle._source_stamps_sql(bigint) is
    'Statement that has a program note source_stamps text[]: what _source_stamp_when_planned says of each source of a stream table, in the order of their OIDs, and what _unlocked_stamp_when_planned says of all, at READ COMMITTED; null where not all that changes in their stamps has plans made anew that name them';


create or replace function pgtrickle._catalog_stamp_with(target bigint, relids oid[], source_stamps text[])
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if pgtrickle._unlocked_stamp(relids) is distinct from source_stamps[cardinality(relids) + 1] then
        return null;
    end if;
    return (
        select md5(concat_ws(' ',
            (select p.xmin::text || p.ctid from pgtrickle.pgt_plans p where p.pgt_id = target),
            string_agg(concat_ws(' ', d.xmin, d.ctid, source_stamps[array_position(relids, d.source_relid)], c.epoch, c.triggers, c.cluster_id),
                ' ' order by d.source_relid)))
        from pgtrickle.pgt_dependencies d
        join pgtrickle.pgt_captures c on c.source_relid = d.source_relid
        where d.pgt_id = target
        having bool_and(c.cdc_mode <> 'WAL')
           and not exists (select from pg_subscription_rel));
end
$$;
comment on function pgtrickle._catalog_stamp_with(bigint, oid[], text[]) is
    'The same as _catalog_stamp, given what the programs of a stream table know of its sources, relids, ascending, since they were planned; null where they know nothing, or there is more to ask. For who has all sources locked, be it for reading';
