-- Gates and watermarks: what the loaders of sources say about them. The refresh looks at both in
-- 085_holds.sql.

create or replace function pgtrickle._source(name text)
    returns oid
    language plpgsql
    stable
as $$
declare
    wanted record := pgtrickle._parse_name(name);
    relation oid := pgtrickle._relation_oid(wanted.schema_name, wanted.object_name);
begin
    if relation is null then
        raise exception using
            errcode = '42P01',
            message = pg_catalog.format('source %I.%I does not exist', wanted.schema_name, wanted.object_name);
    end if;
    return relation;
end
$$;
comment on function pgtrickle._source(text) is 'OID of the relation of this name; error 42P01 where there is none';


create or replace function pgtrickle._check_writer(source oid)
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not has_table_privilege(source, 'INSERT, UPDATE, DELETE, TRUNCATE') then
        raise exception using
            errcode = '42501',
            message = format('role %I may not write %s, and so not say when it may be read', current_user, source::regclass),
            hint = 'Gates and watermarks are for those who load the source';
    end if;
end
$$;
comment on function pgtrickle._check_writer(oid) is 'Error 42501 where the caller has no right to write the source';


create or replace function pgtrickle._await_refreshes(source oid)
    returns void
    language sql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    -- Who refreshes holds the frontier, looks at gates and watermarks then, and at the sources later.
    select
    from (
        select
        from pgtrickle.pgt_frontiers f
        where f.pgt_id in (
            select d.pgt_id
            from pgtrickle.pgt_dependencies d
            join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
            join pg_class c on c.oid = source
            join pg_namespace n on n.oid = c.relnamespace
            where s.refresh_mode <> 'IMMEDIATE'
              and (d.source_relid = c.oid or (d.source_schema, d.source_name) = (n.nspname, c.relname)))
        order by f.pgt_id
        for update
    ) held
$$;
comment on function pgtrickle._await_refreshes(oid) is
    'Waits for the refreshes under way of what reads a source, and lets none begin until commit: they would not see what the caller has just said of it, and would see what is loaded after that';


create or replace function pgtrickle.gate_source(source text)
    returns void
    language plpgsql
as $$
declare
    relation constant oid := pgtrickle._source(source);
begin
    perform pgtrickle._check_writer(relation);
    insert into pgtrickle.pgt_source_gates as g (source_relid, gated_by, source_schema, source_name)
    select c.oid, current_user, n.nspname, c.relname
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = relation
    on conflict (source_relid) do update
    set gated = true,
        gated_at = pg_catalog.now(),
        ungated_at = null,
        gated_by = excluded.gated_by,
        source_schema = excluded.source_schema,
        source_name = excluded.source_name
    where not g.gated;
    perform pgtrickle._await_refreshes(relation);
    perform pg_catalog.pg_notify('pgtrickle_source_gate', relation::text);
end
$$;
comment on function pgtrickle.gate_source(text) is
    'Holds back the refresh of every stream table that reads this source, until ungate_source, and waits for those under way. For loads of several transactions. The caller must be allowed to write the source; gating a gated one does nothing';


create or replace function pgtrickle.ungate_source(source text)
    returns void
    language plpgsql
as $$
declare
    relation constant oid := pgtrickle._source(source);
begin
    perform pgtrickle._check_writer(relation);
    -- By name too: the load may have rebuilt the source.
    update pgtrickle.pgt_source_gates g
    set gated = false,
        ungated_at = pg_catalog.now()
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = relation
      and g.gated
      and (g.source_relid = c.oid or (g.source_schema, g.source_name) = (n.nspname, c.relname));
    perform pg_catalog.pg_notify('pgtrickle_source_gate', relation::text);
end
$$;
comment on function pgtrickle.ungate_source(text) is
    'Lets stream tables that read this source be refreshed again; does nothing where it is not gated';


