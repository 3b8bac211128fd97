-- NULL keeps, '' for partition_by is none; a status it does not know is refused.
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._found(name);
begin
    if upper(status) not in ('INITIALIZING', 'ACTIVE', 'SUSPENDED', 'ERROR') then
        raise exception 'invalid argument: unknown status: %', status;
    end if;
    if (given ->> 'fuse_ceiling')::bigint < 1 or (given ->> 'fuse_sensitivity')::int < 1 then
        raise exception 'invalid argument: fuse_ceiling and fuse_sensitivity must be positive integers';
    end if;
    update pgtrickle.pgt_stream_tables s
    set schedule = case when given ? 'schedule' then pgtrickle._parsed_schedule(given ->> 'schedule') else s.schedule end,
        refresh_mode = coalesce(upper(given ->> 'refresh_mode'), s.refresh_mode),
        status = coalesce(upper(given ->> 'status'), s.status),
        st_partition_key = case when given ? 'partition_by' then nullif(given ->> 'partition_by', '') else s.st_partition_key end,
        refresh_tier = coalesce(lower(given ->> 'tier'), s.refresh_tier),
        fuse_mode = coalesce(lower(given ->> 'fuse'), s.fuse_mode),
        fuse_ceiling = coalesce((given ->> 'fuse_ceiling')::bigint, s.fuse_ceiling),
        fuse_sensitivity = coalesce((given ->> 'fuse_sensitivity')::int, s.fuse_sensitivity)
    where s.pgt_id = target.pgt_id;
    perform pgtrickle._note_options(target.pgt_id, given);
end
