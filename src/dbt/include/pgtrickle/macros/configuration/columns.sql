{#
  An error, before the table is touched, where a setting names a column that the query does not have,
  or an index a type that the database does not have. PostgreSQL tells of both; of an index, what is
  more than the name of a column (`lower(name)`, `total desc`) is left to it.
#}
{% macro _check_columns(engine, definition, settings) %}
  {% if settings.partition_by or settings.output_distribution_column or settings.indexes %}
    {% set columns = get_columns_in_query(definition) %}
    {% do dbt_pgtrickle._check_columns_of_partitions(engine, settings, columns) %}
    {% do dbt_pgtrickle._check_columns_of_indexes(settings, columns) %}
  {% endif %}
{% endmacro %}


{# The extension finds columns whatever their case. #}
{% macro _check_columns_of_partitions(engine, settings, columns) %}
  {% if engine.name != 'native' %}
    {% if settings.partition_by %}
      {% do dbt_pgtrickle._ask_about_options(engine, settings, {'partition_by': settings.partition_by}, columns) %}
    {% endif %}
    {{ return(none) }}
  {% endif %}
  {% set known = columns | map('lower') | list %}
  {% for key in ['partition_by', 'output_distribution_column'] if settings[key] %}
    {% set named = modules.re.sub('(?i)^(list|hash):|:\\d+$', '', settings[key]) if key == 'partition_by' else settings[key] %}
    {% for column in named.split(',') if column | trim | lower not in known %}
      {% do dbt_pgtrickle._refuse_option(key, settings[key], 'and the query has no column ' ~ (column | trim)
        ~ '. It has ' ~ columns | join(', ')) %}
    {% endfor %}
  {% endfor %}
{% endmacro %}


{% macro _check_columns_of_indexes(settings, columns) %}
  {% set types = dbt_pgtrickle._query_json(
    "select json_agg(amname order by amname)::text from pg_catalog.pg_am where amtype = 'i'", true
  ) if settings.indexes else [] %}
  {% for index in settings.indexes or [] %}
    {% for column in index.columns if modules.re.fullmatch('[A-Za-z_][A-Za-z0-9_$]*|"([^"]|"")+"', column)
        and dbt_pgtrickle._unquoted(column) not in columns %}
      {% do dbt_pgtrickle._refuse_option('indexes', settings.indexes, 'and the query has no column ' ~ column
        ~ '. It has ' ~ columns | join(', ')) %}
    {% endfor %}
    {% if (index.type or 'btree') not in types %}
      {% do dbt_pgtrickle._refuse_option('indexes', settings.indexes, 'and ' ~ index.type ~ ' is no type of index. There are '
        ~ types | join(', ')) %}
    {% endif %}
  {% endfor %}
{% endmacro %}
