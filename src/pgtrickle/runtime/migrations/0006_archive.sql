-- A third table of each change buffer, for what lags behind.

alter table pgtrickle.pgt_captures
    add column archived_from xid8,
    add column archived_until xid8,
    add column archived_by xid8;
comment on column pgtrickle.pgt_captures.archived_until is 'Highest transaction of the changes in the archive: whose snapshot has none in flight up to it has consumed the archive; null when the archive is empty';
comment on column pgtrickle.pgt_captures.archived_by is 'Transaction that last moved changes to the archive, all of them committed then: whose snapshot sees it has consumed the archive';
comment on column pgtrickle.pgt_captures.archived_from is 'Changes of transactions before it are not in the archive any more';

do $$
declare
    source oid;
    archive text;
    allowed record;
begin
    for source in
        select c.source_relid
        from pgtrickle.pgt_captures c
        where to_regclass(pg_catalog.format('pgtrickle_changes.changes_%s_0', c.source_relid)) is not null
        order by c.source_relid
    loop
        archive := pg_catalog.format('pgtrickle_changes.changes_%s_2', source);
        execute pg_catalog.format('create table %s (like pgtrickle_changes.changes_%s_0)'
            ' with (autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_scale_factor = 0.5, autovacuum_analyze_threshold = 1000000000)',
            archive, source);
        execute pg_catalog.format('alter table %s replica identity full', archive);
        execute pg_catalog.format('alter table %s enable row level security', archive);
        execute pg_catalog.format('create policy readers_of_source on %s for select'
            ' using (has_any_column_privilege(%2$s::oid, ''SELECT'') and not row_security_active(%2$s::oid))', archive, source);
        for allowed in
            select a.attname, x.grantee
            from pg_catalog.pg_attribute a
            cross join lateral pg_catalog.aclexplode(a.attacl) x
            where a.attrelid = pg_catalog.to_regclass(pg_catalog.format('pgtrickle_changes.changes_%s_0', source))
              and a.attnum > 0
              and x.privilege_type = 'SELECT'
        loop
            execute pg_catalog.format('grant select (%I) on %s to %s', allowed.attname, archive,
                case allowed.grantee when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(allowed.grantee)) end);
        end loop;
    end loop;
end
$$;

drop function if exists pgtrickle._is_consumed(regclass, oid);
