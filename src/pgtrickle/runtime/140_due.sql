-- When each stream table is to be refreshed next. One set-based query answers for all of them; the
-- worker and run_due ask it, and neither looks at tables one by one.
--
-- duration     the last refresh plus the schedule, times the tier: hot 1, warm 2, cold 10
-- cron         the first of the times a worker has computed that lies after the last refresh
-- calculated   the least schedule of what reads it, and not later than that is due itself, so that
--              a reader never runs just before what it reads; default_schedule_seconds where
--              nothing reads it
-- never        SUSPENDED, IMMEDIATE, tier frozen, held by pause_scheduler
-- an SLA       not later than nine tenths of it after the last refresh, whatever tier and schedule
--              say; cron is left as it is
-- at once      what was never refreshed
-- after errors not before the last one plus error_backoff_seconds, doubled for each in a row
-- held back    by a gate or a watermark: tried every ten seconds, and at once when that is gone
-- in future    what happened at a time that is not yet there, for the clock was set back, counts as not
--              having happened: refreshed once, the table has a time of the new clock

create or replace function pgtrickle._is_of_another_clock(moment timestamptz)
    returns boolean
    language sql
    volatile
as $$
    -- Every name of PostgreSQL's own, and no path is set, so that it becomes part of its callers' queries.
    select moment operator(pg_catalog.>) (pg_catalog.clock_timestamp() operator(pg_catalog.+) '1 s'::pg_catalog.interval)
$$;
comment on function pgtrickle._is_of_another_clock(timestamptz) is
    'Whether a time of something that has happened is yet to come, for the clock was set back by more than a second';


create or replace function pgtrickle._retry_at(stream_table pgtrickle.pgt_stream_tables)
    returns timestamptz
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select case when stream_table.consecutive_errors > 0 and not pgtrickle._is_of_another_clock(stream_table.last_error_at) then
        stream_table.last_error_at + make_interval(secs => least(
            pgtrickle._setting('error_backoff_seconds')::double precision * 2 ^ least(stream_table.consecutive_errors - 1, 30),
            pgtrickle._setting('error_backoff_max_seconds')::double precision)) end
$$;
comment on function pgtrickle._retry_at(pgtrickle.pgt_stream_tables) is
    'Before this moment a stream table whose refresh failed is not tried again by itself; null where the last one did not fail';


create or replace function pgtrickle._held_until(stream_table pgtrickle.pgt_stream_tables)
    returns timestamptz
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select max(h.end_time) + interval '10 s'
    from pgtrickle.pgt_refresh_history h
    where h.pgt_id = stream_table.pgt_id
      and h.refresh_id = (select max(l.refresh_id) from pgtrickle.pgt_refresh_history l where l.pgt_id = stream_table.pgt_id)
      and h.action = 'SKIP'
      and not pgtrickle._is_of_another_clock(h.end_time)
      and coalesce(pgtrickle._gated(stream_table), pgtrickle._misaligned(stream_table)) is not null
$$;
comment on function pgtrickle._held_until(pgtrickle.pgt_stream_tables) is
    'Before this moment a stream table that a gate or a watermark held back, and still does, is not tried again by itself; null where nothing holds it';


create or replace function pgtrickle._due_times()
    returns table (pgt_id bigint, due_at timestamptz)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
    set enable_nestloop = off  -- the planner expects one row of each CTE, and would compare each with each
