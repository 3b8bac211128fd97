{#
  A value as SQL reads it: the one place where values are quoted. Escape strings mean the same
  whatever standard_conforming_strings is.
#}
{% macro _literal(value) %}
  {%- if value is none -%}
    {{ return('null') }}
  {%- elif value is boolean -%}
    {{ return('true' if value else 'false') }}
  {%- elif value is number -%}
    {{ return(value | string) }}
  {%- else -%}
    {{ return("E'" ~ (value | string | replace('\\', '\\\\') | replace("'", "''")) ~ "'") }}
  {%- endif -%}
{% endmacro %}


{# Texts as an array in SQL; null for none. #}
{% macro _text_array(texts) %}
  {% if texts is none %}
    {{ return('null') }}
  {% endif %}
  {% set literals = [] %}
  {% for text in texts %}
    {% do literals.append(dbt_pgtrickle._literal(text)) %}
  {% endfor %}
  {{ return('array[' ~ literals | join(', ') ~ ']::text[]') }}
{% endmacro %}
