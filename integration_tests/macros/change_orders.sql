{# What an application would do between two runs, any number of times: inserts, corrections, deletions. #}
{% macro change_orders() %}
  {% set orders = ref('orders') %}
  {% do run_query("insert into " ~ orders ~ " select last + n, 1 + n % 4, date '2024-03-01' + n, n * 1.75 from (select greatest(max(order_id), 100) as last from " ~ orders ~ ") o, generate_series(1, 40) n") %}
  {% do run_query("update " ~ orders ~ " set amount = amount + 1 where order_id % 3 = 0") %}
  {% do run_query("delete from " ~ orders ~ " where order_id in (5, 101, 107)") %}
{% endmacro %}
