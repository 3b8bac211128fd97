-- Refreshing because sources have changed, before a schedule says so: for a worker that was started with
-- --on-change. Writers do nothing for it. Each change they capture takes a number from one sequence, so
-- whether there may be anything new is one number to look at; only then are buffers looked into.
--
-- left to their schedules: IMMEDIATE, cron, tier frozen, what is SUSPENDED or held by pause_scheduler, what
-- is recomputed because nothing captures its sources, what a gate or watermark holds back, what failed and
-- is not to be tried again yet; and all while the setting enabled is off or somebody drains
-- at most     once in on_change_floor_seconds times the tier, as hot 1, warm 2, cold 10; and a refresh is
-- not begun before nine times as long has passed as the last one took, so that they take a tenth of the time

create or replace function pgtrickle._change_mark()
    returns table (last_change bigint, snapshot pg_snapshot)
    language sql
    stable
as $$
    -- Every name of PostgreSQL's own, and no path is set: it is asked ten times a second.
    select coalesce(pg_catalog.pg_sequence_last_value('pgtrickle_changes.change_seq'::pg_catalog.regclass), 0), pg_catalog.pg_current_snapshot()
$$;
comment on function pgtrickle._change_mark() is
    'The number of the last change that was captured, committed or not, and a snapshot: without another number nothing new was written, and without another snapshot nothing became visible';


create or replace function pgtrickle._refreshable_on_change(sources oid[], except_ids bigint[])
    returns table (source_relid oid, pgt_id bigint, seconds double precision)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with floor as materialized (
        select pgtrickle._setting('on_change_floor_seconds')::double precision as seconds
    )
    select d.source_relid, s.pgt_id,
        case when not pgtrickle._is_of_another_clock(l.end_time) then
            greatest(
                f.seconds * case s.refresh_tier when 'warm' then 2 when 'cold' then 10 else 1 end,
                9 * extract(epoch from l.end_time - l.start_time)::double precision)
            - extract(epoch from clock_timestamp() - l.end_time)::double precision
        end
    from pgtrickle.pgt_dependencies d
    join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
    cross join floor f
    left join lateral (
        -- Not last_refresh_at: a table passed as idle has cost nothing.
        select h.start_time, h.end_time
        from pgtrickle.pgt_refresh_history h
        where h.pgt_id = s.pgt_id
          and h.action <> 'SKIP'
        order by h.refresh_id desc
        limit 1
    ) l on true
    where d.source_relid = any (sources)
      and d.source_number is not null
      and s.pgt_id <> all (except_ids)
      and s.status <> 'SUSPENDED'
      and s.refresh_mode <> 'IMMEDIATE'
      and s.refresh_tier <> 'frozen'
      and s.is_populated
      and (s.schedule is null or s.schedule !~ '[[:space:]@]')
      and pg_has_role(s.pgt_owner, 'USAGE')
      and not exists (select from pgtrickle.pgt_scheduler_pauses p where p.pgt_id = s.pgt_id)
      and (s.consecutive_errors = 0 or coalesce(pgtrickle._retry_at(s) <= clock_timestamp(), true))
      and case when exists (select from pgtrickle.pgt_source_gates g where g.gated)
              or exists (select from pgtrickle.pgt_watermark_groups)
          then coalesce(pgtrickle._gated(s), pgtrickle._misaligned(s)) is null
          else true end
$$;
comment on function pgtrickle._refreshable_on_change(oid[], bigint[]) is
    'Stream tables that read one of these sources and may be refreshed when it has changed, with the seconds until then: null or not above 0 is now';


create or replace function pgtrickle._with_changes(source oid, ids bigint[])
    returns bigint[]
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '50ms'
as $$
declare
    found_ids bigint[];
begin
    -- The highest transaction first: most frontiers are past it, and no row has to be compared with those.
    execute format(
        'select array_agg(f.pgt_id) from pgtrickle.pgt_frontiers f where f.pgt_id = any ($1)'
        ' and pg_snapshot_xmin(f.snapshot) <= greatest('
        '(select max(b.__pgt_xid) from pgtrickle_changes.changes_%1$s_0 b),'
        ' (select max(b.__pgt_xid) from pgtrickle_changes.changes_%1$s_1 b),'
        ' (select c.archived_until from pgtrickle.pgt_captures c where c.source_relid = %1$s))'
        ' and (%2$s)',
        source,
        replace(replace(replace(pgtrickle._has_changes_sql(source), '$1', 'f.snapshot'), '$2', 'f.own_xid'), '$3', 'f.own_seq'))
    into found_ids
    using ids;
    return coalesce(found_ids, '{}');
exception when lock_not_available or undefined_table or insufficient_privilege then
    -- Its buffer is being emptied or dropped, or may not be read any more: the schedule sees to it.
    return '{}';
end
$$;
comment on function pgtrickle._with_changes(oid, bigint[]) is
    'Those of the stream tables that have not consumed all changes of a source which are visible now';


create or replace function pgtrickle._changed(except_ids bigint[] default '{}', out ids bigint[], out again double precision)
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    source record;
begin
    ids := '{}';
    if lower(pgtrickle._setting('enabled')) in ('off', 'false', 'no', '0') or pgtrickle._draining() then
        return;
    end if;
    for source in
        select r.source_relid,
            array_agg(r.pgt_id) filter (where coalesce(r.seconds, 0) <= 0) as ready,
            min(r.seconds) filter (where r.seconds > 0) as seconds
        from (
            -- The size of a file, so that nothing has to be planned and read.
            select array_agg(k.source_relid) as relids
            from pgtrickle.pgt_captures k
            where exists (select from pgtrickle._buffers(k.source_relid) b where pg_relation_size(to_regclass(b.buffer)) > 0)
        ) touched
        cross join pgtrickle._refreshable_on_change(touched.relids, except_ids) r
        group by r.source_relid
    loop
        again := least(again, source.seconds);
        if source.ready is not null and not source.ready <@ ids then
            ids := ids || pgtrickle._with_changes(source.source_relid,
                array(select id from unnest(source.ready) id where id <> all (ids)));
        end if;
    end loop;
end
$$;
comment on function pgtrickle._changed(bigint[]) is
    'ids: stream tables to be refreshed now because sources have changed, before their schedules say so, except_ids left out. again: seconds until one may be so that may not yet; null where none waits for that';


insert into pgtrickle.settings (name, value, unit, description)
values ('on_change_floor_seconds', '1', 's', 'Least time from one refresh of a stream table to the next that a worker with --on-change makes of it because its sources have changed')
on conflict (name) do update
    set unit = excluded.unit,
        description = excluded.description;
