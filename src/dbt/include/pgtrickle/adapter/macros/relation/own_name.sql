{#
  stream_table_name and stream_table_schema decide the name of a stream table, for `ref()` too. The
  same stands in the package, which this project must not depend on.
#}
{% macro pgtrickle__generate_alias_name(custom_alias_name=none, node=none) %}
  {{ return(_own_name_of(node, 'stream_table_name') or default__generate_alias_name(custom_alias_name, node)) }}
{% endmacro %}


{% macro pgtrickle__generate_schema_name(custom_schema_name=none, node=none) %}
  {{ return(_own_name_of(node, 'stream_table_schema') or default__generate_schema_name(custom_schema_name, node)) }}
{% endmacro %}


{% macro _own_name_of(node, key) %}
  {% if node and node.config and node.config.materialized == 'stream_table' %}
    {% set name = (node.config.get('meta') or {}).get(key) or node.config.get(key) %}
    {{ return(name if name is string else none) }}
  {% endif %}
  {{ return(none) }}
{% endmacro %}
