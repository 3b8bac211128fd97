{#
  An error for models written in Python, which PostgreSQL does not run. dbt asks this macro for the names
  such a model reads, when it compiles one, and asks it for nothing else; what it says by itself, later,
  names a macro and no way out.
#}
{% macro pgtrickle__resolve_model_name(input_model_name) %}
  {% do exceptions.raise_compiler_error(
    'The model ' ~ model.name ~ ' is written in Python, which PostgreSQL does not run. Write it in SQL; or make it a script'
    ~ ' or a notebook, which reads and writes the same database by `pgtrickle.connect(profile="' ~ target.profile_name
    ~ '", target="' ~ target.name ~ '")`.'
  ) %}
{% endmacro %}
