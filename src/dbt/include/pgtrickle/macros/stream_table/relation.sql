{# A relation typed as dbt's cache types stream tables: dbt-postgres knows them as tables. #}
{% macro _typed(relation) %}
  {{ return(adapter.dispatch('typed', 'dbt_pgtrickle')(relation)) }}
{% endmacro %}


{% macro postgres__typed(relation) %}
  {{ return(relation.incorporate(type='table')) }}
{% endmacro %}


{% macro pgtrickle__typed(relation) %}
  {{ return(relation.incorporate(type='stream_table')) }}
{% endmacro %}
