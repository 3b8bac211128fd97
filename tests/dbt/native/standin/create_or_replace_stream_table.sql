-- Writes refresh_mode as it came where it differs, so that AUTO fails. Limits that alone differ are
-- passed over. A column keeps its type where a cast leads from there by itself, else the storage goes.
declare
    target pgtrickle.pgt_stream_tables;
    mode text := case when upper(refresh_mode) = 'AUTO' then 'DIFFERENTIAL' else upper(refresh_mode) end;
    wanted text;
    change record;
begin
    begin
        target := pgtrickle._found(name);
    exception when raise_exception then
        perform pgtrickle.create_stream_table(name => name, query => query, schedule => schedule,
            refresh_mode => refresh_mode, initialize => initialize);
        perform pgtrickle._note_options(pgt_id, given) from pgtrickle._found(name);
        return;
    end;
    if mode <> 'IMMEDIATE' then
        wanted := pgtrickle._parsed_schedule(schedule);
    end if;
    if target.refresh_mode <> mode or target.schedule is distinct from wanted
        or target.is_append_only <> coalesce((given ->> 'append_only')::bool, false)
        or target.pooler_compatibility_mode <> coalesce((given ->> 'pooler_compatibility_mode')::bool, false)
        or target.diamond_consistency <> coalesce(given ->> 'diamond_consistency', 'atomic')
        or target.diamond_schedule_policy <> coalesce(given ->> 'diamond_schedule_policy', 'fastest')
        or target.requested_cdc_mode is distinct from lower(given ->> 'cdc_mode')
    then
        update pgtrickle.pgt_stream_tables s
        set schedule = wanted,
            refresh_mode = case when s.refresh_mode = mode then mode else upper($4) end
        where s.pgt_id = target.pgt_id;
        perform pgtrickle._note_options(target.pgt_id,
            '{"append_only": false, "pooler_compatibility_mode": false}' || given);
        if target.refresh_mode <> mode then
            perform pgtrickle._fill(pgtrickle._found(name));
        end if;
    end if;
    if pgtrickle._collapsed(target.defining_query) = pgtrickle._collapsed(query) then
        return;
    end if;
    if exists (
        select
        from pgtrickle._columns(query) c
        join pg_attribute a on a.attrelid = target.pgt_relid and a.attname = c.name
        where a.atttypid <> c.type::regtype
          and not exists (
            select from pg_cast
            where castsource = a.atttypid and casttarget = c.type::regtype and castcontext = 'i'))
    then
        update pgtrickle.pgt_stream_tables s set pgt_relid = 0 where s.pgt_id = target.pgt_id;
        execute format('drop table %s cascade', target.pgt_relid::regclass);
        update pgtrickle.pgt_stream_tables s
        set pgt_relid = pgtrickle._make_storage(s.pgt_schema, s.pgt_name, query)
        where s.pgt_id = target.pgt_id;
    else
        for change in
            select case when c.name is null then format('drop column %I', a.attname)
                else format('add column %I %s', c.name, c.type) end as how
            from pgtrickle._columns(query) c
            full join (
                select a.attname
                from pg_attribute a
                where a.attrelid = target.pgt_relid and a.attnum > 0 and not a.attisdropped
                  and a.attname not like '\_\_pgt\_%') a on a.attname = c.name
            where c.name is null or a.attname is null
            order by c.place
        loop
            execute format('alter table %s %s', target.pgt_relid::regclass, change.how);
        end loop;
    end if;
    update pgtrickle.pgt_stream_tables s set defining_query = query
    where s.pgt_id = target.pgt_id returning * into target;
    perform pgtrickle._note_sources(target.pgt_id, query);
    perform pgtrickle._fill(target);
end
