{#
  A relation as the engine's functions take it. The extension splits the text at its first dot and
  knows no quotes, then looks the table up by the unquoted text; the portable engine reads quoted
  identifiers.
#}
{% macro _name(relation, engine) %}
  {%- if engine.name == 'native' -%}
    {% if not modules.re.fullmatch('[a-z_][a-z0-9_$]*[.][a-z_][a-z0-9_$]*', relation.schema ~ '.' ~ relation.identifier) %}
      {% do exceptions.raise_compiler_error(
        'The extension pg_trickle cannot make a stream table named ' ~ relation.include(database=false)
        ~ ': schema and name must be lower-case letters, digits and underscores. Give the model another alias.'
      ) %}
    {% endif %}
    {{ return(relation.schema ~ '.' ~ relation.identifier) }}
  {%- endif -%}
  {{ return(dbt_pgtrickle._qualified(relation)) }}
{% endmacro %}


{# A relation's name in SQL, and nothing of what --empty or --sample hold back of it. #}
{% macro _qualified(relation) %}
  {{ return(dbt_pgtrickle._identifier(relation.schema) ~ '.' ~ dbt_pgtrickle._identifier(relation.identifier)) }}
{% endmacro %}


{% macro _identifier(name) %}
  {{ return('"' ~ (name | replace('"', '""')) ~ '"') }}
{% endmacro %}


{# The OID of a relation, in SQL; an error where there is none. #}
{% macro _regclass(relation) %}
  {{ return(dbt_pgtrickle._literal(dbt_pgtrickle._qualified(relation)) ~ '::regclass') }}
{% endmacro %}