as $$
    with recursive duration as materialized (
        -- Each schedule is read once, however many tables have it.
        select
            given.schedule,
            case when given.schedule is null
                then pgtrickle._setting('default_schedule_seconds')::bigint
                else pgtrickle.parse_duration_seconds(given.schedule)
            end as seconds
        from (select distinct s.schedule from pgtrickle.pgt_stream_tables s) given
    ),
    scheduled as materialized (
        select
            s.pgt_id,
            s.schedule,
            case when not pgtrickle._is_of_another_clock(s.last_refresh_at) then s.last_refresh_at end as last_refresh_at,
            least(s.created_at, clock_timestamp()) as created_at,
            d.seconds,
            case s.refresh_tier when 'hot' then 1 when 'warm' then 2 when 'cold' then 10 end as factor,
            s.status <> 'SUSPENDED'
                and s.refresh_tier <> 'frozen'
                and not exists (select from pgtrickle.pgt_scheduler_pauses p where p.pgt_id = s.pgt_id) as runs,
            0.9 * s.freshness_deadline_ms / 1000 as deadline,
            greatest(
                case when s.consecutive_errors > 0 then pgtrickle._retry_at(s) end,
                case when exists (select from pgtrickle.pgt_source_gates g where g.gated)
                        or exists (select from pgtrickle.pgt_watermark_groups)
                    then pgtrickle._held_until(s) end) as retry_at
        from pgtrickle.pgt_stream_tables s
        join duration d on coalesce(d.schedule, '') = coalesce(s.schedule, '')
        where s.refresh_mode <> 'IMMEDIATE'
    ),
    -- Up from what has a schedule, through what is calculated.
    edge as materialized (
        select r.pgt_id, r.upstream_id
        from pgtrickle._reads() r
        join scheduled d on d.pgt_id = r.pgt_id
        join scheduled u on u.pgt_id = r.upstream_id
        where u.schedule is null
    ),
    follows (pgt_id, leader) as (
        select s.pgt_id, s.pgt_id
        from scheduled s
        where s.schedule is not null
           or not exists (select from edge e where e.upstream_id = s.pgt_id)
        union
        select e.upstream_id, f.leader
        from follows f
        join edge e on e.pgt_id = f.pgt_id
    ),
    leader as materialized (
        select
            s.pgt_id,
            s.seconds,
            case
                when not s.runs then null
                when s.last_refresh_at is null then s.created_at
                when s.seconds is not null then s.last_refresh_at + make_interval(secs => least(s.seconds * s.factor, s.deadline))
                else (
                    select min(moment)
                    from pgtrickle.pgt_cron_times c, unnest(c.due_times) moment
                    where c.pgt_id = s.pgt_id
                      and c.schedule = s.schedule
                      and moment > s.last_refresh_at)
            end as due_at
        from scheduled s
        where exists (select from follows f where f.leader = s.pgt_id)
    )
    select w.pgt_id, greatest(w.retry_at, min(w.due_at))
    from (
        select
            s.pgt_id,
            s.retry_at,
            case
                when s.last_refresh_at is null then s.created_at
                when s.pgt_id = l.pgt_id then l.due_at
                else least(
                    s.last_refresh_at + make_interval(secs => least(l.seconds * s.factor, s.deadline)),
                    case when s.last_refresh_at < l.due_at and (s.factor = 1 or l.seconds is null) then l.due_at end)
            end as due_at
        from scheduled s
        join follows f on f.pgt_id = s.pgt_id
        join leader l on l.pgt_id = f.leader
        where s.runs
    ) w
    where w.due_at is not null
    group by w.pgt_id, w.retry_at
$$;
comment on function pgtrickle._due_times() is
    'When each stream table is to be refreshed by its schedule; those never refreshed by one, and cron ones whose next time nobody has computed, are left out';


create or replace function pgtrickle._may_hold_back(session integer)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- Advisory locks are open to all who may connect.
    select exists (
        select
        from pg_stat_get_activity(session) a
        join pg_roles r on r.oid = a.usesysid
        where r.rolsuper
           or exists (select from pgtrickle.pgt_stream_tables s where pg_has_role(r.oid, s.pgt_owner, 'MEMBER')))
$$;
comment on function pgtrickle._may_hold_back(integer) is
    'Whether the session of this process id belongs to a superuser, or to a role that may act for the owner of a stream table that the caller sees';


create or replace function pgtrickle._holds_advisory(lock integer)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
        from pg_locks l
        where l.locktype = 'advisory'
          and l.database = (select d.oid from pg_database d where d.datname = current_database())
          and (l.classid, l.objid, l.objsubid) = (1885829237, lock::bigint::oid, 2)
          and l.granted
          and pgtrickle._may_hold_back(l.pid))
