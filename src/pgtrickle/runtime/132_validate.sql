-- What can be told of a query without a compiler and without creating anything.

create or replace function pgtrickle._probe_findings(probe oid)
    returns table (check_name text, result text, severity text)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    with obstacle as (
        select s.relid, pgtrickle._quoted(s.schema_name, s.relation_name) as name, lower(replace(s.source_type, '_', ' ')) as kind,
            case when s.source_type <> 'VIEW' then
                coalesce(
                    pgtrickle._not_capturable(s.relid),
                    case when pgtrickle._row_security_applies(s.relid, current_user)
                        then format('row security of %s applies to role %I', s.relid::regclass, current_user) end,
                    (select format('role %I may not create triggers on %s', current_user, m::regclass)
                     from pgtrickle._members(s.relid) m
                     where not has_table_privilege(m, 'TRIGGER')
                     limit 1))
            end as reason
        from pgtrickle._probe_sources(probe) s
    ),
    finding (number, check_name, result, severity) as (
        select 2, 'source',
            format('%s (%s): %s', o.name, o.kind,
                case when o.kind = 'view' then 'is replaced by its definition'
                    when o.reason is null then 'changes can be captured'
                    else 'changes cannot be captured: ' || o.reason end),
            case when o.reason is null then 'INFO' else 'WARNING' end
        from obstacle o
        union all
        select 2, 'source', 'the query reads no table, so it never changes', 'WARNING'
        where not exists (select from obstacle o where o.kind <> 'view')
        union all
        select 3, 'volatility',
            case f.volatility when 'v' then format('%s is volatile: it may give another value at each call', f.signature)
                else format('%s is stable and a user''s own: it may read anything', f.signature) end,
            'WARNING'
        from pgtrickle._probe_functions(probe) f
        where f.volatility = 'v' or (f.volatility = 's' and f.is_user_defined)
    )
    select f.check_name, f.result, f.severity
    from (
        select * from finding
        union all
        select 4, 'resolved_refresh_mode',
            case when exists (select from finding f where f.severity = 'WARNING')
                then 'FULL: recomputed, and the difference applied'
                else 'DIFFERENTIAL, unless the compiler finds an obstacle: pgtrickle explain tells' end,
            'INFO'
    ) f
    order by f.number, f.check_name, f.result
$$;
comment on function pgtrickle._probe_findings(oid) is 'What validate_query tells of a query that can define a stream table';


create or replace function pgtrickle.validate_query(query text)
    returns table (check_name text, result text, severity text)
    language plpgsql
    set jit = off
as $$
declare
    probe oid;
    message text;
    hint text;
begin
    begin
        probe := pgtrickle._create_probe(query, pg_catalog.current_setting('search_path'));
        perform pgtrickle._check_probe(probe);
    exception when others then
        get stacked diagnostics message = message_text, hint = pg_exception_hint;
        return query select 'valid', pg_catalog.concat_ws('. ', message, nullif(hint, '')), 'ERROR';
        return;
    end;
    return query select 'valid', 'the query can define a stream table', 'INFO';
    return query select f.check_name, f.result, f.severity from pgtrickle._probe_findings(probe) f;
    perform pgtrickle._drop_probe(probe);
end
$$;
comment on function pgtrickle.validate_query(text) is
    'What the database alone can tell of a query, read under the caller''s search_path: whether it can define a stream table (severity ERROR where not), what it reads, and what forces it to be recomputed (WARNING)';


create or replace function pgtrickle.explain_query_rewrite(query text)
    returns table (pass_name text, changed boolean, sql_after text)
    language plpgsql
    strict
    set jit = off
as $$
declare
    found record := pgtrickle._analyze_query(query, pg_catalog.current_setting('search_path'));
    given constant text := pg_catalog.rtrim(pg_catalog.btrim(query, E' \t\n'), E'; \t\n');
begin
    return query values
        ('given'::text, false, query),
        ('canonical', pg_catalog.regexp_replace(found.canonical, '\s+', ' ', 'g') is distinct from pg_catalog.regexp_replace(given, '\s+', ' ', 'g'), found.canonical),
        ('kept', not found.faithful, case when found.faithful then found.canonical else query end);
end
$$;
comment on function pgtrickle.explain_query_rewrite(text) is
    'What is made of a query before it defines a stream table: canonical, as PostgreSQL itself understands it (stars expanded, names qualified, casts explicit); kept, what is stored, which is the text given where the canonical one may mean something else. What the compiler makes of it, pgtrickle explain tells';
