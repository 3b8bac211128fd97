{# The indexes a model declares. dbt has a parser for them, which dbt 2 lacks so far. #}
{% macro _wanted_indexes(settings) %}
  {% set wanted = [] %}
  {% for raw in settings.indexes or [] %}
    {% do dbt_pgtrickle._check_index(raw) %}
    {% set shape = [raw.columns, raw.get('unique') or false, raw.get('type') or 'btree'] %}
    {% do wanted.append({
      'mark': local_md5(tojson(shape)),
      'label': raw.columns | join(', '),
      'raw': raw,
    }) %}
  {% endfor %}
  {{ return(wanted) }}
{% endmacro %}


{% macro _check_index(raw) %}
  {% if raw is not mapping or raw.get('columns') is string or not raw.get('columns')
      or raw.keys() | reject('in', ['columns', 'unique', 'type']) | list %}
    {% do exceptions.raise_compiler_error(
      'The stream table ' ~ model.name ~ ' sets indexes to a list with ' ~ (raw | tojson)
      ~ ', which must be like {columns: [a, b], unique: true, type: btree}; only columns is needed.'
    ) %}
  {% endif %}
{% endmacro %}


{# Named by a hash of its own, as dbt names indexes: the one it replaces may still be there. #}
{% macro _create_index_statements(relation, index) %}
  {% set name = local_md5(invocation_id ~ relation ~ index.mark) %}
  {{ return([
    'create ' ~ ('unique ' if index.raw.get('unique') else '') ~ 'index "' ~ name ~ '" on ' ~ relation.include(database=false)
    ~ ' using ' ~ (index.raw.get('type') or 'btree') ~ ' (' ~ index.raw.columns | join(', ') ~ ')',
    'comment on index ' ~ dbt_pgtrickle._identifier(relation.schema) ~ '."' ~ name ~ '" is ' ~ "'dbt " ~ index.mark ~ "'",
  ]) }}
{% endmacro %}
