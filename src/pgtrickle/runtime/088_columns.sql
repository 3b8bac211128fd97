-- Changing the columns of a stream table in place.
--
-- Columns that stay in order are kept, the others dropped and added behind them, so OID, grants,
-- comments, publications and policies survive. What hangs on a column that goes is taken down and
-- rebuilt afterwards, where it is the owner's to rebuild; where it is not, that is an error before
-- anything has changed.

create or replace function pgtrickle._kept_columns(relation oid, columns jsonb)
    returns table (name text, retyped boolean, declaration text)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    wanted record;
    present record;
    reached integer := 0;
begin
    -- Added columns come last, so what is kept must be the beginning of the new columns and stand
    -- in the same order in the old ones.
    for wanted in
        select c ->> 'name' as name, c ->> 'declaration' as declaration
        from jsonb_array_elements(columns) c
        order by (c ->> 'position')::integer
    loop
        select c.position, c.declaration
        into present
        from pgtrickle._probe_columns(relation) c
        where c.name = wanted.name
          and c.position > reached;
        exit when not found;
        reached := present.position;
        name := wanted.name;
        declaration := wanted.declaration;
        retyped := present.declaration <> wanted.declaration;
        return next;
    end loop;
end
$$;
comment on function pgtrickle._kept_columns(oid, jsonb) is 'Columns of a table that stay where they are when it gets the columns given, and whether their type changes';


create or replace function pgtrickle._same_columns(relation oid, columns jsonb)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select count(*) = jsonb_array_length(columns)
        and count(*) = (select count(*) from pgtrickle._probe_columns(relation))
        and not coalesce(bool_or(k.retyped), false)
    from pgtrickle._kept_columns(relation, columns) k
$$;
comment on function pgtrickle._same_columns(oid, jsonb) is 'Whether a table already has exactly the columns given';


create or replace function pgtrickle._grants_of(relation oid)
    returns setof text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('grant %s%s on %s to %s%s',
        a.privilege_type,
        coalesce(' (' || quote_ident(a.attname) || ')', ''),
        pgtrickle._quoted(n.nspname, c.relname),
        case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
        case when a.is_grantable then ' with grant option' else '' end)
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
        select null::name as attname, e.grantee, e.privilege_type, e.is_grantable
        from aclexplode(c.relacl) e
        union all
        select t.attname, e.grantee, e.privilege_type, e.is_grantable
        from pg_attribute t
        cross join aclexplode(t.attacl) e
        where t.attrelid = c.oid and t.attnum > 0 and not t.attisdropped
    ) a
    where c.oid = relation
      and a.grantee <> c.relowner
$$;
comment on function pgtrickle._grants_of(oid) is 'Commands that give the rights on a relation and its columns again';


create or replace function pgtrickle._comments_of(relation oid)
    returns setof text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when d.objsubid = 0
            then format('comment on %s %s is %L', case c.relkind when 'v' then 'view' else 'table' end,
                pgtrickle._quoted(n.nspname, c.relname), d.description)
            else format('comment on column %s.%I is %L', pgtrickle._quoted(n.nspname, c.relname), a.attname, d.description) end
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_description d on d.classoid = 'pg_class'::regclass and d.objoid = c.oid
    left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid
    where c.oid = relation
$$;
comment on function pgtrickle._comments_of(oid) is 'Commands that set the comments on a relation and its columns again';


