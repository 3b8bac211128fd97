{#
  stream_table_name and stream_table_schema, as `ref()` has to know them: dbt asks these macros for
  every node's name. The adapter brings its own; with the package alone they are found where the
  project says `dispatch: [{macro_namespace: dbt, search_order: [<project>, dbt_pgtrickle, dbt]}]`.
#}
{% macro postgres__generate_alias_name(custom_alias_name=none, node=none) %}
  {{ return(dbt_pgtrickle._own_name(node, 'stream_table_name') or default__generate_alias_name(custom_alias_name, node)) }}
{% endmacro %}


{% macro postgres__generate_schema_name(custom_schema_name=none, node=none) %}
  {{ return(dbt_pgtrickle._own_name(node, 'stream_table_schema') or default__generate_schema_name(custom_schema_name, node)) }}
{% endmacro %}


{# What a stream table's config says about its name; none for other nodes, and for what is no name. #}
{% macro _own_name(node, key) %}
  {% if node and node.config and node.config.materialized == 'stream_table' %}
    {% set name = dbt_pgtrickle._configured(node, key) %}
    {{ return(name if name is string else none) }}
  {% endif %}
  {{ return(none) }}
{% endmacro %}


{# An error where PostgreSQL has no such names, and where dbt did not ask, and so took another name. #}
{% macro _check_own_name(settings) %}
  {% for key in ['stream_table_name', 'stream_table_schema'] if settings[key] is not none %}
    {% if settings[key] | length < 1 or settings[key] | length > 63 %}
      {% do dbt_pgtrickle._refuse_setting(key, settings[key], 'a name of 1 to 63 characters') %}
    {% endif %}
  {% endfor %}
  {% for key, actual in {'stream_table_name': this.identifier, 'stream_table_schema': this.schema}.items()
      if settings[key] is not none and settings[key] != actual %}
    {% set macro_of_names = 'generate_' ~ ('alias' if key == 'stream_table_name' else 'schema') ~ '_name' %}
    {% set remedy = '' if adapter.type() == 'pgtrickle' else 'Add to dbt_project.yml: dispatch: [{macro_namespace: dbt, search_order: ['
      ~ project_name ~ ', dbt_pgtrickle, dbt]}]. ' %}
    {% do exceptions.raise_compiler_error(
      "The stream table " ~ model.name ~ " sets " ~ key ~ " to " ~ (settings[key] | tojson) ~ ", and dbt has named it "
      ~ actual ~ ". " ~ remedy ~ "Where the project has a macro " ~ macro_of_names ~ " of its own, that one decides."
    ) %}
  {% endfor %}
{% endmacro %}
