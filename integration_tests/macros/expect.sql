{# Fails unless a query returns the value expected. #}
{% macro expect(query, value) %}
  {% set found = run_query(query)[0][0] | string %}
  {% if found != value | string %}
    {% do exceptions.raise_compiler_error('Expected ' ~ value ~ ', found ' ~ found ~ ': ' ~ query) %}
  {% endif %}
{% endmacro %}
