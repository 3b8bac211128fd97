{#
  Every key a stream table takes: its default, the types it may have, the values it may have or the
  form of them. The last ones are dbt's own, of which contract, persist_docs and hooks are left to it.
#}
{% macro _setting_rules() %}
  {{ return({
    'schedule': {
      'default': '1m', 'types': ['string', 'null'],
      'pattern': '(?i)calculated|(\\s*\\d+\\s*[smhdw])+\\s*|\\d+|@\\w+|\\S+(\\s+\\S+){4,5}',
      'form': "a duration ('30s', '5m', '1h30m'), a cron expression ('*/5 * * * *', '@hourly') or null",
    },
    'stream_table_name': {'default': none, 'types': ['string', 'null']},
    'stream_table_schema': {'default': none, 'types': ['string', 'null']},
    'refresh_mode': {
      'default': 'DIFFERENTIAL', 'types': ['string'],
      'allowed': ['FULL', 'DIFFERENTIAL', 'AUTO', 'IMMEDIATE'],
    },
    'initialize': {'default': true, 'types': ['boolean']},
    'refresh_on_run': {'default': true, 'types': ['boolean']},
    'status': {'default': none, 'types': ['string', 'null'], 'allowed': ['ACTIVE', 'PAUSED']},
    'cdc_mode': {'default': none, 'types': ['string', 'null'], 'allowed': ['AUTO', 'TRIGGER', 'WAL']},
    'partition_by': {'default': none, 'types': ['string', 'null']},
    'append_only': {'default': none, 'types': ['boolean', 'null']},
    'diamond_consistency': {'default': none, 'types': ['string', 'null'], 'allowed': ['NONE', 'ATOMIC']},
    'diamond_schedule_policy': {
      'default': none, 'types': ['string', 'null'], 'allowed': ['FASTEST', 'SLOWEST'],
    },
    'pooler_compatibility_mode': {'default': none, 'types': ['boolean', 'null']},
    'max_differential_joins': {'default': none, 'types': ['integer', 'null']},
    'max_delta_fraction': {'default': none, 'types': ['number', 'null']},
    'output_distribution_column': {'default': none, 'types': ['string', 'null']},
    'tier': {
      'default': none, 'types': ['string', 'null'], 'allowed': ['HOT', 'WARM', 'COLD', 'FROZEN'],
    },
    'fuse': {'default': none, 'types': ['string', 'null'], 'allowed': ['OFF', 'ON', 'AUTO']},
    'fuse_ceiling': {'default': none, 'types': ['integer', 'null']},
    'fuse_sensitivity': {'default': none, 'types': ['integer', 'null']},
    'indexes': {
      'default': none, 'types': ['list', 'null'],
      'form': 'a list of indexes like {columns: [a, b], unique: true, type: btree}',
    },
    'grants': {
      'default': none, 'types': ['mapping', 'null'], 'form': 'lists of roles by privilege',
    },
    'full_refresh': {'default': none, 'types': ['boolean', 'null']},
    'on_configuration_change': {
      'default': 'apply', 'types': ['string'], 'allowed': ['APPLY', 'CONTINUE', 'FAIL'],
    },
  }) }}
{% endmacro %}


{# The model's settings, complete and checked. #}
{% macro _settings() %}
  {% do dbt_pgtrickle._refuse_unknown_keys() %}
  {% set meta = model.config.get('meta') or {} %}
  {% set settings = {} %}
  {% for key, rule in dbt_pgtrickle._setting_rules().items() %}
    {# What is not set needs no check; most keys are not, and every model passes here at every run. #}
    {% if key in meta or key in model.config %}
      {% set value = dbt_pgtrickle._configured(model, key) %}
      {% do settings.update({key: dbt_pgtrickle._checked_setting(key, value, rule)}) %}
    {% else %}
      {% do settings.update({key: rule.default}) %}
    {% endif %}
  {% endfor %}
  {% do settings.update({'schedule': dbt_pgtrickle._plain_schedule(settings.schedule)}) %}
  {% do dbt_pgtrickle._check_own_name(settings) %}
  {{ return(settings) }}
{% endmacro %}


{# A schedule as both engines take it, whose durations are without blanks and in lower case; none: calculated. #}
{% macro _plain_schedule(schedule) %}
  {% if schedule is none or schedule | lower == 'calculated' %}
    {{ return(none) }}
  {% elif modules.re.fullmatch('(?i)(\\s*\\d+\\s*[smhdw])+\\s*', schedule) %}
    {{ return(modules.re.sub('\\s', '', schedule) | lower) }}
  {% endif %}
  {{ return(schedule) }}
{% endmacro %}


{#
  What a node's config says about a key, at the top level or under `meta`; `meta` wins, for dbt 2
  accepts it alone.
#}
{% macro _configured(node, key, default=none) %}
  {% set meta = node.config.get('meta') or {} %}
  {{ return(meta[key] if key in meta else node.config[key] if key in node.config else default) }}
{% endmacro %}


{#
  A key that neither dbt nor a stream table knows is a mistake: ignored, it would be a schedule that
  never runs. `meta` is free for keys of one's own. dbt 2 refuses unknown keys by itself, and does
  not tell which are extra.
#}
{% macro _refuse_unknown_keys() %}
  {% set known = dbt_pgtrickle._setting_rules().keys() | list %}
  {% set of_dbt_postgres = ['unlogged', 'sql_header', 'pre_hook', 'post_hook'] %}
  {% for key, value in (config.model.config.extra or {}).items() if key not in known + of_dbt_postgres %}
    {% do exceptions.raise_compiler_error(
      "The stream table " ~ model.name ~ " sets the unknown key " ~ key ~ " to " ~ (value | tojson)
      ~ ". Stream tables know, beside dbt's own keys: " ~ known | sort | join(', ')
      ~ ". Keys of your own belong under meta."
    ) %}
  {% endfor %}
{% endmacro %}


{% macro _checked_setting(key, value, rule) %}
  {% if value is none %}
    {% set type = 'null' %}
  {% elif value is boolean %}
    {% set type = 'boolean' %}
  {% elif value is integer %}
    {% set type = 'integer' %}
  {% elif value is number %}
    {# Neither infinite nor no number at all. #}
    {% set type = 'number' if value - value == 0 else 'other' %}
  {% elif value is string %}
    {% set type = 'string' %}
  {% elif value is mapping %}
    {% set type = 'mapping' %}
  {% elif value is sequence %}
    {% set type = 'list' %}
  {% else %}
    {% set type = 'other' %}
  {% endif %}
  {% if type not in rule.types and not (type == 'integer' and 'number' in rule.types) %}
    {% set types = ('one of ' ~ rule['allowed'] | join(', ')) if rule['allowed'] else rule['form'] or rule.types | join(' or ') %}
    {% do dbt_pgtrickle._refuse_setting(key, value, types) %}
  {% endif %}
  {% if rule['pattern'] and value is not none and not modules.re.fullmatch(rule['pattern'], value) %}
    {% do dbt_pgtrickle._refuse_setting(key, value, rule['form']) %}
  {% endif %}
  {% if rule['allowed'] and value is not none %}
    {% if value | upper not in rule['allowed'] %}
      {% do dbt_pgtrickle._refuse_setting(key, value, 'one of ' ~ rule['allowed'] | join(', ')) %}
    {% endif %}
    {{ return(value | upper) }}
  {% endif %}
  {{ return(value) }}
{% endmacro %}


{% macro _refuse_setting(key, value, allowed) %}
  {% do exceptions.raise_compiler_error(
    "The stream table " ~ model.name ~ " sets " ~ key ~ " to " ~ (value | tojson)
    ~ ", which must be " ~ allowed ~ "."
  ) %}
{% endmacro %}
