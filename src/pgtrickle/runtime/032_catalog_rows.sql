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


create or replace function pgtrickle._check_readable_source()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if new.source_number is not null
        and row_security_active(tg_relid)
        and has_any_column_privilege(new.source_relid, 'SELECT') is not true
    then
        raise exception using
            errcode = '42501',
            message = format('role %I may not read %s, and so not have its changes kept', current_user, new.source_relid::regclass);
    end if;
    return new;
end
$$;
comment on function pgtrickle._check_readable_source() is
    'Trigger: captured changes are kept for who may read the source, and for nobody else';

create or replace trigger readable_source
    before insert or update of source_relid, source_number on pgtrickle.pgt_dependencies
    for each row execute function pgtrickle._check_readable_source();
