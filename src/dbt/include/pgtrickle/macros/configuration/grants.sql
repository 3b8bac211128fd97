{# Lists of roles by privilege; a role alone may stand without its list, as dbt has it at the top level. #}
{% macro _wanted_grants(settings) %}
  {% set grants = {} %}
  {% for privilege, roles in (settings.grants or {}).items() %}
    {% do grants.update({privilege: [roles] if roles is string else roles}) %}
  {% endfor %}
  {{ return(grants) }}
{% endmacro %}
