-- A table with the hidden column of row ids; AUTO is never stored.
declare
    mode text := upper(refresh_mode);
    schema_name text := split_part(name, '.', 1);
    table_name text := substr(name, strpos(name, '.') + 1);
    created pgtrickle.pgt_stream_tables;
begin
    if mode not in ('AUTO', 'FULL', 'DIFFERENTIAL', 'IMMEDIATE', 'INCREMENTAL') then
        raise exception 'unknown refresh mode: %', refresh_mode;
    end if;
    if query is null then
        raise exception 'query must not be NULL';
    end if;
    if mode <> 'IMMEDIATE' then
        schedule := pgtrickle._parsed_schedule(schedule);
    end if;
    perform pgtrickle._make_storage(schema_name, table_name, query);
    insert into pgtrickle.pgt_stream_tables
        (pgt_relid, pgt_name, pgt_schema, defining_query, schedule, refresh_mode, requested_cdc_mode,
         diamond_consistency, diamond_schedule_policy, st_partition_key)
    values (format('%I.%I', schema_name, table_name)::regclass, table_name, schema_name, query,
        case when mode <> 'IMMEDIATE' then schedule end,
        case when mode in ('AUTO', 'INCREMENTAL') then 'DIFFERENTIAL' else mode end, cdc_mode,
        coalesce(diamond_consistency, 'atomic'), coalesce(diamond_schedule_policy, 'fastest'), partition_by)
    returning * into created;
    -- What only some versions take is set by what this one was called with.
    perform pgtrickle._note_options(created.pgt_id, given);
    perform pgtrickle._note_sources(created.pgt_id, query);
    -- So the extension finds it, and so it fails with capitals.
    perform (schema_name || '.' || table_name)::regclass;
    if initialize then
        perform pgtrickle._fill(created);
        insert into pgtrickle.pgt_refresh_history (pgt_id, action, status)
        values (created.pgt_id, 'FULL', 'COMPLETED');
    end if;
end
