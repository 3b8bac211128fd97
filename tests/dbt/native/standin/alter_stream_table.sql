-- NULL keeps, '' for partition_by is none; a status it does not know is refused.
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._found(name);
begin
    if upper(status) not in ('INITIALIZING', 'ACTIVE', 'SUSPENDED', 'ERROR') then
        raise exception 'unknown status: %', status;
    end if;
    update pgtrickle.pgt_stream_tables s
    set schedule = case when $3 is null then s.schedule else nullif($3, 'calculated') end,
        refresh_mode = coalesce(upper($4), s.refresh_mode),
        status = coalesce(upper($5), s.status),
        st_partition_key = case when partition_by is null then s.st_partition_key else nullif(partition_by, '') end,
        refresh_tier = coalesce(tier, s.refresh_tier),
        fuse_mode = coalesce(fuse, s.fuse_mode),
        fuse_ceiling = coalesce($13, s.fuse_ceiling),
        fuse_sensitivity = coalesce($14, s.fuse_sensitivity)
    where s.pgt_id = target.pgt_id;
end
