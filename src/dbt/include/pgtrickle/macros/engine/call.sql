{#
  `select pgtrickle.<function>(name => value, ...)`, always in named notation. Arguments that are
  none are left to the engine's defaults; one that this version of the engine lacks is an error.
#}
{% macro _call(engine, function, arguments) %}
  {% if function not in engine.functions %}
    {% do exceptions.raise_compiler_error(
      "The engine in this database (" ~ dbt_pgtrickle._told(engine) ~ ") has no function pgtrickle."
      ~ function ~ ". Upgrade it."
    ) %}
  {% endif %}
  {% set known = engine.functions[function] or [] %}
  {% set given = [] %}
  {% for name, value in arguments.items() if value is not none %}
    {% if name not in known %}
      {% do exceptions.raise_compiler_error(
        "The function pgtrickle." ~ function ~ " of the engine in this database (" ~ dbt_pgtrickle._told(engine)
        ~ ") has no argument " ~ name ~ ". Upgrade it."
      ) %}
    {% endif %}
    {% do given.append(name ~ ' => ' ~ dbt_pgtrickle._literal(value)) %}
  {% endfor %}
  {% set widest = engine.widest.get(function) %}
  {% if widest and arguments.get(widest) is none %}
    {% do given.append(widest ~ ' => null') %}
  {% endif %}
  {{ return('select pgtrickle.' ~ function ~ '(\n    ' ~ given | join(',\n    ') ~ '\n)') }}
{% endmacro %}
