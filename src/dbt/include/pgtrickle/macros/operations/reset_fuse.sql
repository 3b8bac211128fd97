{#
  dbt run-operation pgtrickle_reset_fuse --args '{model_name: orders_by_day, action: apply}': what
  blew the fuse is applied, left out (skip_changes), or all is computed anew (reinitialize).
#}
{% macro pgtrickle_reset_fuse(model_name, action='apply', schema=none) %}
  {% do dbt_pgtrickle._operate(model_name, schema, 'reset_fuse', {'action': action}, 'fuse reset') %}
{% endmacro %}
