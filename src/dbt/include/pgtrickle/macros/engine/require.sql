{#
  The engine that answers, or an error that says how to get one. The adapter installs the portable
  engine where there is none.
#}
{% macro _require_engine() %}
  {{ return(adapter.dispatch('require_engine', 'dbt_pgtrickle')()) }}
{% endmacro %}


{% macro postgres__require_engine() %}
  {% set engine = dbt_pgtrickle._engine() %}
  {% if engine.name is none %}
    {% do exceptions.raise_compiler_error(
      "The database " ~ target.dbname ~ " has no engine for stream tables. Install one: "
      ~ "`pip install dbt-pgtrickle`, then `pgtrickle install --dsn …` (any PostgreSQL from 15 on, "
      ~ "no superuser needed); or have the extension pg_trickle installed; or use the adapter "
      ~ "(`type: pgtrickle` in the profile), which installs one by itself."
    ) %}
  {% endif %}
  {{ return(engine) }}
{% endmacro %}


{# Asked once a run: it is the same for all models. #}
{% macro pgtrickle__require_engine() %}
  {% do adapter.install_engine() %}
  {{ return(adapter.once_a_run('engine', dbt_pgtrickle.postgres__require_engine)) }}
{% endmacro %}
