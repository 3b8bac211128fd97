{# The project's stream tables, as nodes of dbt's graph; of one schema, where one is given. #}
{% macro _models(schema=none) %}
  {% set models = [] %}
  {% for node in graph.nodes.values()
      if node.resource_type == 'model' and node.config.materialized == 'stream_table'
      and (schema is none or node.schema == schema) %}
    {% do models.append(node) %}
  {% endfor %}
  {{ return(models) }}
{% endmacro %}


{# What a node is called: the name of its model, and which version where there are several. #}
{% macro _name_of(node) %}
  {{ return(node.name ~ ('.v' ~ node.version if node.version else '')) }}
{% endmacro %}


{# A node's relation. #}
{% macro _relation_of(node) %}
  {{ return(dbt_pgtrickle._typed(api.Relation.create(
    database=node.database, schema=node.schema, identifier=node.alias
  ))) }}
{% endmacro %}


{#
  The relation somebody means by a name: a model of this project (by name, in its latest version, as
  `name.v1`, by alias or schema.alias), else schema.table, else the table of that name in the target
  schema.
#}
{% macro _relation_named(name, schema=none) %}
  {% for node in dbt_pgtrickle._models(schema) if name in (dbt_pgtrickle._name_of(node), node.alias, node.schema ~ '.' ~ node.alias)
      or (name == node.name and node.version == node.latest_version) %}
    {{ return(dbt_pgtrickle._relation_of(node)) }}
  {% endfor %}
  {% set parts = name.replace('"', '').split('.') %}
  {{ return(dbt_pgtrickle._typed(api.Relation.create(
    database=target.dbname,
    schema=schema or (parts[0] if parts | length > 1 else target.schema),
    identifier=parts[1:] | join('.') if parts | length > 1 else name
  ))) }}
{% endmacro %}


{# As _relation_named, for a stream table that must exist: an unknown one is an error that lists those known. #}
{% macro _stream_table_named(name, schema=none) %}
  {% set relation = dbt_pgtrickle._relation_named(name, schema) %}
  {% set existing = dbt_pgtrickle._describe(relation) %}
  {% if not existing or existing.kind != 'stream table' %}
    {% set known = [] %}
    {% for node in dbt_pgtrickle._models() %}
      {% do known.append(dbt_pgtrickle._name_of(node)) %}
    {% endfor %}
    {% do exceptions.raise_compiler_error(
      'There is no stream table ' ~ relation ~ '. Stream tables of this project: ' ~ (known | sort | join(', ') or 'none') ~ '.'
    ) %}
  {% endif %}
  {{ return(relation) }}
{% endmacro %}
