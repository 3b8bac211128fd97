-- Drops the storage with what depends on it.
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._found(name);
begin
    execute format('drop table %I.%I cascade', target.pgt_schema, target.pgt_name);
    delete from pgtrickle.pgt_stream_tables s where s.pgt_id = target.pgt_id;
end
