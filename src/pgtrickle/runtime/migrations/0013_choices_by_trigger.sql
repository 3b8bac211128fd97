-- A refresh updates the row of its stream table, and reads and plans every check of it anew. What it does
-- not write is checked by a trigger of those columns (032_catalog_rows.sql).

alter table pgtrickle.pgt_stream_tables
    drop constraint if exists pgt_stream_tables_refresh_mode_check,
    drop constraint if exists pgt_stream_tables_diamond_consistency_check,
    drop constraint if exists pgt_stream_tables_diamond_schedule_policy_check,
    drop constraint if exists pgt_stream_tables_requested_cdc_mode_check,
    drop constraint if exists pgt_stream_tables_refresh_tier_check,
    drop constraint if exists pgt_stream_tables_fuse_mode_check,
    drop constraint if exists pgt_stream_tables_fuse_state_check,
    drop constraint if exists pgt_stream_tables_post_refresh_action_check,
    drop constraint if exists pgt_stream_tables_requested_refresh_mode_check,
    drop constraint if exists deadline_is_a_time,
    drop constraint if exists pgt_stream_tables_status_check,
    add constraint pgt_stream_tables_status_check check (status = any ('{INITIALIZING,ACTIVE,SUSPENDED,ERROR}'));
