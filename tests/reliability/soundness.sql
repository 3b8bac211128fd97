-- A row for each thing that is not as it should be; none in a sound database. For a superuser.
with
stream_table as (
    select s.*, c.oid is not null as has_table, c.relname, n.nspname, c.relowner, p.plan_status, p.plan
    from pgtrickle.pgt_stream_tables s
    left join pg_class c on c.oid = s.pgt_relid
    left join pg_namespace n on n.oid = c.relnamespace
    left join pgtrickle.pgt_plans p using (pgt_id)
),
source as (
    select distinct d.source_relid as relid
    from pgtrickle.pgt_dependencies d
    where d.source_number is not null
),
capture_object as (
    select c.relname as name, (regexp_match(c.relname, '^(?:changes|segment)_(\d+)'))[1]::oid as relid
    from pg_class c
    where c.relnamespace = 'pgtrickle_changes'::regnamespace
      and c.relkind in ('r', 'S')
      and c.relname <> 'change_seq'
    union all
    select p.proname, (regexp_match(p.proname, '^capture_(\d+)$'))[1]::oid
    from pg_proc p
    where p.pronamespace = 'pgtrickle_changes'::regnamespace
      and p.proname like 'capture%'
)
select format('%s.%s is in the catalog but has no table', pgt_schema, pgt_name)
from stream_table
where not has_table
union all
select format('%s.%s is called %s.%s', pgt_schema, pgt_name, nspname, relname)
from stream_table
where has_table and (pgt_schema, pgt_name) <> (nspname, relname)
union all
select format('%s.%s belongs to another role than its table', pgt_schema, pgt_name)
from stream_table
where has_table and pgt_owner <> relowner
union all
select format('%s.%s has no plan row', pgt_schema, pgt_name)
from stream_table
where plan_status is null
union all
select format('%s.%s has no frontier row', pgt_schema, pgt_name)
from stream_table
where pgt_id not in (select f.pgt_id from pgtrickle.pgt_frontiers f)
union all
select format('%s.%s has no executor', pgt_schema, pgt_name)
from stream_table
where to_regproc(format('pgtrickle_state.refresh_%s', pgt_id)) is null
union all
select format('%s.%s has no guard trigger', pgt_schema, pgt_name)
from stream_table
where has_table and not exists (select from pg_trigger t where t.tgrelid = pgt_relid and t.tgname like 'pgtrickle_guard%')
union all
select format('%s.%s lacks the state table %s', pgt_schema, pgt_name, state ->> 'name')
from stream_table
cross join jsonb_array_elements(case when plan_status = 'COMPILED' and plan ->> 'mode' = 'DIFFERENTIAL' and refresh_mode <> 'FULL' then plan -> 'state' else '[]' end) state
where to_regclass(format('pgtrickle_state.%I', state ->> 'name')) is null
union all
select format('%s reads a relation that is gone: %I.%I', d.pgt_id, d.source_schema, d.source_name)
from pgtrickle.pgt_dependencies d
where not exists (select from pg_class c where c.oid = d.source_relid)
union all
select format('the source %s is consumed and not captured', s.relid::regclass)
from source s
where s.relid not in (select k.source_relid from pgtrickle.pgt_captures k)
union all
select format('the capture of %s has no consumer', k.source_relid::regclass)
from pgtrickle.pgt_captures k
where k.source_relid not in (select relid from source)
union all
select format('%s belongs to no capture', name)
from capture_object
where relid not in (select k.source_relid from pgtrickle.pgt_captures k)
union all
select format('the trigger %s on %s belongs to nothing', t.tgname, t.tgrelid::regclass)
from pg_trigger t
join pg_proc p on p.oid = t.tgfoid
where p.pronamespace = 'pgtrickle_changes'::regnamespace
  and case
        when p.proname like 'capture%' then substring(p.proname from '\d+$')::oid not in (select k.source_relid from pgtrickle.pgt_captures k)
        else not exists (
            select
            from stream_table s
            join pgtrickle.pgt_dependencies d using (pgt_id)
            where d.source_relid = substring(p.proname from '\d+$')::oid
              and s.requested_refresh_mode = 'IMMEDIATE')
      end
union all
select format('%s is state of no stream table', c.relname)
from pg_class c
where c.relnamespace = 'pgtrickle_state'::regnamespace
  and c.relkind = 'r'
  and not exists (
        select
        from stream_table s
        cross join jsonb_array_elements(s.plan -> 'state') state
        where state ->> 'name' = c.relname)
union all
select format('%s is the executor of no stream table', p.oid::regprocedure)
from pg_proc p
where p.pronamespace = 'pgtrickle_state'::regnamespace
  and p.proname ~ '^(refresh|maintain)_\d+$'
  and substring(p.proname from '\d+$')::bigint not in (select pgt_id from stream_table)
union all
select format('a plan offered by transaction %s was left behind', o.offered_xid)
from pgtrickle.pgt_offered_plans o
union all
select format('refresh %s of %s is said to be running still', h.refresh_id, h.pgt_id)
from pgtrickle.pgt_refresh_history h
where h.status = 'RUNNING'
union all
select format('the identity index of a stream table is left behind: %s', c.oid::regclass)
from pg_class c
join pg_index i on i.indexrelid = c.oid
where c.relname ~ '^pgtrickle_identity_\d+$'
  and not exists (
        select
        from stream_table s
        where s.pgt_relid = i.indrelid
          and c.relname = 'pgtrickle_identity_' || s.pgt_id)
union all
select format('%s is invalid', c.oid::regclass)
from pg_class c
join pg_index i on i.indexrelid = c.oid
where not i.indisvalid
union all
select format('the prepared transaction %s is left behind', x.gid)
from pg_prepared_xacts x
where x.database = current_database()
union all
select format('the replication slot %s is left behind', r.slot_name)
from pg_replication_slots r
where r.slot_name like 'pgtrickle%'
  and r.database = current_database()
union all
select format('process %s holds a lock on %s outside of a transaction', l.pid, coalesce(l.relation::regclass::text, l.locktype))
from pg_locks l
join pg_stat_activity a on a.pid = l.pid and a.datname = current_database()
where l.pid <> pg_backend_pid()
  and a.state = 'idle'
  and a.backend_type = 'client backend'
