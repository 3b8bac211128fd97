-- AUTO: whether so many changes are applied, or the table recomputed, by what either took before.
--
-- What is not known is tried, where it is not likely to take several times as long: a guess that is
-- never put to the test is kept for ever. A share of changed rows decides where the table has no past,
-- or the user has set one.

create or replace function pgtrickle._past_refreshes(target bigint)
    returns table (is_delta boolean, ms double precision, changes bigint, without_states boolean)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- Where recomputing was cheaper fifty times, the delta has another chance: the past may be over.
    select h.action = 'DIFFERENTIAL', 1000 * extract(epoch from h.end_time - h.start_time), h.delta_row_count, h.without_states
    from pgtrickle.pgt_refresh_history h
    where h.pgt_id = target
      and h.action in ('DIFFERENTIAL', 'FULL', 'REINITIALIZE')
      and h.status = 'COMPLETED'
      and h.initiated_by is distinct from 'INITIAL'
    order by h.refresh_id desc
    limit 50
$$;
comment on function pgtrickle._past_refreshes(bigint) is
    'The last refreshes that wrote the table, latest first, its first population left out: whether by delta, how long they took, of how many changes, and whether states were left empty';


create or replace function pgtrickle._expected_ms(target bigint, changes bigint, out ms double precision, out seen bigint)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- The lower of two: whatever comes first finds the caches cold.
    with past as (
        select p.ms, p.changes as n, min(p.changes) over () as least, max(p.changes) over () as most
        from pgtrickle._past_refreshes(target) p
        where p.is_delta
          and p.changes > 0
    ),
    groups as (
        select percentile_disc(0.5) within group (order by p.ms) filter (where p.n <= 2 * p.least) as few_ms,
            percentile_disc(0.5) within group (order by p.n) filter (where p.n <= 2 * p.least) as few,
            percentile_disc(0.5) within group (order by p.ms) filter (where 2 * p.n >= p.most) as many_ms,
            percentile_disc(0.5) within group (order by p.n) filter (where 2 * p.n >= p.most) as many,
            percentile_disc(0.5) within group (order by p.ms) filter (where p.n between _expected_ms.changes / 2 and _expected_ms.changes * 2) as near_ms,
            percentile_disc(0.5) within group (order by p.n) filter (where p.n between _expected_ms.changes / 2 and _expected_ms.changes * 2) as near,
            count(*) filter (where p.n between _expected_ms.changes / 2 and _expected_ms.changes * 2) as seen
        from past p
    ),
    line as (
        -- Through what is about as large the slope would be that of chance.
        select g.*, case when g.many >= 4 * g.few and g.many >= 500 then greatest((g.many_ms - g.few_ms) / (g.many - g.few), 0) end as slope
        from groups g
    )
    select case
            when l.seen > 0 then l.near_ms + (_expected_ms.changes - l.near) * coalesce(l.slope, 0)
            when l.slope is not null then greatest(l.many_ms + (_expected_ms.changes - l.many) * l.slope, 0)
            when _expected_ms.changes < l.few then l.few_ms * _expected_ms.changes / l.few
        end,
        l.seen
    from line l
$$;
comment on function pgtrickle._expected_ms(bigint, bigint) is
    'How long a delta of so many changes would take, from past ones: those of about as many, of which there were "seen", or a straight line through few and many. Null where the past says nothing';


create or replace function pgtrickle._recomputing_ms(stream_table pgtrickle.pgt_stream_tables, out ms double precision, out seen bigint)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(percentile_disc(0.5) within group (order by p.ms), stream_table.last_full_ms), count(p.ms)
    from pgtrickle._past_refreshes(stream_table.pgt_id) p
    where not p.is_delta
      and not p.without_states
$$;
comment on function pgtrickle._recomputing_ms(pgtrickle.pgt_stream_tables) is
    'How long recomputing takes, its states filled, from past times, of which there were "seen"; else how long it took when the table was filled';


create or replace function pgtrickle._weigh(
        stream_table pgtrickle.pgt_stream_tables, changes bigint, share double precision, ratio double precision, out is_decided boolean, out reason text)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    delta record := pgtrickle._expected_ms(stream_table.pgt_id, changes);
    recomputing record := pgtrickle._recomputing_ms(stream_table);
begin
    if delta.ms is null then
        is_decided := changes <= 1000 or recomputing.seen > 0 and share <= 2 * ratio;
        return;
    end if;
    is_decided := true;
    if changes <= 1000 and delta.ms <= 500 then
        return;
    end if;
    reason := case
        when delta.ms > recomputing.ms * case delta.seen when 0 then 4 when 1 then 1.5 else 1 end
        then format('%s changes would take about %s ms, recomputing about %s ms', changes, round(delta.ms), round(recomputing.ms))
        -- To fill an empty table takes longer than to compare, by how much is not known.
        when recomputing.seen = 0 and delta.seen > 0 and delta.ms > recomputing.ms / 2
        then format('%s changes would take about %s ms; recomputing took %s ms when the table was filled, and is tried',
            changes, round(delta.ms), round(recomputing.ms))
    end;
end
$$;
comment on function pgtrickle._weigh(pgtrickle.pgt_stream_tables, bigint, double precision, double precision) is
    'Whether the past decides what is cheaper, and why recomputing is, null where it is not. share: the changes by the sources'' rows, null if unknown; ratio: as _change_ratio';


