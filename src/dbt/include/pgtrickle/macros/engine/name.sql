{#
  A relation as the engine's functions take it. The extension splits the text at its first dot and
  knows no quotes; the portable engine reads quoted identifiers.
#}
{% macro _name(relation, engine) %}
  {%- if engine.name == 'native' -%}
    {{ return(relation.schema ~ '.' ~ relation.identifier) }}
  {%- endif -%}
  {{ return(dbt_pgtrickle._identifier(relation.schema) ~ '.' ~ dbt_pgtrickle._identifier(relation.identifier)) }}
{% endmacro %}


{% macro _identifier(name) %}
  {{ return('"' ~ (name | replace('"', '""')) ~ '"') }}
{% endmacro %}
