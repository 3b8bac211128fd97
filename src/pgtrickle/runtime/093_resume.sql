-- Suspending stream tables and bringing them back.

create or replace function pgtrickle.resume_stream_table(name text)
    returns void
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables;
    former_role text;
begin
    perform pgtrickle._cleanup_dropped();
    target := pgtrickle._find(name);
    perform pgtrickle._check_owner(target);
    if target.status not in ('SUSPENDED', 'ERROR') then
        raise exception using
            errcode = '55000',
            message = pg_catalog.format('stream table %I.%I is not suspended: its status is %s', target.pgt_schema, target.pgt_name, target.status);
    end if;
    if target.fuse_state = 'blown' then
        raise exception using
            errcode = '55000',
            message = pg_catalog.format('stream table %I.%I is suspended because its fuse is blown: %s', target.pgt_schema, target.pgt_name, target.blow_reason),
            hint = pg_catalog.format('select pgtrickle.reset_fuse(%L, ''apply''), or ''reinitialize'', or ''skip_changes''', name);
    end if;
    former_role := pgtrickle._act_as_owner(target);
    perform pgtrickle._lock_writers(target);
    perform pgtrickle._alter_status(target, 'ACTIVE');
    perform pgtrickle._catch_up(target.pgt_id);
    perform pgtrickle._act_again_as(former_role);
    perform pgtrickle._notify(target, 'resumed');
end
$$;
comment on function pgtrickle.resume_stream_table(text) is
    'Brings a suspended or failed stream table back to ACTIVE and forgets its errors; an IMMEDIATE one is also brought up to date; error 55000 where it is neither';


create or replace function pgtrickle.pause_stream_table(name text)
    returns void
    language plpgsql
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables;
    former_role text;
begin
    perform pgtrickle._cleanup_dropped();
    target := pgtrickle._find(name);
    perform pgtrickle._check_owner(target);
    former_role := pgtrickle._act_as_owner(target);
    perform pgtrickle._lock_writers(target);
    perform pgtrickle._alter_status(target, 'SUSPENDED');
    perform pgtrickle._act_again_as(former_role);
end
$$;
comment on function pgtrickle.pause_stream_table(text) is
    'Suspends a stream table: it keeps its contents and is not refreshed until resume_stream_table';


create or replace function pgtrickle.pause_all()
    returns void
    language plpgsql
    set jit = off
as $$
begin
    perform pgtrickle._cleanup_dropped();
    perform pgtrickle._lock_writers(s)
    from pgtrickle.pgt_stream_tables s
    where s.refresh_mode = 'IMMEDIATE'
      and s.status <> 'SUSPENDED'
      and pg_catalog.pg_has_role(s.pgt_owner, 'USAGE');
    perform pgtrickle._alter_status(s, 'SUSPENDED')
    from pgtrickle.pgt_stream_tables s
    where s.status <> 'SUSPENDED'
      and pg_catalog.pg_has_role(s.pgt_owner, 'USAGE');
end
$$;
comment on function pgtrickle.pause_all() is
    'Suspends all stream tables of the caller''s: they keep their contents and are not refreshed until resume_all, or resume_stream_table for one';


create or replace function pgtrickle.resume_all()
    returns void
    language plpgsql
    set jit = off
as $$
declare
    suspended pgtrickle.pgt_stream_tables;
begin
    perform pgtrickle._cleanup_dropped();
    for suspended in
        select s.*
        from pgtrickle.pgt_stream_tables s
        where s.status = 'SUSPENDED'
          and s.fuse_state <> 'blown'
          and pg_catalog.pg_has_role(s.pgt_owner, 'USAGE')
    loop
        perform pgtrickle.resume_stream_table(pgtrickle._quoted(suspended.pgt_schema, suspended.pgt_name));
    end loop;
end
$$;
comment on function pgtrickle.resume_all() is
    'Brings all suspended stream tables of the caller''s back to ACTIVE, those suspended after failures too; not those whose fuse has blown';
