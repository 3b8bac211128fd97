-- Types by OID, and those they are made of. One row each.
--
--   base, element, subtype, attributes   what a domain, an array, a range or a composite is made of
--   has_order, equal_is_same, has_hash   by the default operator classes of the type itself, or of
--     one it is silently and binarily taken for (varchar for text), or of all enums. Whether equal
--     values have equal images is known to PostgreSQL as support function 4 of a btree class. bpchar
--     claims it, but 'a'::bpchar and 'a '::bpchar are equal and differ.
--   is_compared   whether = finds the equality of these classes in the schemas of the second
--     parameter, or of the session: not where an extension's schema is not among them. Two values of
--     citext are then compared as text. pg_catalog is first, as in whatever runs a plan.
with recursive made_of (oid, base, element, subtype, attributes) as not materialized (
  select t.oid, t.typbasetype,
    case when t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
      then t.typelem else 0 end,
    coalesce((
      select r.rngsubtype
      from pg_catalog.pg_range r
      where t.oid in (r.rngtypid, r.rngmultitypid)
    ), 0),
    array(
      select a.atttypid
      from pg_catalog.pg_attribute a
      where a.attrelid = t.typrelid
        and a.attnum > 0
        and not a.attisdropped
    )
  from pg_catalog.pg_type t
),
reached (oid) as (
  select unnest(%s::oid[])
  union
  select part
  from reached r
  join made_of m on m.oid = r.oid
  cross join lateral unnest(array[m.base, m.element, m.subtype] || m.attributes) as part
  where part <> 0
),
candidate (oid, type) as (
  select r.oid, r.oid
  from reached r
  union all
  select r.oid, 'pg_catalog.anyenum'::regtype
  from reached r
  join pg_catalog.pg_type t on t.oid = r.oid and t.typtype = 'e'
  union all
  select r.oid, k.casttarget
  from reached r
  join pg_catalog.pg_cast k
    on k.castsource = r.oid
    and k.castmethod = 'b'
    and k.castcontext = 'i'
),
class (oid, method, family, type) as (
  select d.oid, m.amname, c.opcfamily, c.opcintype
  from candidate d
  join pg_catalog.pg_type t on t.oid = d.oid
  join pg_catalog.pg_opclass c on c.opcintype = d.type and c.opcdefault
  join pg_catalog.pg_am m on m.oid = c.opcmethod and m.amname in ('btree', 'hash')
  where d.type = d.oid
    or t.typtype = 'e'
    or not exists (
      select from pg_catalog.pg_opclass own
      where own.opcdefault and own.opcmethod = c.opcmethod and own.opcintype = d.oid
    )
)
select t.oid::bigint, n.nspname::text, t.typname::text, t.typtype::text, t.typcategory::text,
  m.base::bigint, m.element::bigint, m.subtype::bigint, m.attributes::bigint[],
  exists (select from class c where c.oid = r.oid and c.method = 'btree'),
  exists (
    select from class c
    join pg_catalog.pg_amproc p
      on p.amprocfamily = c.family
      and p.amproclefttype = c.type
      and p.amprocrighttype = c.type
      and p.amprocnum = 4
    where c.oid = r.oid
      and c.method = 'btree'
      and c.type <> 'pg_catalog.bpchar'::regtype
  ),
  exists (select from class c where c.oid = r.oid and c.method = 'hash'),
  not exists (
    select from class c
    join pg_catalog.pg_amop o
      on o.amopfamily = c.family
      and o.amoplefttype = c.type
      and o.amoprighttype = c.type
      and o.amopstrategy = case c.method when 'btree' then 3 else 1 end
    where c.oid = r.oid
      and o.amopopr is distinct from (
        select same.oid
        from pg_catalog.pg_operator equality
        join pg_catalog.pg_operator same
          on same.oprname = equality.oprname
          and same.oprleft = equality.oprleft
          and same.oprright = equality.oprright
        join pg_catalog.pg_namespace s on s.oid = same.oprnamespace
        join unnest(coalesce(%s::text[], pg_catalog.current_schemas(true)::text[]))
          with ordinality as path (name, place) on path.name = s.nspname
        where equality.oid = o.amopopr
        order by path.name <> 'pg_catalog', path.place
        limit 1
      )
  )
from reached r
join pg_catalog.pg_type t on t.oid = r.oid
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
join made_of m on m.oid = r.oid
