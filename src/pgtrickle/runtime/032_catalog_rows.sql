-- What a role writes into the catalog by hand. Row security lets everybody write the rows of stream
-- tables of their own; these triggers have such a row speak of nothing that is another role's. They
-- fire for columns that are written at creation and at changes of the query, not at a refresh.

create or replace function pgtrickle._check_own_table()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if row_security_active(tg_relid) and not exists (
        select
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where c.oid = new.pgt_relid
          and c.relowner = new.pgt_owner
          and (n.nspname, c.relname) = (new.pgt_schema, new.pgt_name))
    then
        raise exception using
            errcode = '42501',
            message = format('%I.%I is not a table of role %I', new.pgt_schema, new.pgt_name, pg_get_userbyid(new.pgt_owner)),
            hint = 'Call the functions of pgtrickle instead of writing its catalog';
    end if;
    return new;
end
$$;
comment on function pgtrickle._check_own_table() is
    'Trigger: a stream table''s catalog row names a table that exists and belongs to its owner. Whoever is beyond row security, as the runtime''s owner, follows renames and dumps';

create or replace trigger own_table
    before insert or update of pgt_relid, pgt_schema, pgt_name, pgt_owner on pgtrickle.pgt_stream_tables
    for each row execute function pgtrickle._check_own_table();


create or replace function pgtrickle._may_read(reader oid, source oid)
    returns boolean
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    -- A view reads as its owner, who may have made it without having any rights. What is read
    -- through one that is security_invoker the reader needs rights on anyway.
    with recursive way (relid) as (
        select source
        union
        select v.oid
        from way w
        join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = w.relid and d.classid = 'pg_rewrite'::regclass
        join pg_rewrite r on r.oid = d.objid
        join pg_class v on v.oid = r.ev_class
        where v.relkind = 'v'
          and v.oid <> w.relid
          and has_any_column_privilege(v.relowner, w.relid, 'SELECT')
          and not exists (
              select
              from pg_options_to_table(v.reloptions) o
              where o.option_name = 'security_invoker'
                and o.option_value::boolean)
    )
    select has_any_column_privilege(reader, source, 'SELECT')
        or exists (select from way w where has_any_column_privilege(reader, w.relid, 'SELECT'))
$$;
comment on function pgtrickle._may_read(oid, oid) is
    'Whether a role may read a relation, itself or through a view';


create or replace function pgtrickle._check_readable_source()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    is_claimed constant boolean := tg_op = 'INSERT' or new.source_relid <> old.source_relid;
begin
    if not row_security_active(tg_relid) then
        return new;
    end if;
    if new.source_number is not null and has_any_column_privilege(new.source_relid, 'SELECT') is not true then
        raise exception using
            errcode = '42501',
            message = format('role %I may not read %s, and so not have its changes kept', current_user, new.source_relid::regclass);
    end if;
    if is_claimed and pgtrickle._may_read(to_regrole(quote_ident(current_user)), new.source_relid) is not true then
        raise exception using
            errcode = '42501',
            message = format('role %I may not read %s, and so no stream table of that role reads it', current_user, new.source_relid::regclass);
    end if;
    return new;
end
$$;
comment on function pgtrickle._check_readable_source() is
    'Trigger: a stream table reads what its owner may read, itself or through a view, and changes are kept for who may read the source itself';

create or replace trigger readable_source
    before insert or update of source_relid, source_number on pgtrickle.pgt_dependencies
    for each row execute function pgtrickle._check_readable_source();


create or replace function pgtrickle._refuse_choice()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using
        errcode = '23514',
        message = format('what is chosen for stream table %I.%I is none of the choices there are', new.pgt_schema, new.pgt_name),
        hint = 'pgtrickle.alter_stream_table changes a stream table, and says what may be chosen',
        schema = tg_table_schema,
        table = tg_table_name,
        constraint = tg_name;
end
$$;
comment on function pgtrickle._refuse_choice() is 'Trigger: refuses a stream table''s row in which a choice is unknown';

-- As a check of the table each of these would be read and planned by every refresh.
create or replace trigger known_choices
    before insert or update of
        refresh_mode, requested_refresh_mode, diamond_consistency, diamond_schedule_policy, requested_cdc_mode,
        refresh_tier, fuse_mode, fuse_state, post_refresh_action, freshness_deadline_ms
    on pgtrickle.pgt_stream_tables
    for each row
    when (not (
        new.refresh_mode in ('FULL', 'DIFFERENTIAL', 'IMMEDIATE')
        and new.requested_refresh_mode in ('AUTO', 'FULL', 'DIFFERENTIAL', 'IMMEDIATE')
        and new.diamond_consistency in ('none', 'atomic')
        and new.diamond_schedule_policy in ('fastest', 'slowest')
        and new.requested_cdc_mode in ('auto', 'trigger', 'wal')
        and new.refresh_tier in ('hot', 'warm', 'cold', 'frozen')
        and new.fuse_mode in ('off', 'on', 'auto')
        and new.fuse_state in ('armed', 'blown', 'disabled')
        and new.post_refresh_action in ('none', 'analyze', 'reindex', 'reindex_if_drift')
        and new.freshness_deadline_ms between 1 and 9000000000000000))
    execute function pgtrickle._refuse_choice();
