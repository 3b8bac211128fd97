-- What the scheduler reckons with for all owners: no value of one of them may bring it to an error.

update pgtrickle.pgt_stream_tables s
set data_timestamp = case when isfinite(s.data_timestamp) then s.data_timestamp end,
    last_refresh_at = case when isfinite(s.last_refresh_at) then s.last_refresh_at end,
    last_error_at = case when isfinite(s.last_error_at) then s.last_error_at end,
    blown_at = case when isfinite(s.blown_at) then s.blown_at end,
    freshness_deadline_ms = case when s.freshness_deadline_ms > 0 then least(s.freshness_deadline_ms, 9000000000000000) end
where not (isfinite(s.data_timestamp) and isfinite(s.last_refresh_at) and isfinite(s.last_error_at) and isfinite(s.blown_at))
   or s.freshness_deadline_ms not between 1 and 9000000000000000;
alter table pgtrickle.pgt_stream_tables
    add constraint moments_are_finite check (
        isfinite(data_timestamp) and isfinite(last_refresh_at) and isfinite(last_error_at) and isfinite(blown_at)),
    add constraint deadline_is_a_time check (freshness_deadline_ms between 1 and 9000000000000000);

delete from pgtrickle.pgt_refresh_history h
where not (isfinite(h.data_timestamp)
    and h.start_time between '2000-01-01 00:00+00' and '3000-01-01 00:00+00'
    and h.end_time between '2000-01-01 00:00+00' and '3000-01-01 00:00+00');
alter table pgtrickle.pgt_refresh_history
    add constraint moments_are_of_our_time check (
        isfinite(data_timestamp)
        and start_time between '2000-01-01 00:00+00' and '3000-01-01 00:00+00'
        and end_time between '2000-01-01 00:00+00' and '3000-01-01 00:00+00');

delete from pgtrickle.pgt_watermarks w
where not (isfinite(w.watermark) and isfinite(w.updated_at));
alter table pgtrickle.pgt_watermarks
    add constraint moments_are_finite check (isfinite(watermark) and isfinite(updated_at));

update pgtrickle.pgt_watermark_groups g
set tolerance_secs = 0
where g.tolerance_secs not between 0 and 1e300;
alter table pgtrickle.pgt_watermark_groups
    add constraint tolerance_is_a_time check (tolerance_secs between 0 and 1e300);
