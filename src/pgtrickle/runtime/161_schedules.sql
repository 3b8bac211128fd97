-- Which schedule a stream table should have, and how old it may get whatever its schedule says.

create or replace function pgtrickle.set_stream_table_sla(name text, sla interval)
    returns void
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    seconds constant double precision := pg_catalog.date_part('epoch', sla);
    former_role text;
begin
    if seconds <= 0 then
        raise exception using
            errcode = '22023',
            message = pg_catalog.format('the SLA of stream table %I.%I must be longer than 0, but is %s', target.pgt_schema, target.pgt_name, sla),
            hint = 'Null takes it away';
    end if;
    former_role := pgtrickle._act_as_owner(target);
    update pgtrickle.pgt_stream_tables s
    set freshness_deadline_ms = least(1000 * seconds, 9e15),
        refresh_tier = case when seconds > 30 then 'cold' when seconds > 5 then 'warm' else 'hot' end,
        updated_at = pg_catalog.now()
    where s.pgt_id = target.pgt_id;
    perform pgtrickle._act_again_as(former_role);
end
$$;
comment on function pgtrickle.set_stream_table_sla(text, interval) is
    'How old a stream table may get. Sets its tier by it (hot up to 5 s, warm up to 30 s, else cold), which stretches its schedule, but not past nine tenths of the SLA. Null takes the SLA away, and makes it hot. The event predicted_sla_breach tells that refreshes take too long for it';


create or replace function pgtrickle._pace_of(ids bigint[])
    returns table (
        pgt_id bigint, current_seconds double precision, refreshes bigint, busy_seconds double precision, gap_seconds double precision)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        s.pgt_id,
        pgtrickle.parse_duration_seconds(s.schedule)::double precision,
        h.number,
        h.seconds,
        extract(epoch from h.last - h.first)::double precision / nullif(h.number - 1, 0)
    from pgtrickle.pgt_stream_tables s
    cross join lateral (
        select count(*) as number, min(r.start_time) as first, max(r.start_time) as last,
            percentile_cont(0.9) within group (order by extract(epoch from r.end_time - r.start_time)) as seconds
        from (
            select l.start_time, l.end_time
            from pgtrickle.pgt_refresh_history l
            where l.pgt_id = s.pgt_id
              and l.status = 'COMPLETED'
              and l.initiated_by = 'SCHEDULER'
              and l.action in ('DIFFERENTIAL', 'FULL', 'REINITIALIZE')
            order by l.refresh_id desc
            limit 100
        ) r
    ) h
    where s.pgt_id = any (ids)
      and s.refresh_mode <> 'IMMEDIATE'
$$;
comment on function pgtrickle._pace_of(bigint[]) is
    'Per stream table, from its last hundred refreshes by schedule that found changes: how long they took (nine of ten no longer) and how far apart they were, in seconds; current_seconds is null for cron and calculated';


create or replace function pgtrickle._pace()
    returns table (
        pgt_id bigint, current_seconds double precision, refreshes bigint, busy_seconds double precision, gap_seconds double precision)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select p.* from pgtrickle._pace_of(array(select s.pgt_id from pgtrickle.pgt_stream_tables s)) p
$$;
comment on function pgtrickle._pace() is 'What _pace_of says of every stream table';


create or replace function pgtrickle._recommended_schedules()
    returns table (
        pgt_id bigint, current_seconds double precision, recommended_seconds double precision, confidence double precision, reasoning text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select p.pgt_id, p.current_seconds,
        greatest(round(case k.kind
            when 'busy' then 10 * p.busy_seconds
            when 'rare' then least(p.gap_seconds / 2, 10 * p.current_seconds)
            when 'cheap' then greatest(p.current_seconds / 2, 10 * p.busy_seconds)
            else p.current_seconds
        end), case when p.current_seconds is not null then pgtrickle._setting('min_schedule_seconds')::double precision end),
        case when k.kind = 'none' then 0 else least(p.refreshes / 50.0, 1) end,
        case k.kind
            when 'none' then 'its schedule is no duration: cron and calculated ones are kept'
            when 'few' then format('only %s refreshes by schedule found changes: too few to tell', p.refreshes)
            when 'busy' then format('refreshes take %s s, more than a tenth of the time', round(p.busy_seconds::numeric, 2))
            when 'rare' then format('changes come every %s s only', round(p.gap_seconds::numeric))
            when 'cheap' then format('nearly every refresh finds changes and takes %s s: it could be fresher', round(p.busy_seconds::numeric, 2))
            else format('it fits changes every %s s that take %s s', round(p.gap_seconds::numeric), round(p.busy_seconds::numeric, 2))
        end
    from pgtrickle._pace() p
    cross join lateral (
        select case
            when p.current_seconds is null then 'none'
            when p.refreshes < 3 then 'few'
            when 10 * p.busy_seconds > p.current_seconds then 'busy'
            when p.gap_seconds > 10 * p.current_seconds then 'rare'
            when p.gap_seconds < 1.2 * p.current_seconds and 20 * p.busy_seconds < p.current_seconds then 'cheap'
            else 'fits'
        end as kind
    ) k
$$;
comment on function pgtrickle._recommended_schedules() is
    'For each stream table that has a schedule: the one its refreshes speak for. They should take no more than a tenth of the time, and come neither ten times as often as changes nor, where they are cheap, as seldom as each finds some';


create or replace function pgtrickle.schedule_recommendations()
    returns table (
        name text, current_interval_seconds double precision, recommended_interval_seconds double precision,
        delta_pct double precision, confidence double precision, reasoning text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        pgtrickle._quoted(s.pgt_schema, s.pgt_name),
        r.current_seconds,
        r.recommended_seconds,
        100 * (r.recommended_seconds - r.current_seconds) / nullif(r.current_seconds, 0),
        r.confidence,
        r.reasoning
    from pgtrickle._recommended_schedules() r
    join pgtrickle.pgt_stream_tables s using (pgt_id)
    where r.current_seconds is not null
    order by abs(r.recommended_seconds / nullif(r.current_seconds, 0) - 1) desc nulls last, 1
$$;
comment on function pgtrickle.schedule_recommendations() is
    'What schedules the refreshes of the last time speak for, the largest difference first; confidence from 0 to 1 grows with the number of refreshes that found changes. Nothing is changed';


create or replace function pgtrickle.recommend_schedule(p_name text)
    returns jsonb
    language plpgsql
    stable
    strict
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(p_name);
begin
    return (
        select pg_catalog.jsonb_build_object(
            'name', pgtrickle._quoted(target.pgt_schema, target.pgt_name),
            'current_interval_seconds', r.current_seconds,
            'recommended_interval_seconds', r.recommended_seconds,
            'confidence', coalesce(r.confidence, 0),
            'reasoning', coalesce(r.reasoning, 'IMMEDIATE: the statements that write its sources maintain it'))
        from (select) one
        left join pgtrickle._recommended_schedules() r on r.pgt_id = target.pgt_id);
end
$$;
comment on function pgtrickle.recommend_schedule(text) is
    'What schedule_recommendations says of one stream table, as {"name", "current_interval_seconds", "recommended_interval_seconds", "confidence", "reasoning"}; intervals are null where it has no duration as its schedule';