$$;
comment on function pgtrickle._holds_advisory(integer) is
    'Whether a session of this database that may do so holds an advisory lock of ours: 3 who drains, 4 a scheduled refresh';


create or replace function pgtrickle._draining()
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select pgtrickle._holds_advisory(3)
$$;
comment on function pgtrickle._draining() is 'Whether a session holds scheduled refreshes back by drain()';


create or replace function pgtrickle.drain(timeout_s integer default 60)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    give_up constant timestamptz := clock_timestamp() + make_interval(secs => timeout_s);
begin
    if not pgtrickle._may_hold_back(pg_backend_pid()) then
        raise exception using
            errcode = '42501',
            message = format('role %I may not hold refreshes back: it acts for no owner of a stream table', session_user),
            hint = 'Call it as an owner, or as a member of an owner''s role';
    end if;
    perform pg_advisory_lock_shared(1885829237, 3);
    while pgtrickle._holds_advisory(4) loop
        if clock_timestamp() > give_up then
            perform pg_advisory_unlock_shared(1885829237, 3);
            return false;
        end if;
        perform pg_sleep(0.05);
    end loop;
    return true;
end
$$;
comment on function pgtrickle.drain(integer) is
    'Holds scheduled refreshes back, by whatever worker or run_due, and waits for those under way; true when none is left, false, and nothing held back, when that takes longer than timeout_s seconds. Until end_drain() or the end of the session. Refreshes by hand, and IMMEDIATE tables, go on. Error 42501 for who may act for no owner of a stream table';


create or replace function pgtrickle.is_drained()
    returns boolean
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select pgtrickle._draining() and not pgtrickle._holds_advisory(4)
$$;
comment on function pgtrickle.is_drained() is 'Whether a session holds scheduled refreshes back and none is under way';


create or replace function pgtrickle.end_drain()
    returns boolean
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select pg_advisory_unlock_shared(1885829237, 3)
$$;
comment on function pgtrickle.end_drain() is 'Lets scheduled refreshes go on that this session held back by drain(); false where it did not';


create or replace function pgtrickle._schedulable()
    returns table (pgt_id bigint, due_at timestamptz)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select d.pgt_id, d.due_at
    from pgtrickle._due_times() d
    join pgtrickle.pgt_stream_tables s on s.pgt_id = d.pgt_id
    where (select lower(pgtrickle._setting('enabled')) not in ('off', 'false', 'no', '0'))
      and not (select pgtrickle._draining())
      and pg_has_role(s.pgt_owner, 'USAGE')
      and exists (select from pg_class c where c.oid = s.pgt_relid)
$$;
comment on function pgtrickle._schedulable() is
    'When the stream tables this role may refresh are due; none where the setting enabled is off, or a session drains';


create or replace function pgtrickle._as_due(ids bigint[], due_times timestamptz[])
    returns table (
        pgt_id bigint, name text, due_at timestamptz, depth integer, upstream bigint[], reads_wal boolean, awaits_compiler boolean)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select due.pgt_id, o.name, due.due_at, o.depth, o.upstream,
        exists (select from pgtrickle.pgt_wal_slot)
            and exists (
                select from pgtrickle.pgt_dependencies d
                where d.pgt_id = due.pgt_id
                  and d.source_number is not null
                  and pgtrickle._reads_wal(d.source_relid)),
        not s.is_populated
            and s.requested_refresh_mode <> 'FULL'
            and exists (select from pgtrickle.pgt_plans p where p.pgt_id = due.pgt_id and p.plan_status = 'PENDING')
    from unnest(ids, due_times) due (pgt_id, due_at)
    join pgtrickle.pgt_stream_tables s on s.pgt_id = due.pgt_id
    join pgtrickle._in_order() o on o.pgt_id = due.pgt_id
    order by o.depth, due.due_at, o.name
$$;
comment on function pgtrickle._as_due(bigint[], timestamptz[]) is
    'What the scheduler is to know of stream tables that it refreshes, with the times since which they are due, what is read before what reads it. upstream: what each reads directly; reads_wal: some of its changes come from the log, which is to be decoded first; awaits_compiler: it was never populated and has no plan yet';


