{% macro pgtrickle__alter_relation_comment(relation, comment) %}
  {% if relation.type == 'stream_table' %}
    {% set relation = relation.incorporate(type='table') %}
  {% endif %}
  {{ return(postgres__alter_relation_comment(relation, comment)) }}
{% endmacro %}