create or replace function pgtrickle._took_long(target bigint)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select
        from (
            select h.start_time, h.end_time
            from pgtrickle.pgt_refresh_history h
            where h.pgt_id = target
            order by h.refresh_id desc
            limit 1
        ) latest
        where latest.end_time - latest.start_time > interval '500 ms');
end
$$;
comment on function pgtrickle._took_long(bigint) is 'Whether the last refresh took more than half a second';


create or replace function pgtrickle._as_much_changes_each_time(target bigint, changes bigint)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return changes > 1000
        and (
            select count(*) = 2 and bool_and(2 * latest.n >= changes)
            from (select p.changes as n from pgtrickle._past_refreshes(target) p limit 2) latest);
end
$$;
comment on function pgtrickle._as_much_changes_each_time(bigint, bigint) is
    'Whether the last two refreshes that wrote the table had about as many changes, or more, and these are many';


create or replace function pgtrickle._needs_no_states(target bigint)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- What PostgreSQL chose, where it had a choice, stands in the states, and the plan has a query of its own for it.
    return exists (
        select
        from pgtrickle.pgt_plans p
        where p.pgt_id = target
          and p.plan_status = 'COMPILED'
          and jsonb_array_length(p.plan -> 'state') > 0
          and p.plan ->> 'result' is null
          and coalesce(p.plan -> 'check', 'null') = 'null');
end
$$;
comment on function pgtrickle._needs_no_states(bigint) is
    'Whether a stream table has state tables which nothing but its deltas reads, and is recomputed by its own query';


create or replace function pgtrickle._without_states(target bigint, out ms double precision, out seen bigint, out refills bigint)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with past as (
        select p.ms, p.without_states, p.is_delta, lead(p.without_states) over (order by p.place) as is_after
        from pgtrickle._past_refreshes(target) with ordinality p (is_delta, ms, changes, without_states, place)
    )
    select percentile_disc(0.5) within group (order by p.ms) filter (where p.without_states),
        count(*) filter (where p.without_states),
        count(*) filter (where p.is_after and not p.without_states and not p.is_delta)
    from past p
$$;
comment on function pgtrickle._without_states(bigint) is
    'How long recomputing without states takes, from past times, of which there were "seen"; and how often states had to be filled after it';


create or replace function pgtrickle._leaves_states_empty(stream_table pgtrickle.pgt_stream_tables, changes bigint)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    delta record;
    filling record;
    without record;
    otherwise double precision;  -- ms
begin
    -- A state that is filled serves the next delta. Where that is not likely to be one, to fill it is most of what
    -- recomputing takes. If less changes after all, the table is recomputed once more: that is a price.
    if stream_table.requested_refresh_mode <> 'AUTO'
        or not pgtrickle._as_much_changes_each_time(stream_table.pgt_id, changes)
        or not pgtrickle._needs_no_states(stream_table.pgt_id)
    then
        return false;
    end if;
    filling := pgtrickle._recomputing_ms(stream_table);
    if filling.seen = 0 then
        return false;
    end if;
    delta := pgtrickle._expected_ms(stream_table.pgt_id, changes);
    without := pgtrickle._without_states(stream_table.pgt_id);
    otherwise := least(delta.ms, filling.ms);
    -- Tried once where it might be much less. A tenth of a second is not worth a risk.
    return otherwise > 100
        and otherwise > 1.25 * coalesce(without.ms, filling.ms / 3)
        and without.refills * filling.ms <= without.seen * (otherwise - coalesce(without.ms, 0));
end
$$;
comment on function pgtrickle._leaves_states_empty(pgtrickle.pgt_stream_tables, bigint) is
    'Under AUTO: whether a stream table is recomputed and its states left empty, since as much changes each time, and that has paid or has yet to be tried';


create or replace function pgtrickle._recompute_is_cheaper(
        stream_table pgtrickle.pgt_stream_tables, relids oid[], changes bigint, out reason text, out without_states boolean)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    ratio constant double precision := pgtrickle._change_ratio(stream_table);
    rows double precision;
    past record;
begin
    without_states := false;
    if stream_table.requested_refresh_mode <> 'AUTO' then
        return;
    end if;
    -- A few changes are worth a thought where recomputing takes little, and the last refresh took long.
    if changes <= 1000 and not pgtrickle._took_long(stream_table.pgt_id) then
        return;
    end if;
    rows := pgtrickle._estimated_rows(relids);
    if stream_table.auto_threshold is null and stream_table.last_full_ms is not null then
        past := pgtrickle._weigh(stream_table, changes, changes / rows, ratio);
        if past.is_decided then
            without_states := pgtrickle._leaves_states_empty(stream_table, changes);
            reason := coalesce(past.reason, case when without_states then format('%s changes would take longer than recomputing', changes) end);
            return;
        end if;
    end if;
    if changes > 1000 and changes > rows * ratio then
        reason := format('%s changes in about %s rows', changes, rows::bigint);
        without_states := pgtrickle._leaves_states_empty(stream_table, changes);
    end if;
end
$$;
comment on function pgtrickle._recompute_is_cheaper(pgtrickle.pgt_stream_tables, oid[], bigint) is
    'Under AUTO: why so many changes are better recomputed, null when they are not; and whether states are left empty then';
