{# Runs a statement, and commits. #}
{% macro execute(sql) %}
  {% do run_query(sql ~ '; commit') %}
{% endmacro %}
