-- A query as PostgreSQL itself reads and prints it.
--
-- Makes a temporary view of the query, prints it under pinned settings, makes a view of what was
-- printed, and so on until the text comes to rest. Everything is undone before it returns (the
-- block is left by an exception, so views and settings are rolled back with it), and an error in
-- the query is returned, not raised: the caller's transaction is not harmed.
--
--   source   the text of one SELECT, or the OID of an existing view as text where kind is 'view'
--   kind     'query': read under the caller's settings; 'canonical': read under the pinned ones;
--            'columns': as 'query', but nothing is asked for besides the columns
--   rounds   how often to print at most; with 0 the query is only described
--   expected a text known to be at rest; to print it is to come to rest
--   path     the caller's search_path, for a query is read under it and nothing else may be: a schema
--            in it may hold operators and functions that stand before PostgreSQL's own
--
-- Returns json:
--   error     {sqlstate, message, detail, hint, printed}, alone, where the query is wrong; where
--             what was printed of it is wrong, that is `printed`
--   texts     what was printed, round by round
--   at_rest   whether the last text, read and printed again, stays as it is
--   columns   [name, type OID, type as text, type modifier, collation OID or 0, whether the
--             collation is deterministic] in order
--   trees     [rule tree of the source's view, rule tree of the last text's view]
--   views     OIDs of those two views, which the trees may mention
--   relations OIDs of the relations the query names itself
create or replace function pg_temp.@name@(source text, kind text, rounds integer, expected text, path text)
returns json
language plpgsql
set search_path = pg_catalog, pg_temp
as $rendition$
declare
  pinned constant jsonb := '{
    "search_path": "pg_catalog, pg_temp",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "on",
    "escape_string_warning": "off",
    "bytea_output": "hex",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C"
  }';
  view_name constant text := 'pgtrickle_rendition_';
  statement constant text := format('create temporary view pg_temp.%I as %s', view_name || '0', source);
  texts text[] := '{}';
  first_view oid;
  last_view oid;
  at_rest boolean := false;
  answer json;
  error_state text;
  error_message text;
  error_detail text;
  error_hint text;
begin
  begin
    if kind in ('query', 'columns') then
      perform set_config('search_path', path, true);
      execute statement;
      perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
      first_view := format('pg_temp.%I', view_name || '0')::regclass;
    end if;
    perform set_config(pin.key, pin.value, true) from jsonb_each_text(pinned) as pin;
    if kind = 'view' then
      first_view := source::oid;
    elsif kind = 'canonical' then
      execute statement;
      first_view := format('pg_temp.%I', view_name || '0')::regclass;
    end if;
    last_view := first_view;
    for round in 1 .. rounds loop
      -- The values of CYCLE are printed as 'Y'::text, which no grammar takes; text 'Y' it does.
      texts := texts || regexp_replace(
        regexp_replace(btrim(pg_get_viewdef(last_view), ' ;'), '( TO | DEFAULT )NULL::(?:"(?:[^"]|"")+"|[a-z0-9_.,() ])+( DEFAULT | USING ")', '\1NULL\2', 'g'),
        '( SET "(?:[^"]|"")+" TO )(E?''(?:[^'']|'''')*''|[-+.0-9a-zA-Z]+)(?:::((?:"(?:[^"]|"")+"|[a-z0-9_.,() ])+))?( DEFAULT )(E?''(?:[^'']|'''')*''|[-+.0-9a-zA-Z]+)(?:::((?:"(?:[^"]|"")+"|[a-z0-9_.,() ])+))?( USING ")',
        '\1\3 \2\4\6 \5\7', 'g'
      );
      at_rest := texts[round] = expected or round > 1 and texts[round] = texts[round - 1];
      exit when at_rest;
      execute format(
        'create temporary view pg_temp.%I as %s', view_name || round, texts[round]
      );
      last_view := format('pg_temp.%I', view_name || round)::regclass;
    end loop;
    -- Types are spelled as they are everywhere else: "date" and date are not equal texts.
    perform set_config('quote_all_identifiers', 'off', true);
    answer := json_build_object(
      'columns', (
        select coalesce(json_agg(json_build_array(
          a.attname, a.atttypid::bigint, format_type(a.atttypid, a.atttypmod), a.atttypmod,
          a.attcollation::bigint, coalesce(l.collisdeterministic, true)) order by a.attnum), '[]')
        from pg_attribute a
        left join pg_collation l on l.oid = a.attcollation
        where a.attrelid = first_view
          and a.attnum > 0
      )
    );
    if kind = 'columns' then
      raise exception using errcode = 'PGT00';
    end if;
    answer := json_build_object(
      'columns', answer -> 'columns',
      'texts', texts,
      'at_rest', at_rest,
      'views', array[first_view::bigint, last_view::bigint],
      'trees', array(
        select r.ev_action::text
        from unnest(array[first_view, last_view]) with ordinality as v (id, place)
        join pg_rewrite r on r.ev_class = v.id and r.rulename = '_RETURN'
        order by v.place
      ),
      'relations', array(
        select distinct d.refobjid::bigint
        from pg_rewrite r
        join pg_depend d
          on d.classid = 'pg_rewrite'::regclass
          and d.objid = r.oid
          and d.refclassid = 'pg_class'::regclass
        where r.ev_class = first_view
          and r.rulename = '_RETURN'
          and d.refobjid <> first_view
        order by 1
      )
    );
    raise exception using errcode = 'PGT00';
  exception
    when sqlstate 'PGT00' then
      return answer;
    when others then
      -- Not the query's fault: a lock, a lost race, no room.
      if left(sqlstate, 2) in ('40', '53', '55', '57', '58') then
        raise;
      end if;
      get stacked diagnostics
        error_state = returned_sqlstate,
        error_message = message_text,
        error_detail = pg_exception_detail,
        error_hint = pg_exception_hint;
      return json_build_object('error', json_build_object(
        'sqlstate', error_state,
        'message', error_message,
        'detail', error_detail,
        'hint', error_hint,
        'printed', texts[array_upper(texts, 1)]
      ));
  end;
end;
$rendition$
