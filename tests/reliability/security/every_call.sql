-- A call of every function of the contract, as text: those that take nothing, or the name of a
-- stream table alone, are found in the catalog.
select format('%s pgtrickle.%I(%s)',
    case p.prokind when 'p' then 'call' else 'select' end,
    p.proname,
    case when p.pronargs > p.pronargdefaults then '''public.kinds''' end)
from pg_proc p
where p.pronamespace = 'pgtrickle'::regnamespace
  and p.proname !~ '^_'
  and p.proname !~ 'publication|snapshot|canary|^pause|^resume|^drop|reset_fuse|group$'
  and (p.pronargs = p.pronargdefaults
       or p.pronargs - p.pronargdefaults = 1 and p.proargnames[1] ~ 'name$' and p.proargtypes[0] = 'text'::regtype)
union all
select call
from unnest(array[
    $$select pgtrickle.create_refresh_group('g', array['public.kinds', 'public.live'])$$,
    $$select pgtrickle.create_watermark_group('w', array['public.item', 'public.kinds'])$$,
    $$select pgtrickle.advance_watermark('public.item', now())$$,
    $$select pgtrickle.gate_source('public.item')$$,
    $$select pgtrickle.refresh_stream_table('public.kinds')$$,
    $$select pgtrickle.ungate_source('public.item')$$,
    $$select pgtrickle.snapshot_stream_table('public.kinds', 'public.copy')$$,
    $$select pgtrickle.restore_from_snapshot('public.kinds', 'public.copy')$$,
    $$select pgtrickle.drop_snapshot('public.copy')$$,
    $$select pgtrickle.stream_table_to_publication('public.kinds')$$,
    $$select pgtrickle.drop_stream_table_publication('public.kinds')$$,
    $$select pgtrickle.validate_query('select id from public.item')$$,
    $$select pgtrickle.validate_options('{"schedule": "0s", "tier": "cold", "partition_by": "id"}', array['id'])$$,
    $$select pgtrickle.bulk_alter_stream_tables(array['public.kinds'], '{"schedule": "5m"}')$$,
    $$select pgtrickle.bulk_create('[{"name": "public.more", "query": "select id from public.item"}]')$$,
    $$select pgtrickle.bulk_drop_stream_tables(array['public.more'])$$,
    $$select pgtrickle.write_and_refresh('delete from public.item where id = 1', 'public.kinds')$$,
    $$select pgtrickle.create_or_replace_stream_table('public.kinds', 'select kind from public.item')$$,
    $$select pgtrickle.alter_stream_table('public.live', refresh_mode => 'AUTO', tier => 'cold', fuse => 'on', fuse_ceiling => 5)$$,
    $$select pgtrickle.explain_st('public.kinds', true)$$,
    $$select pgtrickle.refresh_stream_table('public.live')$$,
    $$select pgtrickle.create_stream_table('public.parts', 'select id, kind from public.item', partition_by => 'id')$$,
    $$select pgtrickle.add_partition('public.parts', '1', '3')$$,
    $$select pgtrickle.add_partition('public.parts', null, '1')$$,
    $$select pgtrickle.canary_begin('public.kinds', 'select kind, id from public.item')$$,
    $$select * from pgtrickle.canary_diff('public.kinds')$$,
    $$select pgtrickle.canary_promote('public.kinds')$$,
    $$select pgtrickle.drop_refresh_group('g')$$,
    $$select pgtrickle.drop_watermark_group('w')$$,
    $$select pgtrickle.drop_stream_table('public.kinds')$$]) call
