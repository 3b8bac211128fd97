"""The shape of an installed runtime: every object with its definition, as comparable text."""

from __future__ import annotations

from typing import Any

import psycopg

SHAPE = """
with ours as (
    select oid, nspname
    from pg_namespace
    where nspname in ('pgtrickle', 'pgtrickle_state', 'pgtrickle_changes')
)
select format('schema %s %s %s', nspname, obj_description(n.oid, 'pg_namespace'),
    nspacl::text) as line
from ours join pg_namespace n using (oid, nspname)
union all
select format('relation %s.%s %s rls=%s acl=%s options=%s %s', nspname, relname, relkind,
    relrowsecurity, relacl::text, reloptions::text, obj_description(c.oid, 'pg_class'))
from ours join pg_class c on relnamespace = ours.oid where relkind <> 'i'
union all
select format('column %s.%s %s %s notnull=%s default=%s %s', nspname, relname, attname,
    format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid),
    col_description(c.oid, attnum))
from ours join pg_class c on relnamespace = ours.oid
join pg_attribute a on attrelid = c.oid and attnum > 0 and not attisdropped
left join pg_attrdef d on adrelid = c.oid and adnum = attnum
where relkind in ('r', 'v', 'c')
union all
select format('constraint %s.%s %s', conrelid::regclass, conname, pg_get_constraintdef(c.oid))
from ours join pg_constraint c on connamespace = ours.oid
union all
select format('index %s', indexdef) from pg_indexes where schemaname in (select nspname from ours)
union all
select format('view %s %s', c.oid::regclass, pg_get_viewdef(c.oid))
from ours join pg_class c on relnamespace = ours.oid where relkind = 'v'
union all
select format('policy %s.%s %s %s %s', polrelid::regclass, polname, polcmd,
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
from pg_policy join pg_class c on c.oid = polrelid join ours on relnamespace = ours.oid
union all
select format('function %s acl=%s %s %s', p.oid::regprocedure, proacl::text,
    pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'))
from ours join pg_proc p on pronamespace = ours.oid
union all
select format('setting %s %s %s', name, value, description) from pgtrickle.settings
order by 1
"""


def shape(connection: psycopg.Connection[Any]) -> list[str]:
    return [line for (line,) in connection.execute(SHAPE).fetchall()]
