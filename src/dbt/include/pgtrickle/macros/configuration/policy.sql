{#
  Whether the changes are to be applied: what on_configuration_change says (apply), a warning instead
  (continue), or an error (fail). An edited query is no change of configuration.
#}
{% macro _is_to_apply(relation, changes, settings) %}
  {% set on_change = settings.on_configuration_change | lower %}
  {% if on_change == 'apply' %}{{ return(true) }}{% endif %}
  {% set differing = dbt_pgtrickle._changes_in_words(changes) %}
  {% if differing %}
    {% set message = 'Configuration changes were identified and `on_configuration_change` was set to `'
      ~ on_change ~ '` for `' ~ relation ~ '`: ' ~ differing | join(', ') %}
    {% if on_change == 'fail' %}
      {% do exceptions.raise_fail_fast_error(message) %}
    {% endif %}
    {% do exceptions.warn(message) %}
  {% endif %}
  {{ return(on_change != 'continue') }}
{% endmacro %}