create or replace function pgtrickle._view_commands(view oid)
    returns setof text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('create view %s (%s) %s as %s',
            pgtrickle._quoted(n.nspname, c.relname),
            (select string_agg(quote_ident(p.name), ', ' order by p.position) from pgtrickle._probe_columns(c.oid) p),
            coalesce('with (' || array_to_string(c.reloptions, ', ') || ')', ''),
            pgtrickle._viewdef(c.oid))
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.oid = view
    union all
    select format('alter view %s owner to %I', pgtrickle._quoted(n.nspname, c.relname), pg_get_userbyid(c.relowner))
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.oid = view
      and pg_get_userbyid(c.relowner) <> current_user
    union all
    select format('alter view %s alter column %I set default %s', pgtrickle._quoted(n.nspname, c.relname), a.attname, pg_get_expr(d.adbin, d.adrelid))
    from pg_attrdef d
    join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    join pg_class c on c.oid = d.adrelid
    join pg_namespace n on n.oid = c.relnamespace
    where d.adrelid = view
    union all
    select pgtrickle._grants_of(view)
    union all
    select pgtrickle._comments_of(view)
    union all
    select pg_get_triggerdef(t.oid)
    from pg_trigger t
    where t.tgrelid = view
      and not t.tgisinternal
$$;
comment on function pgtrickle._view_commands(oid) is 'Commands that create a view again, with owner, options, defaults, grants, comments and triggers';


create or replace function pgtrickle._dependent_views(relation oid, attributes smallint[])
    returns table (view oid, depth integer)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with recursive dependent (view, depth) as (
        select distinct w.ev_class, 1
        from pg_depend d
        join pg_rewrite w on w.oid = d.objid
        where d.classid = 'pg_rewrite'::regclass
          and d.refclassid = 'pg_class'::regclass
          and d.refobjid = relation
          and (d.refobjsubid = any (attributes)
               -- Whole rows of it: any column matters.
               or d.refobjsubid = 0 and not exists (
                    select from pg_depend o
                    where o.classid = d.classid and o.objid = d.objid and o.refclassid = d.refclassid
                      and o.refobjid = relation and o.refobjsubid > 0))
          and w.ev_class <> relation
        union all
        select w.ev_class, v.depth + 1
        from dependent v
        join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = v.view and d.classid = 'pg_rewrite'::regclass
        join pg_rewrite w on w.oid = d.objid
        where w.ev_class <> v.view
          and v.depth < 100
    )
    select d.view, max(d.depth)
    from dependent d
    group by d.view
$$;
comment on function pgtrickle._dependent_views(oid, smallint[]) is 'Views and materialized views that read these columns of a relation, directly or through each other';


create or replace function pgtrickle._check_rebuildable(target pgtrickle.pgt_stream_tables, attributes smallint[])
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    obstacle text;
    owner constant text := pg_get_userbyid(target.pgt_owner);
begin
    select string_agg(distinct found.description, ', ')
    into obstacle
    from (
        select format('%s %s', case c.relkind when 'm' then 'materialized view' else 'view' end, v.view::regclass)
            || case when c.relkind = 'v' then format(' (owner %I)', pg_get_userbyid(c.relowner)) else '' end as description
        from pgtrickle._dependent_views(target.pgt_relid, attributes) v
        join pg_class c on c.oid = v.view
        where c.relkind <> 'v'
           or not pg_has_role(owner, c.relowner, 'USAGE')
        union all
        select pg_describe_object(d.classid, d.objid, d.objsubid)
        from pg_depend d
        where d.refclassid = 'pg_class'::regclass
          and d.deptype = 'n'
          and (d.refobjid = target.pgt_relid and d.refobjsubid = any (attributes)
               or d.refobjid in (select v.view from pgtrickle._dependent_views(target.pgt_relid, attributes) v))
          and d.classid in ('pg_proc'::regclass, 'pg_policy'::regclass, 'pg_publication_rel'::regclass)
        union all
        select pg_describe_object(d.classid, d.objid, d.objsubid)
        from pg_depend d
        where d.refclassid = 'pg_class'::regclass
          and d.refobjid = target.pgt_relid
          and d.refobjsubid = any (attributes)
          and d.classid = 'pg_policy'::regclass
        union all
        select format('foreign key %I of %s', k.conname, k.conrelid::regclass)
        from pg_constraint k
        where k.contype = 'f'
          and k.confrelid = target.pgt_relid
          and k.confkey && attributes
    ) found;
    if obstacle is not null then
        raise exception using
            errcode = '2BP01',
            message = format('the new query changes columns of stream table %I.%I that others depend on and role %I may not rebuild: %s',
                target.pgt_schema, target.pgt_name, owner, obstacle),
            hint = 'Drop or change these first; nothing was changed';
    end if;
