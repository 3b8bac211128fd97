{#
  Removes what stands under a relation's name, with the views on it, as dbt does everywhere. A
  stream table that other stream tables read goes by plain DROP, which the engine notices: those
  find their source again by its name, where dropping through the engine would be refused. So does
  one that lost a source on the extension, whose own function fails on some of those.
#}
{% macro _remove(engine, relation, existing) %}
  {% if existing.kind == 'stream table' and not existing.read_by_stream_tables
      and not (engine.name == 'native' and existing.lost_source) %}
    {% set sql = dbt_pgtrickle._call(engine, 'drop_stream_table', {
      'name': dbt_pgtrickle._name(relation, engine),
      'cascade': true if 'cascade' in engine.functions.drop_stream_table else none,
    }) %}
  {% else %}
    {% set kind = 'table' if existing.kind == 'stream table' else existing.kind %}
    {% set sql = 'drop ' ~ kind ~ ' if exists ' ~ relation.include(database=false) ~ ' cascade' %}
  {% endif %}
  {% call statement('pgtrickle_remove') %}
    {{ sql }}
  {% endcall %}
  {% do adapter.cache_dropped(relation) %}
{% endmacro %}