create or replace function pgtrickle._due(under_way bigint[] default '{}')
    returns table (
        pgt_id bigint, name text, due_at timestamptz, depth integer, upstream bigint[], reads_wal boolean, awaits_compiler boolean)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select due.*
    from (
        select array_agg(d.pgt_id) as ids, array_agg(d.due_at) as due_times
        from pgtrickle._schedulable() d
        where d.due_at <= clock_timestamp()
          and d.pgt_id <> all (under_way)
    ) found
    cross join pgtrickle._as_due(found.ids, found.due_times) due
$$;
comment on function pgtrickle._due(bigint[]) is
    'The stream tables to be refreshed now by their schedules, except those under way, as _as_due tells of them';


create or replace function pgtrickle._seconds_until_due(under_way bigint[] default '{}')
    returns double precision
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select extract(epoch from min(d.due_at) - clock_timestamp())::double precision
    from pgtrickle._schedulable() d
    where d.pgt_id <> all (under_way)
$$;
comment on function pgtrickle._seconds_until_due(bigint[]) is
    'Seconds until the next refresh by schedule, not above 0 where one is due; null where none ever is';


-- Cron expressions are evaluated in Python. What it finds is stored some way ahead, so that SQL
-- alone goes on for as long.

create or replace function pgtrickle._cron_wanted()
    returns table (pgt_id bigint, schedule text, time_zone text, after timestamptz)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select s.pgt_id, s.schedule, z.time_zone, least(s.last_refresh_at, clock_timestamp())
    from pgtrickle.pgt_stream_tables s
    cross join (select pgtrickle._setting('cron_time_zone')) z (time_zone)
    left join pgtrickle.pgt_cron_times c
        on c.pgt_id = s.pgt_id
        and c.schedule = s.schedule
        and c.time_zone = z.time_zone
    where s.schedule ~ '[[:space:]@]'
      and s.refresh_mode <> 'IMMEDIATE'
      and pg_has_role(s.pgt_owner, 'USAGE')
      and (c.pgt_id is null
          -- The clock was set back: the times are those of the other one.
          or pgtrickle._is_of_another_clock(s.last_refresh_at)
          -- The last but nine: one that is empty or short has no further time.
          or coalesce(c.due_times[cardinality(c.due_times) - 9], 'infinity') <= coalesce(s.last_refresh_at, '-infinity'))
$$;
comment on function pgtrickle._cron_wanted() is
    'Stream tables on a cron schedule whose next times are to be computed and handed to _set_cron_times, from which moment on and in which time zone';


create or replace function pgtrickle._set_cron_times(target bigint, schedule text, time_zone text, due_times timestamptz[])
    returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    insert into pgtrickle.pgt_cron_times as c (pgt_id, schedule, time_zone, due_times)
    select s.pgt_id, $2, $3, $4
    from pgtrickle.pgt_stream_tables s
    where s.pgt_id = target
    on conflict (pgt_id) do update
        set schedule = excluded.schedule,
            time_zone = excluded.time_zone,
            due_times = excluded.due_times
$$;
comment on function pgtrickle._set_cron_times(bigint, text, text, timestamptz[]) is
    'Stores the next times of a stream table''s cron schedule, earliest first';


insert into pgtrickle.settings (name, value, unit, description)
values
    ('enabled', 'on', null, 'off: nothing is refreshed by schedule'),
    ('cron_time_zone', 'UTC', null, 'Time zone of cron schedules, as in Europe/Berlin'),
    ('error_backoff_seconds', '1', 's', 'Wait after a failed refresh before a scheduled one is tried again; doubled for each failure in a row'),
    ('error_backoff_max_seconds', '300', 's', 'Longest wait after failed refreshes'),
    ('history_retention_days', '90', 'd', 'Age at which the history of refreshes is deleted')
on conflict (name) do update
    set unit = excluded.unit,
        description = excluded.description;
