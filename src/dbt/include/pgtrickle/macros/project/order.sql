{# Nodes, each after all it depends on. #}
{% macro _in_dependency_order(nodes) %}
  {% set ordered = [] %}
  {% set seen = [] %}
  {% for node in nodes %}
    {% do dbt_pgtrickle._append_after_parents(node, nodes, ordered, seen) %}
  {% endfor %}
  {{ return(ordered) }}
{% endmacro %}


{% macro _append_after_parents(node, nodes, ordered, seen) %}
  {% if node.unique_id not in seen %}
    {% do seen.append(node.unique_id) %}
    {% for id in node.depends_on.nodes if id in graph.nodes %}
      {% do dbt_pgtrickle._append_after_parents(graph.nodes[id], nodes, ordered, seen) %}
    {% endfor %}
    {% if node in nodes %}
      {% do ordered.append(node) %}
    {% endif %}
  {% endif %}
{% endmacro %}
