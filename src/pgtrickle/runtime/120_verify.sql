-- Does a stream table equal its query? Asked in one statement, so at one snapshot.

create or replace function pgtrickle.verify_stream_table(name text, examples integer default 5)
    returns table (row_text text, in_query bigint, in_table bigint)
    language plpgsql
    volatile
as $$
#variable_conflict use_column
declare
    st pgtrickle.pgt_stream_tables := pgtrickle._find(name);
    settings jsonb;
    item record;
begin
    -- The query means what it means under the settings of its creation; they are put back below.
    settings := jsonb_build_object('search_path', current_setting('search_path'));
    for item in select key, value from jsonb_each_text(st.defining_settings)
    loop
        settings := settings || jsonb_build_object(item.key, current_setting(item.key));
        perform set_config(item.key, item.value, true);
    end loop;
    perform set_config('search_path', st.defining_search_path, true);

    return query execute format(
        'select image, coalesce(sum(n) filter (where n > 0), 0)::bigint, coalesce(- sum(n) filter (where n < 0), 0)::bigint
         from (select row(q.*)::text collate "C" as image, count(*) as n from (%s) as q group by 1
               union all
               select row(t.*)::text collate "C", - count(*) from %I.%I as t group by 1) as both_sides
         group by image
         having sum(n) <> 0
         order by image
         limit $1',
        st.defining_query, st.pgt_schema, st.pgt_name)
    using examples;

    for item in select key, value from jsonb_each_text(settings)
    loop
        perform set_config(item.key, item.value, true);
    end loop;
end
$$;
comment on function pgtrickle.verify_stream_table(text, integer) is
    'Rows that a stream table and its query do not have in equal number, as text, at most so many (null: all); none means equal. Reads everything';
