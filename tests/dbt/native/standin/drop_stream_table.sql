-- Drops the storage with what depends on it.
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._found(name);
    readers text := (
        select string_agg(s.pgt_name, ', ')
        from pgtrickle.pgt_dependencies d
        join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
        where d.source_relid = target.pgt_relid);
begin
    if readers is not null and not cascade then
        raise exception 'invalid argument: stream table % has dependent stream tables: %', name, readers;
    elsif target.refresh_mode = 'IMMEDIATE' and exists (
        select from pgtrickle.pgt_dependencies d
        where d.pgt_id = target.pgt_id
          and not exists (select from pg_class c where c.oid = d.source_relid))
    then
        -- It drops its triggers from where there is nothing.
        raise exception using errcode = '42601', message = 'syntax error at or near the OID of a source that is gone';
    end if;
    -- Which waits for everybody who reads the source.
    perform pgtrickle._drop_trigger(target.pgt_id, d.source_relid) from pgtrickle.pgt_dependencies d where d.pgt_id = target.pgt_id;
    perform pgtrickle.drop_stream_table(name => s.pgt_schema || '.' || s.pgt_name, cascade => true)
    from pgtrickle.pgt_dependencies d
    join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
    where d.source_relid = target.pgt_relid;
    execute format('drop table %I.%I cascade', target.pgt_schema, target.pgt_name);
end
