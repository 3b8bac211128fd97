{#
  Puts a new stream table in the place of whatever is there, in the caller's transaction. On the
  portable engine it is built beside the old relation, which serves until the names change; the
  extension does not follow a rename, so there the old one goes first, still in one transaction.
  Rights and comments pass from a stream table to the one that takes its place.
#}
{% macro _replace(engine, relation, existing, definition, settings) %}
  {% set kept = dbt_pgtrickle._rights_and_comments(relation) if existing.kind == 'stream table' else [] %}
  {% if engine.name == 'native' %}
    {% do dbt_pgtrickle._remove(engine, relation, existing) %}
    {% call statement('main') %}
      {{ dbt_pgtrickle._create_sql(engine, 'create_stream_table', relation, definition, settings) }}
    {% endcall %}
  {% else %}
    {% set staged = make_intermediate_relation(relation) %}
    {% set old = make_backup_relation(relation, relation.type) %}
    {% call statement('main') %}
      {{ dbt_pgtrickle._create_sql(engine, 'create_stream_table', staged, definition, settings) }}
    {% endcall %}
    {# Through the adapter, so that dbt's cache knows, also of the views that go with the old one. #}
    {% do adapter.rename_relation(relation, old) %}
    {% do adapter.rename_relation(staged, relation) %}
    {# The engine learns a name when it is next called by it; the old one must not keep it. #}
    {% call statement('pgtrickle_named') %}
      {{ dbt_pgtrickle._call(engine, 'alter_stream_table', {'name': dbt_pgtrickle._name(relation, engine)}) }}
    {% endcall %}
    {% do dbt_pgtrickle._remove(engine, old, existing) %}
    {% if settings.partition_by is not none %}
      {# The default partition takes its name from the table, now that the old one has left it. #}
      {% call statement('pgtrickle_named') %}
        {{ dbt_pgtrickle._call(engine, 'alter_stream_table', {'name': dbt_pgtrickle._name(relation, engine)}) }}
      {% endcall %}
    {% endif %}
  {% endif %}
  {% do dbt_pgtrickle._give_again(relation, kept) %}
{% endmacro %}