create or replace function pgtrickle.source_gates()
    returns table (
        source_table text, schema_name text, gated boolean, gated_at timestamptz, ungated_at timestamptz, gated_by text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select g.source_name, g.source_schema, g.gated, g.gated_at, g.ungated_at, g.gated_by
    from pgtrickle.pgt_source_gates g
    order by g.source_schema, g.source_name, g.gated_at
$$;
comment on function pgtrickle.source_gates() is 'Sources that are gated, or were';


create or replace function pgtrickle.bootstrap_gate_status()
    returns table (
        source_table text, schema_name text, gated boolean, gated_at timestamptz, ungated_at timestamptz, gated_by text,
        gate_duration interval, affected_stream_tables text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select g.source_name, g.source_schema, g.gated, g.gated_at, g.ungated_at, g.gated_by,
        case when g.gated then now() else g.ungated_at end - g.gated_at,
        (select string_agg(pgtrickle._quoted(s.pgt_schema, s.pgt_name), ', ' order by s.pgt_schema, s.pgt_name)
         from pgtrickle.pgt_stream_tables s
         where exists (
             select from pgtrickle.pgt_dependencies d
             where d.pgt_id = s.pgt_id
               and (d.source_relid = g.source_relid or (d.source_schema, d.source_name) = (g.source_schema, g.source_name))))
    from pgtrickle.pgt_source_gates g
    order by g.source_schema, g.source_name, g.gated_at
$$;
comment on function pgtrickle.bootstrap_gate_status() is 'Gates with how long they were closed, or are, and the stream tables they hold back';


create or replace function pgtrickle.advance_watermark(source text, watermark timestamptz)
    returns void
    language plpgsql
as $$
#variable_conflict use_column
declare
    relation constant oid := pgtrickle._source(source);
    wanted constant timestamptz := advance_watermark.watermark;
    reached timestamptz;
begin
    if wanted is null then
        raise exception using
            errcode = '22004',
            message = pg_catalog.format('the watermark of %s must not be null', relation::regclass);
    end if;
    if not pg_catalog.isfinite(wanted) then
        raise exception using
            errcode = '22023',
            message = pg_catalog.format('the watermark of %s must be a moment, not %s', relation::regclass, wanted);
    end if;
    perform pgtrickle._check_writer(relation);
    insert into pgtrickle.pgt_watermarks as w (source_relid, watermark, advanced_by, wal_lsn_at_advance)
    values (relation, wanted, current_user, case when not pg_catalog.pg_is_in_recovery() then pg_catalog.pg_current_wal_insert_lsn() end)
    on conflict (source_relid) do update
    set watermark = excluded.watermark,
        updated_at = pg_catalog.now(),
        advanced_by = excluded.advanced_by,
        wal_lsn_at_advance = excluded.wal_lsn_at_advance
    where w.watermark < excluded.watermark;
    if not found then
        select w.watermark into reached from pgtrickle.pgt_watermarks w where w.source_relid = relation;
        if reached > wanted then
            raise exception using
                errcode = '22023',
                message = pg_catalog.format('the watermark of %s is %s and cannot go back to %s', relation::regclass, reached, wanted);
        end if;
        return;
    end if;
    perform pgtrickle._await_refreshes(relation)
    where exists (select from pgtrickle.pgt_watermark_groups g where relation operator(pg_catalog.=) any (g.source_relids));
    perform pg_catalog.pg_notify('pgtrickle_watermark', 'wm:' || relation::text);
end
$$;
comment on function pgtrickle.advance_watermark(text, timestamptz) is
    'Says that a source is complete up to this time; in a transaction that loads it, what is loaded is seen together with it. Where the source is in a watermark group it waits for refreshes under way. Never goes back (error 22023); the same time again does nothing';


create or replace function pgtrickle.create_watermark_group(group_name text, sources text[], tolerance_secs double precision default 0.0)
    returns integer
    language plpgsql
as $$
declare
    relids oid[] := array(select distinct pgtrickle._source(s) from pg_catalog.unnest(sources) s order by 1);
    id integer;
begin
    if pg_catalog.cardinality(relids) < 2 then
        raise exception using
            errcode = '22023',
            message = 'a watermark group needs at least two sources';
    end if;
    if not coalesce(tolerance_secs, 0) between 0 and 1e300 then
        raise exception using
            errcode = '22023',
            message = pg_catalog.format('tolerance_secs must be a number not below 0, but is %s', tolerance_secs);
    end if;
    if coalesce(group_name, '') = '' then
        raise exception using
            errcode = '22023',
            message = 'a watermark group needs a name';
    end if;
    insert into pgtrickle.pgt_watermark_groups (group_name, source_relids, tolerance_secs)
    values (create_watermark_group.group_name, relids, coalesce(create_watermark_group.tolerance_secs, 0))
    returning group_id into id;
    return id;
exception when unique_violation then
    raise exception using
        errcode = '42710',
        message = pg_catalog.format('watermark group "%s" exists', group_name);
end
$$;
comment on function pgtrickle.create_watermark_group(text, text[], double precision) is
    'Holds back stream tables that read at least two of these sources while their watermarks are further apart than the tolerance, in seconds; returns the group''s id';


create or replace function pgtrickle.drop_watermark_group(group_name text)
    returns void
    language plpgsql
as $$
begin
    delete from pgtrickle.pgt_watermark_groups g where g.group_name = drop_watermark_group.group_name;
    if not found then
        raise exception using
            errcode = '42704',
            message = pg_catalog.format('there is no watermark group "%s" of yours', group_name);
    end if;
end
$$;
comment on function pgtrickle.drop_watermark_group(text) is 'Drops a watermark group; the watermarks stay';


create or replace function pgtrickle.watermarks()
    returns table (source_table text, schema_name text, watermark timestamptz, updated_at timestamptz, advanced_by text, wal_lsn text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select c.relname::text, n.nspname::text, w.watermark, w.updated_at, w.advanced_by, w.wal_lsn_at_advance
    from pgtrickle.pgt_watermarks w
    join pg_class c on c.oid = w.source_relid
    join pg_namespace n on n.oid = c.relnamespace
    order by 2, 1
$$;
comment on function pgtrickle.watermarks() is 'Up to which time each source is complete';


create or replace function pgtrickle.watermark_groups()
    returns table (group_name text, source_count integer, tolerance_secs double precision, created_at timestamptz)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select g.group_name, cardinality(g.source_relids), g.tolerance_secs, g.created_at
    from pgtrickle.pgt_watermark_groups g
    order by g.group_name
$$;
comment on function pgtrickle.watermark_groups() is 'Watermark groups';


create or replace function pgtrickle.watermark_status()
    returns table (
        group_name text, min_watermark timestamptz, max_watermark timestamptz, lag_secs double precision,
        aligned boolean, sources_with_watermark integer, sources_total integer)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        g.group_name,
        min(w.watermark),
        max(w.watermark),
        extract(epoch from max(w.watermark) - min(w.watermark))::double precision,
        coalesce(extract(epoch from max(w.watermark) - min(w.watermark)) <= g.tolerance_secs, true),
        count(w.watermark)::integer,
        cardinality(g.source_relids)
    from pgtrickle.pgt_watermark_groups g
    left join pgtrickle.pgt_watermarks w on w.source_relid = any (g.source_relids)
    group by g.group_id
    order by g.group_name
$$;
comment on function pgtrickle.watermark_status() is
    'How far apart the watermarks of each group are; aligned: not further than it tolerates. Sources without a watermark do not count';