end
$$;
comment on function pgtrickle._check_rebuildable(pgtrickle.pgt_stream_tables, smallint[]) is
    'Error 2BP01 that names what depends on these columns and cannot be rebuilt by the table''s owner';


create or replace function pgtrickle._rebuild_commands(relation oid, dropped smallint[], columns text[])
    returns setof text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- What goes with a dropped column although a column of that name comes back.
    with again as (
        select a.attnum, a.attname
        from pg_attribute a
        where a.attrelid = relation
          and a.attnum = any (dropped)
          and a.attname = any (columns)
    ),
    lost as (
        select a.attnum
        from pg_attribute a
        where a.attrelid = relation
          and a.attnum = any (dropped)
          and a.attname <> all (columns)
    )
    select format('alter table %s add %s', pgtrickle._quoted(n.nspname, c.relname),
        format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid)))
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    join pg_namespace n on n.oid = c.relnamespace
    where k.conrelid = relation
      and k.contype in ('c', 'u', 'p', 'x', 'f')
      and k.conkey && (select array_agg(attnum) from again)
      and not k.conkey && coalesce((select array_agg(attnum) from lost), '{}')
    union all
    -- Of a partitioned table the text says ON ONLY, which would make no index on its partitions.
    select regexp_replace(pg_get_indexdef(i.indexrelid), '^(CREATE (?:UNIQUE )?INDEX (?:"(?:[^"]|"")*"|[^[:space:]]+) ON )ONLY ', E'\\1')
    from pg_index i
    where i.indrelid = relation
      and exists (
        select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
          and d.refclassid = 'pg_class'::regclass and d.refobjid = relation
          and d.refobjsubid in (select attnum from again))
      and not exists (
        select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
          and d.refclassid = 'pg_class'::regclass and d.refobjid = relation
          and d.refobjsubid in (select attnum from lost))
      and not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.conrelid = relation)
    union all
    select pg_get_statisticsobjdef(s.oid)
    from pg_statistic_ext s
    where s.stxrelid = relation
      and s.stxkeys::smallint[] && (select array_agg(attnum) from again)
      and not s.stxkeys::smallint[] && coalesce((select array_agg(attnum) from lost), '{}')
    union all
    select format('grant %s (%I) on %s to %s%s', e.privilege_type, a.attname, pgtrickle._quoted(n.nspname, c.relname),
        case when e.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(e.grantee)) end,
        case when e.is_grantable then ' with grant option' else '' end)
    from again g
    join pg_attribute a on a.attrelid = relation and a.attnum = g.attnum
    join pg_class c on c.oid = relation
    join pg_namespace n on n.oid = c.relnamespace
    cross join aclexplode(a.attacl) e
    union all
    select format('comment on column %s.%I is %L', pgtrickle._quoted(n.nspname, c.relname), g.attname, d.description)
    from again g
    join pg_class c on c.oid = relation
    join pg_namespace n on n.oid = c.relnamespace
    join pg_description d on d.classoid = 'pg_class'::regclass and d.objoid = relation and d.objsubid = g.attnum
$$;
comment on function pgtrickle._rebuild_commands(oid, smallint[], text[]) is
    'Commands that restore constraints, indexes, statistics, grants and comments on columns that are dropped and added again';


