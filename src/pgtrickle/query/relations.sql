-- Relations by OID, and those that stand under the views among them, at any depth. One row each.
--
--   unseen   a partition at any depth whose changes nothing captures, and why
--   reads    OIDs of what a view names itself
--   keys     unique indexes that identify rows (on plain columns, all NOT NULL, checked at once, and
--            equal there where they are equal to queries): [index, [columns], is primary], the
--            primary key first, then the narrowest
--   columns  [name, number, type OID, type, type modifier, is NOT NULL, generated, collation OID or
--            0, whether the collation is deterministic] in order, without dropped ones
--
-- A type is spelled as format_type() does under an empty search_path, whatever the session's is.
-- NOT NULL counts where every row is known to comply: not while the constraint is not validated.
with recursive reads (view, oid) as not materialized (
  select v.oid, d.refobjid
  from pg_catalog.pg_class v
  join pg_catalog.pg_rewrite w on w.ev_class = v.oid and w.rulename = '_RETURN'
  join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_rewrite'::regclass
    and d.objid = w.oid
    and d.refclassid = 'pg_catalog.pg_class'::regclass
    and d.refobjid <> v.oid
  where v.relkind = 'v'
),
reached (oid) as (
  select unnest(%s::oid[])
  union
  select s.oid
  from reached r
  join reads s on s.view = r.oid
)
select c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text,
  pg_catalog.pg_get_userbyid(c.relowner)::text, coalesce(c.reloptions, '{}')::text[],
  c.relispartition,
  exists (select from pg_catalog.pg_inherits i where i.inhparent = c.oid),
  exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid),
  exists (
    select from pg_catalog.pg_subscription_rel r
    where r.srrelid = c.oid or r.srrelid in (select t.relid from pg_catalog.pg_partition_tree(c.oid) t)),
  c.relrowsecurity,
  pg_catalog.row_security_active(c.oid),
  pg_catalog.has_table_privilege(c.oid, 'SELECT')
    and pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
  case when c.relkind = 'p' then (
    select pg_catalog.format('%%I.%%I is %%s', x.nspname, m.relname,
      case m.relkind when 'f' then 'a foreign table' else 'an unlogged table' end)
    from pg_catalog.pg_partition_tree(c.oid) p
    join pg_catalog.pg_class m on m.oid = p.relid
    join pg_catalog.pg_namespace x on x.oid = m.relnamespace
    where m.relkind = 'f' or m.relpersistence = 'u'
    order by 1
    limit 1
  ) end,
  array(select distinct s.oid::bigint from reads s where s.view = c.oid order by 1),
  coalesce(columns.found, '[]')::text,
  coalesce(keys.found, '[]')::text
from reached r
join pg_catalog.pg_class c on c.oid = r.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join lateral (
  select json_agg(json_build_array(
    a.attname, a.attnum, a.atttypid::bigint,
    case when n.nspname = 'pg_catalog'
      then pg_catalog.format_type(a.atttypid, a.atttypmod)
      else pg_catalog.format('%%I.%%I', n.nspname, y.typname) || coalesce(
        substring(
          pg_catalog.format_type(a.atttypid, a.atttypmod)
          from '(?:\([^()"]*\))?(?:\[\])?$'
        ),
        ''
      )
    end,
    a.atttypmod,
    a.attnotnull and not exists (
      select from pg_catalog.pg_constraint k
      where k.conrelid = a.attrelid
        and k.contype = 'n'
        and k.conkey = array[a.attnum]
        and not k.convalidated
    ),
    a.attgenerated::text, a.attcollation::bigint, coalesce(l.collisdeterministic, true)
  ) order by a.attnum) as found
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_type y
    on y.oid = case when t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
      then t.typelem else t.oid end
  join pg_catalog.pg_namespace n on n.oid = y.typnamespace
  left join pg_catalog.pg_collation l on l.oid = a.attcollation
  where a.attrelid = c.oid
    and a.attnum > 0
    and not a.attisdropped
) as columns
cross join lateral (
  select json_agg(
    json_build_array(k.name, k.columns, k.is_primary) order by k.is_primary desc, k.width, k.name
  ) as found
  from (
    select x.relname as name, json_agg(a.attname order by k.place) as columns,
      i.indisprimary as is_primary, i.indnkeyatts as width
    from pg_catalog.pg_index i
    join pg_catalog.pg_class x on x.oid = i.indexrelid
    cross join lateral rows from (
      unnest(i.indkey::smallint[]), unnest(i.indclass::oid[]), unnest(i.indcollation::oid[])
    ) with ordinality as k (number, operators, sorting, place)
    left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
    left join pg_catalog.pg_opclass o on o.oid = k.operators
    left join pg_catalog.pg_collation l on l.oid = a.attcollation
    where i.indrelid = c.oid
      and i.indisunique
      and i.indisvalid
      and i.indimmediate
      and not i.indisexclusion
      and i.indpred is null
      and i.indexprs is null
      and k.place <= i.indnkeyatts
    group by i.indexrelid, x.relname, i.indisprimary, i.indnkeyatts
    having bool_and(
      o.opcdefault
      and (a.attcollation = k.sorting or coalesce(l.collisdeterministic, true))
      and a.attnotnull
      and not exists (
        select from pg_catalog.pg_constraint n
        where n.conrelid = a.attrelid
          and n.contype = 'n'
          and n.conkey = array[a.attnum]
          and not n.convalidated
      )
    )
  ) as k
) as keys
