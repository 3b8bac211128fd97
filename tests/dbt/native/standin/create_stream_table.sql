-- A table with the hidden column of row ids; AUTO is never stored.
declare
    mode text := upper(refresh_mode);
    schema_name text := split_part(name, '.', 1);
    table_name text := substr(name, strpos(name, '.') + 1);
    created pgtrickle.pgt_stream_tables;
begin
    if schedule is null and mode <> 'IMMEDIATE' then
        raise exception 'schedule must not be NULL; use ''calculated''';
    end if;
    if mode not in ('AUTO', 'FULL', 'DIFFERENTIAL', 'IMMEDIATE', 'INCREMENTAL') then
        raise exception 'unknown refresh mode: %', refresh_mode;
    end if;
    if query is null then
        raise exception 'query must not be NULL';
    end if;
    execute 'create temp view standin as ' || query;
    execute format('create table %I.%I as select 0::bigint as __pgt_row_id, q.* from (%s) q limit 0',
        schema_name, table_name, query);
    insert into pgtrickle.pgt_stream_tables
        (pgt_relid, pgt_name, pgt_schema, defining_query, schedule, refresh_mode, requested_cdc_mode,
         st_partition_key)
    values (format('%I.%I', schema_name, table_name)::regclass, table_name, schema_name, query,
        case when mode <> 'IMMEDIATE' then nullif(schedule, 'calculated') end,
        case when mode in ('AUTO', 'INCREMENTAL') then 'DIFFERENTIAL' else mode end, cdc_mode,
        partition_by)
    returning * into created;
    insert into pgtrickle.pgt_dependencies (pgt_id, source_relid, source_type)
    select distinct created.pgt_id, d.refobjid, 'TABLE'
    from pg_rewrite r
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
    where r.ev_class = 'pg_temp.standin'::regclass;
    drop view standin;
    -- So the extension finds it, and so it fails with capitals.
    perform (schema_name || '.' || table_name)::regclass;
    if initialize then
        perform pgtrickle._fill(created);
    end if;
end
