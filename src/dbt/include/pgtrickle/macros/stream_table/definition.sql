{#
  The query to define the stream table by. Under --empty and --sample dbt replaces each reference
  by a subquery that holds back rows; a definition outlives the run, so they are put back. dbt 2
  gives those subqueries no name.
#}
{% macro _definition(sql) %}
  {% set definition = namespace(sql=sql) %}
  {% if flags.EMPTY or '_dbt_limit_subq_' in sql or '_dbt_et_filter_subq_' in sql %}
    {% for name in dbt_pgtrickle._references(model.unique_id) %}
      {% set held_back = '\\(select \\* from ' ~ modules.re.escape(name)
        ~ ' (?:where false )?limit \\d+\\)(?: _dbt_limit_subq_\\S+)?' %}
      {% set definition.sql = modules.re.sub(held_back, name.replace('\\', '\\\\'), definition.sql) %}
      {% set sampled = '\\(select \\* from ' ~ modules.re.escape(name)
        ~ ' where \\S+ (?:>=|<) \'[^\']*\'(?: and \\S+ < \'[^\']*\')?\\) _dbt_et_filter_subq_\\S+' %}
      {% set definition.sql = modules.re.sub(sampled, name.replace('\\', '\\\\'), definition.sql) %}
    {% endfor %}
  {% endif %}
  {{ return(definition.sql | trim) }}
{% endmacro %}


{# Names, as dbt writes them, of the relations a node reads, itself or through ephemeral models. #}
{% macro _references(unique_id) %}
  {% set names = [] %}
  {% set node = graph.nodes.get(unique_id) %}
  {% for id in (node.depends_on.nodes if node else []) %}
    {% set parent = graph.nodes.get(id) or graph.sources.get(id) %}
    {% if parent and parent.get('config', {}).get('materialized') == 'ephemeral' %}
      {% do names.append('__dbt__cte__' ~ parent.alias) %}
      {% do names.extend(dbt_pgtrickle._references(id)) %}
    {% elif parent and parent.relation_name %}
      {% do names.append(parent.relation_name) %}
    {% endif %}
  {% endfor %}
  {{ return(names) }}
{% endmacro %}
