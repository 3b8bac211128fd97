-- The fuse: a stream table that would consume more changes than its ceiling is suspended instead,
-- until somebody says what to do with them. Where it is looked at: 085_holds.sql.

create or replace function pgtrickle.fuse_status()
    returns table (
        stream_table text, fuse_mode text, fuse_state text, fuse_ceiling bigint, effective_ceiling bigint,
        fuse_sensitivity integer, blown_at timestamptz, blow_reason text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        pgtrickle._quoted(s.pgt_schema, s.pgt_name),
        s.fuse_mode,
        s.fuse_state,
        s.fuse_ceiling,
        pgtrickle._effective_ceiling(s),
        s.fuse_sensitivity,
        s.blown_at,
        s.blow_reason
    from pgtrickle.pgt_stream_tables s
    order by s.pgt_schema, s.pgt_name
$$;
comment on function pgtrickle.fuse_status() is
    'The fuse of every stream table. effective_ceiling: its own or the setting fuse_default_ceiling, null when it is off or has none';


create or replace function pgtrickle._skip_changes(stream_table pgtrickle.pgt_stream_tables)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    started constant timestamptz := clock_timestamp();
    reached bigint;
    outcome pgtrickle.refresh_outcome;
begin
    perform pgtrickle._lock_sources(stream_table.pgt_id);
    perform pgtrickle._remember_storage(stream_table.pgt_id);
    reached := pgtrickle._own_sequence();
    update pgtrickle.pgt_frontiers f
    set snapshot = pg_current_snapshot(),
        own_xid = pg_current_xact_id(),
        own_seq = reached
    where f.pgt_id = stream_table.pgt_id
      and f.snapshot is not null;
    outcome.pgt_id := stream_table.pgt_id;
    outcome.reason := format('changes skipped by reset_fuse: %s', stream_table.blow_reason);
    perform pgtrickle._record_skip(outcome, started, 'MANUAL');
end
$$;
comment on function pgtrickle._skip_changes(pgtrickle.pgt_stream_tables) is
    'Moves the frontier of one stream table past all that is pending, applying nothing';


create or replace function pgtrickle.reset_fuse(name text, action text default 'apply')
    returns void
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    wanted constant text := pgtrickle._parse_choice('action', action, array['apply', 'reinitialize', 'skip_changes']);
    former_role text;
begin
    former_role := pgtrickle._act_as_owner(target);
    perform pgtrickle._lock_frontier(target.pgt_id, true);
    select s.* into target from pgtrickle.pgt_stream_tables s where s.pgt_id = target.pgt_id;
    if target.fuse_state <> 'blown' then
        raise exception using
            errcode = '55000',
            message = pg_catalog.format('the fuse of stream table %I.%I is not blown: it is %s', target.pgt_schema, target.pgt_name, target.fuse_state);
    end if;
    update pgtrickle.pgt_stream_tables s
    set fuse_state = 'armed',
        status = 'ACTIVE',
        blown_at = null,
        blow_reason = null,
        updated_at = pg_catalog.now()
    where s.pgt_id = target.pgt_id;
    if wanted = 'skip_changes' then
        perform pgtrickle._skip_changes(target);
    else
        -- At once, past the fuse: what made it blow would make it blow again.
        perform pgtrickle._execute_refresh(target, pg_catalog.upper(wanted), 'MANUAL', true, false);
    end if;
    perform pgtrickle._act_again_as(former_role);
end
$$;
comment on function pgtrickle.reset_fuse(text, text) is
    'Arms a blown fuse again. apply: consumes the pending changes now; reinitialize: recomputes now; skip_changes: leaves them out of this table for good, which then differs from its query until it is recomputed for some other reason. Touches no other table''s changes. Error 55000 where the fuse is not blown';