create or replace function pgtrickle._retype_column(relation oid, name text, declaration text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    command constant text := format('alter table %s alter column %I type %s using ', relation::regclass, name, declaration);
begin
    begin
        execute command || format('%I::%s', name, regexp_replace(declaration, ' collate .*$', ''));
    exception when others then
        -- Not every value has a form in the new type; the refresh that follows brings them all.
        execute command || 'null';
    end;
end
$$;
comment on function pgtrickle._retype_column(oid, text, text) is 'Changes a column''s type, keeping values where they can be cast';


create or replace function pgtrickle._changed_attributes(relation oid, columns jsonb, out dropped smallint[], out retyped smallint[])
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(a.attnum) filter (where k.name is null), '{}'),
        coalesce(array_agg(a.attnum) filter (where k.retyped), '{}')
    from pg_attribute a
    left join pgtrickle._kept_columns(relation, columns) k on k.name = a.attname
    where a.attrelid = relation
      and a.attnum > 0
      and not a.attisdropped
$$;
comment on function pgtrickle._changed_attributes(oid, jsonb) is 'Columns of a table that go, and that change their type, when it gets the columns given';


create or replace function pgtrickle._take_down_views(relation oid, attributes smallint[])
    returns text[]
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    commands text[] := '{}';
    dependent record;
begin
    for dependent in
        select v.view from pgtrickle._dependent_views(relation, attributes) v order by v.depth
    loop
        commands := commands || array(select pgtrickle._view_commands(dependent.view));
    end loop;
    for dependent in
        select v.view from pgtrickle._dependent_views(relation, attributes) v order by v.depth desc
    loop
        execute format('drop view %s', dependent.view::regclass);
    end loop;
    return commands;
end
$$;
comment on function pgtrickle._take_down_views(oid, smallint[]) is 'Drops the views that read these columns and returns the commands that create them again';


create or replace function pgtrickle._change_columns(relation oid, columns jsonb)
    returns text[]
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    changed record := pgtrickle._changed_attributes(relation, columns);
    wanted constant text[] := array(select c ->> 'name' from jsonb_array_elements(columns) c);
    kept constant text[] := array(select k.name from pgtrickle._kept_columns(relation, columns) k);
    commands text[] := array(select pgtrickle._rebuild_commands(relation, changed.dropped, wanted));
    actions text;
    retyped record;
begin
    commands := commands || pgtrickle._take_down_views(relation, changed.dropped || changed.retyped);
    for retyped in
        select k.name, k.declaration from pgtrickle._kept_columns(relation, columns) k where k.retyped
    loop
        perform pgtrickle._retype_column(relation, retyped.name, retyped.declaration);
    end loop;
    select string_agg(action, ', ' order by number)
    into actions
    from (
        select format('drop column %I', a.attname) as action, 0 as number
        from pg_attribute a
        where a.attrelid = relation
          and a.attnum = any (changed.dropped)
        union all
        select format('add column %I %s', c ->> 'name', c ->> 'declaration'), (c ->> 'position')::integer
        from jsonb_array_elements(columns) c
        where c ->> 'name' <> all (kept)
    ) a;
    if actions is not null then
        execute format('alter table %s %s', relation::regclass, actions);
    end if;
    return commands;
end
$$;
comment on function pgtrickle._change_columns(oid, jsonb) is
    'Gives a table the columns given, in their order, and returns the commands that rebuild what hung on the old ones';


create or replace function pgtrickle._rebuild(target pgtrickle.pgt_stream_tables, commands text[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    command text;
    message text;
    state text;
begin
    foreach command in array commands loop
        begin
            execute command;
        exception when others then
            get stacked diagnostics message = message_text, state = returned_sqlstate;
            raise exception using
                errcode = state,
                message = format('the new query of stream table %I.%I breaks what depends on it: %s', target.pgt_schema, target.pgt_name, message),
                detail = format('Failed: %s', command),
                hint = 'Drop or change the dependent object first; nothing was changed';
        end;
    end loop;
end
$$;
comment on function pgtrickle._rebuild(pgtrickle.pgt_stream_tables, text[]) is 'Runs the commands that rebuild what hung on changed columns';
