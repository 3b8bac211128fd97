{# For seeds, which have no key: the extension keeps what reads tables without one wrongly. #}
{% macro primary_key(column) %}
  do $do$
  begin
    if exists (
      select from pg_class where oid = '{{ this.include(database=false) }}'::regclass and relkind = 'r'  -- no clone, which is a view
    ) and not exists (
      select from pg_constraint where conrelid = '{{ this.include(database=false) }}'::regclass and contype = 'p'
    ) then
      alter table {{ this.include(database=false) }} add primary key ({{ column }});
    end if;
  end $do$
{% endmacro %}
