{# A partition of its own for rows that the default partition may hold already. #}
{% macro add_month(model_name, from_value, to_value) %}
  {% do run_query(
    "select pgtrickle.add_partition('" ~ ref(model_name).include(database=false) ~ "', '" ~ from_value ~ "', '" ~ to_value ~ "'); commit"
  ) %}
{% endmacro %}
