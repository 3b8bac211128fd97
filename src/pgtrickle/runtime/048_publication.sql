-- Sources in the write-ahead log: the publication that says which.
--
-- Under cdc_mode wal or auto a source begins with triggers, as any other. A worker moves it to the
-- log (062_wal.sql): writers are locked out, the source enters the publication and its triggers go,
-- in one transaction, so that each change is in one of the two and none in both. The way back is
-- the same in reverse. One publication and one slot serve all sources of a database.

create or replace function pgtrickle._published(source oid)
    returns text
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select md5(format('%s %s %s %s', p.oid, p.xmin, r.oid, r.xmin))
    from pg_publication p
    join pg_publication_rel r on r.prpubid = p.oid
    where p.pubname = 'pgtrickle'
      and r.prrelid = source
$$;
comment on function pgtrickle._published(oid) is
    'Fingerprint of a source''s place in the publication, null where it has none. It holds versions of catalog rows, so that leaving and coming back shows';


create or replace function pgtrickle._unpublish(source oid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if pgtrickle._published(source) is not null then
        execute format('alter publication pgtrickle drop table %s', source::regclass);
    end if;
end
$$;
comment on function pgtrickle._unpublish(oid) is 'Takes a source out of the publication; what was written before is still decoded';
revoke all on function pgtrickle._unpublish(oid) from public;


create or replace function pgtrickle._reads_wal(source oid)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Asked at every refresh, so in plpgsql, which keeps its plan.
    return exists (
        select from pgtrickle.pgt_captures c
        where c.source_relid = source
          and (c.cdc_mode = 'WAL'
              or c.wal_until > coalesce((select w.decoded_lsn from pgtrickle.pgt_wal_slot w), '0/0')));
end
$$;
comment on function pgtrickle._reads_wal(oid) is
    'Whether changes of a source come from the log, so that its buffer lags behind what is committed';
