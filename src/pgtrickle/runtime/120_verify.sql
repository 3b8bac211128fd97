-- Does a stream table equal its query? Asked in one statement, so at one snapshot.
--
-- Rows are compared by what they print as. Where PostgreSQL itself may give one of several answers
-- the comparison allows them: a float aggregate depends on the order of addition (a relative
-- difference of 1e-9, absolute below 1, is no difference), and a group whose keys are equal but print differently shows
-- any of them. Which rows a LIMIT took among peers, how peers were numbered, which key a group shows
-- and in which order it took its rows stands in the state tables: the plan's `check` says which
-- selects find a choice that cannot have been made, and what the table must equal if there is none.
--
-- Everything is named by its schema: the search path is the user's.

create or replace function pgtrickle._same_floats(a double precision[], b double precision[])
    returns boolean
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(bool_and(x is not distinct from y or abs(x - y) <= 1e-9 * greatest(abs(x), abs(y), 1)), true)
    from unnest(a, b) pairs(x, y)
$$;
comment on function pgtrickle._same_floats(double precision[], double precision[]) is
    'Whether two lists of floats differ by no more than the order of addition can make them differ';


create or replace function pgtrickle._expected_sql(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        -- State is readable by the owner alone. A condition on a subquery alone is looked at first,
        -- so that only one of the two queries is evaluated.
        (select format(
            'with choices as materialized (select not (%s) as hold)
             select * from (%s) as c where (select hold from choices)
             union all
             select * from (%s) as q where not (select hold from choices)',
            string_agg(format('exists (%s)', wrong), ' or '),
            min(p.plan #>> '{check,query}'),
            stream_table.defining_query)
         from pgtrickle.pgt_plans p
         cross join jsonb_array_elements_text(p.plan #> '{check,wrong_choices}') wrong
         where p.pgt_id = stream_table.pgt_id
           and p.plan_status = 'COMPILED'
           and stream_table.is_populated
           and pg_has_role(stream_table.pgt_owner, 'USAGE')
         having count(*) > 0),
        stream_table.defining_query)
$$;
comment on function pgtrickle._expected_sql(pgtrickle.pgt_stream_tables) is
    'What the stream table must equal: its query, where PostgreSQL chose among peers with the choices it made, if it can have made them';


create or replace function pgtrickle._may_print_otherwise(type oid, collation_ oid)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with recursive part (type) as (
        select type
        union
        select m.type
        from part p
        join pg_type t on t.oid = p.type
        cross join lateral (
            select t.typbasetype where t.typtype = 'd'
            union all
            select t.typelem where t.typsubscript = 'array_subscript_handler'::regproc
            union all
            select a.atttypid
            from pg_attribute a
            where a.attrelid = t.typrelid
              and a.attnum > 0
              and not a.attisdropped
        ) m (type)
    ),
    leaf as (
        select
            exists (
                select
                from pg_opclass c
                where c.opcmethod = (select m.oid from pg_am m where m.amname = 'btree')
                  and c.opcdefault
                  and c.opcintype in (k.type, k.compared_as)) as is_ordered,
            k.type = 'bpchar'::regtype
                or not exists (
                    select
                    from pg_opclass c
                    join pg_amproc f on f.amprocfamily = c.opcfamily and f.amproclefttype = c.opcintype and f.amprocnum = 4
                    where c.opcmethod = (select m.oid from pg_am m where m.amname = 'btree')
                      and c.opcdefault
                      and c.opcintype in (k.type, k.compared_as)) as is_open
        from (
            select p.type, case t.typtype
                    when 'e' then 'anyenum'::regtype
                    when 'r' then 'anyrange'::regtype
                    when 'm' then 'anymultirange'::regtype
                    else case p.type when 'varchar'::regtype then 'text'::regtype else p.type::regtype end
                end as compared_as
            from part p
            join pg_type t on t.oid = p.type
            where t.typtype not in ('c', 'd')
              and t.typsubscript <> 'array_subscript_handler'::regproc
        ) k
    )
    select coalesce(bool_and(l.is_ordered), false)
        and (bool_or(l.is_open) or exists (select from pg_collation n where n.oid = collation_ and not n.collisdeterministic))
    from leaf l
$$;
comment on function pgtrickle._may_print_otherwise(oid, oid) is
    'Whether values of a type may be equal and print differently; false where they cannot be ordered';


create or replace function pgtrickle._comparison_sql(stream_table pgtrickle.pgt_stream_tables, expected text, found text)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with columns as (
        select
            format('r.%I', a.attname) as name,
            quote_ident(a.attname) as alias,
            a.attnum as position,
            a.atttypid in ('float4'::regtype, 'float8'::regtype) as is_float,
            case when p.plan -> 'open' ? 'keys' then
                case when a.atttypid = 'numeric'::regtype then 'numeric'
                    when a.atttypid not in ('float4'::regtype, 'float8'::regtype)
                        and pgtrickle._may_print_otherwise(a.atttypid, a.attcollation) then 'other' end
            end as open
        from pg_attribute a
        left join pgtrickle.pgt_plans p on p.pgt_id = stream_table.pgt_id
        where a.attrelid = stream_table.pgt_relid
          and a.attnum > 0
          and not a.attisdropped
    )
    select format(
        'with rows as (%s),
         differences as (
             select image, exact, floats, pg_catalog.sum(n) as n from rows group by 1, 2, 3 having pg_catalog.sum(n) operator(pg_catalog.<>) 0),
         copies as (
             select image, exact, floats, n operator(pg_catalog.>) 0 as of_query,
                 pg_catalog.row_number() over (partition by exact, n operator(pg_catalog.>) 0 order by floats) as number
             from differences, pg_catalog.generate_series(1, pg_catalog.abs(n)))
         select coalesce(q.image, t.image), pg_catalog.count(q.image), pg_catalog.count(t.image)
         from (select * from copies where of_query) as q
         full join (select * from copies where not of_query) as t
             on t.exact operator(pg_catalog.=) q.exact and t.number operator(pg_catalog.=) q.number and pgtrickle._same_floats(q.floats, t.floats)
         where q.image is null or t.image is null
         group by 1
         order by 1
         limit $1',
        format(
            case when bool_or(c.open = 'other') then
                -- Of values that are equal, on either side, one stands for all.
                'select image, exact, floats, side operator(pg_catalog.*) pg_catalog.count(*) as n
                 from (
                     select row(%6$s)::text collate "C" as image, row(%1$s)::text collate "C" as exact,
                         array[%2$s]::float8[] as floats, r.__pgtrickle_side as side
                     from (
                         select q.*, 1 as __pgtrickle_side from (%3$s) as q (%5$s)
                         union all
                         select t.*, -1 from %4$s as t
                     ) as r
                 ) as sides
                 group by image, exact, floats, side'
            else
                'select row(r.*)::text collate "C" as image, row(%1$s)::text collate "C" as exact,
                     array[%2$s]::float8[] as floats, pg_catalog.count(*) as n
                 from (%3$s) as r group by 1, 2, 3
                 union all
                 select row(r.*)::text collate "C", row(%1$s)::text collate "C", array[%2$s]::float8[], - pg_catalog.count(*)
                 from %4$s as r group by 1, 2, 3'
            end,
            string_agg(
                case c.open when 'numeric' then format('pg_catalog.trim_scale(%s)', c.name)
                    when 'other' then format('pg_catalog.min((%1$s)::text collate "C") over (partition by %1$s)', c.name)
                    else c.name end, ', ' order by c.position)
                filter (where not c.is_float),
            string_agg(c.name, ', ' order by c.position) filter (where c.is_float),
            -- What it answers by itself: an expression within a row constructor may give something else.
            format('select * from (%s) as answer offset 0', expected),
            found,
            string_agg(c.alias, ', ' order by c.position),
            string_agg(c.name, ', ' order by c.position)))
    from columns c
$$;
comment on function pgtrickle._comparison_sql(pgtrickle.pgt_stream_tables, text, text) is
    'Statement that compares a query with what a FROM item holds, both with the columns of a stream table: (row as text, copies in the query alone, copies in the other alone)';


create or replace function pgtrickle._verify_sql(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select pgtrickle._comparison_sql(stream_table, pgtrickle._expected_sql(stream_table), pgtrickle._extent(stream_table.pgt_relid))
$$;
comment on function pgtrickle._verify_sql(pgtrickle.pgt_stream_tables) is
    'Statement that compares a stream table with its query: (row as text, copies in the query alone, copies in the table alone)';


create or replace function pgtrickle._is_chosen_sql(stream_table pgtrickle.pgt_stream_tables)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- With the same choices our form of the query could be wrong as the table is: it counts only
    -- where it gives, choosing anew, what the query gives.
    select format('select not exists (%s) and not exists (%s)',
        pgtrickle._comparison_sql(stream_table, p.plan #>> '{check,query}', pgtrickle._extent(stream_table.pgt_relid)),
        pgtrickle._comparison_sql(stream_table, stream_table.defining_query, format('(%s)', p.plan #>> '{check,unchosen}')))
    from pgtrickle.pgt_plans p
    where p.pgt_id = stream_table.pgt_id
      and p.plan_status = 'COMPILED'
      and p.plan #>> '{check,unchosen}' is not null
      and stream_table.is_populated
      and pg_has_role(stream_table.pgt_owner, 'USAGE')
$$;
comment on function pgtrickle._is_chosen_sql(pgtrickle.pgt_stream_tables) is
    'Statement that tells whether a stream table equals what its query gives with the choices PostgreSQL made for its groups; null where there are none, or the caller may not read them';


create or replace function pgtrickle._verify(target bigint, examples integer)
    returns table (row_text text, in_query bigint, in_table bigint)
    language plpgsql
    -- What is estimated for the copies makes compiling take seconds, for nothing.
    set jit = off
as $$
#variable_conflict use_column
declare
    st pgtrickle.pgt_stream_tables := (select s from pgtrickle.pgt_stream_tables s where s.pgt_id = target);
    statement constant text := pgtrickle._verify_sql(st);
    is_chosen constant text := pgtrickle._is_chosen_sql(st);
    is_equal boolean := false;
    settings jsonb := '{}';
    item record;
begin
    -- The query means what it means under the settings of its creation; they are put back below.
    for item in
        select s.key, s.value from jsonb_each_text(st.defining_settings) s
        union all
        select 'search_path', pgtrickle._pinned_search_path(st.defining_search_path)
    loop
        settings := settings || jsonb_build_object(item.key, current_setting(item.key));
        perform set_config(item.key, item.value, true);
    end loop;
    if is_chosen is not null then
        execute format('select not exists (%s)', statement) into is_equal using 1;
        if not is_equal then
            execute is_chosen into is_equal using 1;
        end if;
    end if;
    if not is_equal then
        return query execute statement using examples;
    end if;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    perform pgtrickle._fire_deferred();
    for item in select s.key, s.value from jsonb_each_text(settings) s
    loop
        perform set_config(item.key, item.value, true);
    end loop;
end
$$;
comment on function pgtrickle._verify(bigint, integer) is
    'Compares a stream table with its query as the calling role';


create or replace function pgtrickle._awaited(target pgtrickle.pgt_stream_tables)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    pending text;
begin
    if not target.is_populated then
        return 'it was never filled';
    end if;
    select string_agg(case when c.truncated then format('%s was truncated', c.source_relid::regclass)
            else format('%s changed rows of %s', c.pending, c.source_relid::regclass) end, ', ' order by c.source_relid)
    into pending
    from pgtrickle._pending_changes(target.pgt_id) c
    where c.pending > 0 or c.truncated;
    return case
        when pending is not null then format('%s since its last refresh', pending)
        when target.effective_refresh_mode = 'FULL'
            then format('it is recomputed, and shows its sources as of %s', target.last_refresh_at)
        when exists (select from pgtrickle.pgt_plans p where p.pgt_id = target.pgt_id and p.plan -> 'deltas' ? 'time')
            then format('its query reads the time, and it shows that of %s', target.last_refresh_at)
    end;
end
$$;
comment on function pgtrickle._awaited(pgtrickle.pgt_stream_tables) is
    'Why a stream table may differ from its query until its next refresh; null where no reason is known to the caller. Changes not captured yet and those of others'' tables are not known';


create or replace function pgtrickle.verify_stream_table(name text, examples integer default 5)
    returns table (row_text text, in_query bigint, in_table bigint)
    language plpgsql
as $$
#variable_conflict use_column
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    verifier constant text := pg_catalog.format('verify_%s(integer)', target.pgt_id);
    awaited text;
begin
    if pg_catalog.pg_has_role(target.pgt_owner, 'USAGE') then
        perform pgtrickle._check_executor(target, verifier);
        return query execute pg_catalog.format('select * from pgtrickle_state.verify_%s($1)', target.pgt_id) using examples;
    else
        -- A reader compares what he may read himself.
        return query select * from pgtrickle._verify(target.pgt_id, examples);
    end if;
    if found then
        awaited := pgtrickle._awaited(target);
    end if;
    if awaited is not null then
        raise notice using
            message = pg_catalog.format('stream table %I.%I awaits a refresh: %s', target.pgt_schema, target.pgt_name, awaited),
            hint = pg_catalog.format('Refresh it before it is verified: select pgtrickle.refresh_stream_table(%L)',
                pg_catalog.format('%I.%I', target.pgt_schema, target.pgt_name));
    end if;
end
$$;
comment on function pgtrickle.verify_stream_table(text, integer) is
    'Rows that a stream table and its query do not have in equal number, as text, at most so many (null: all); none means equal. Reads everything, as the table''s owner where the caller has that role. A notice tells where they differ because a refresh is due';
