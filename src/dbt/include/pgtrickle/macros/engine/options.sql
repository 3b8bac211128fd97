{#
  An error, before anything is touched, where a model sets what the engine in the database does not
  have, or not with this value: it names model, key and value, and what is needed. What the engine has
  to be asked about comes later: see _check_configuration.
#}
{% macro _check_options(engine, settings) %}
  {% for key, since in dbt_pgtrickle._options_since().items() if settings[key] is not none %}
    {% set function = 'alter_stream_table' if key in dbt_pgtrickle._options_of_alter() else 'create_stream_table' %}
    {% if key not in (engine.functions.get(function) or []) or (engine.name == 'portable' and key == 'output_distribution_column') %}
      {% do dbt_pgtrickle._refuse_option(key, settings[key], 'which the engine in this database (' ~ dbt_pgtrickle._told(engine) ~ ') does not have: ' ~ (
        'it came with ' ~ since ~ '. Upgrade it, or leave it out' if engine.name == 'native'
        else 'the extension pg_trickle has it from ' ~ since ~ ' on. Leave it out' if key == 'output_distribution_column'
        else 'it is older than this package. Upgrade it by `pgtrickle install`'
      )) %}
    {% endif %}
  {% endfor %}
  {% if engine.name == 'native' %}
    {% for key, reason in dbt_pgtrickle._impossible_options(engine, settings).items() %}
      {% do dbt_pgtrickle._refuse_impossible(engine, settings, key, reason) %}
    {% endfor %}
  {% endif %}
{% endmacro %}


{#
  An error, before the table is touched, where the engine would refuse a setting. A table that is there
  has its settings because the engine took them, so nothing is asked where none of them changes.
  `changes` are those of its configuration; none where the table is new or built anew.
#}
{% macro _check_configuration(engine, existing, definition, settings, changes) %}
  {% set is_new = changes is none %}
  {% if is_new or changes.options %}
    {% if engine.name == 'native' %}
      {% do dbt_pgtrickle._ask_about_duration(engine, settings) %}
    {% else %}
      {% do dbt_pgtrickle._ask_about_options(engine, settings, dbt_pgtrickle._options_to_ask_about(settings)) %}
    {% endif %}
  {% endif %}
  {% if is_new or changes.options or changes.indexes or not dbt_pgtrickle._is_defined_by(existing, definition) %}
    {% do dbt_pgtrickle._check_columns(engine, definition, settings) %}
  {% endif %}
{% endmacro %}


{# What the engine is to judge: all but what depends on the query. #}
{% macro _options_to_ask_about(settings) %}
  {% set options = {'name': dbt_pgtrickle._qualified(this), 'schedule': settings.schedule or 'calculated'} %}
  {% for key in dbt_pgtrickle._columns_of_settings({}) if settings[key] is not none %}
    {% do options.update({key: settings[key]}) %}
  {% endfor %}
  {{ return(options) }}
{% endmacro %}


{#
  An error with the engine's own words about the first option that it would refuse. `columns` are those
  of the query. A runtime that is older than this package is not asked: its functions refuse.
#}
{% macro _ask_about_options(engine, settings, options, columns=none) %}
  {% if 'validate_options' in engine.functions %}
    {% set wrong = dbt_pgtrickle._query_json(
      'select json_agg(v)::text from pgtrickle.validate_options(options => ' ~ dbt_pgtrickle._literal(tojson(options))
      ~ ', columns => ' ~ dbt_pgtrickle._text_array(columns) ~ ') v', true
    ) %}
    {% for one in wrong or [] %}
      {% set key = one.option if one.option != 'name' else 'alias' if settings.stream_table_name is none else 'stream_table_name' %}
      {% do dbt_pgtrickle._refuse_option(key, settings.get(key, this.identifier), 'which the engine in this database ('
        ~ dbt_pgtrickle._told(engine) ~ ') refuses: ' ~ one.message ~ ('. ' ~ one.hint if one.hint else '')) %}
    {% endfor %}
  {% endif %}
{% endmacro %}


{# Settings that are arguments not every engine has, and the version of the extension each came with. #}
{% macro _options_since() %}
  {{ return({
    'cdc_mode': '0.2.3', 'append_only': '0.5', 'pooler_compatibility_mode': '0.10', 'tier': '0.10',
    'partition_by': '0.11', 'max_differential_joins': '0.13', 'max_delta_fraction': '0.13',
    'fuse': '0.13', 'fuse_ceiling': '0.13', 'fuse_sensitivity': '0.13',
    'output_distribution_column': '0.33',
  }) }}
{% endmacro %}


{# Settings that only alter_stream_table takes. #}
{% macro _options_of_alter() %}
  {{ return(['tier', 'fuse', 'fuse_ceiling', 'fuse_sensitivity']) }}
{% endmacro %}


{#
  Settings whose values the extension cannot take, alone or together: {key: what it must be}. It has no
  function to be asked, but for durations: see _ask_about_duration.
#}
{% macro _impossible_options(engine, settings) %}
  {% set immediate = settings.refresh_mode == 'IMMEDIATE' %}
  {% set impossible = {} %}
  {% if not immediate and settings.schedule is not none and dbt_pgtrickle._is_cron(settings.schedule) %}
    {% set wrong = dbt_pgtrickle._wrong_cron(settings.schedule) %}
    {% if wrong %}
      {% do impossible.update({'schedule': wrong}) %}
    {% endif %}
  {% endif %}
  {% if settings.append_only and settings.refresh_mode in ('FULL', 'IMMEDIATE') %}
    {% do impossible.update({'append_only': 'which needs refresh_mode DIFFERENTIAL or AUTO'}) %}
  {% endif %}
  {% if settings.diamond_schedule_policy == 'SLOWEST' and settings.diamond_consistency == 'NONE' %}
    {% do impossible.update({'diamond_schedule_policy': 'which needs diamond_consistency ATOMIC'}) %}
  {% endif %}
  {% if settings.cdc_mode == 'WAL' and immediate %}
    {% do impossible.update({'cdc_mode': 'which with refresh_mode IMMEDIATE must be TRIGGER, AUTO or null'}) %}
  {% elif settings.cdc_mode == 'WAL' and not dbt_pgtrickle._reads_the_log(engine.version) %}
    {% do impossible.update({'cdc_mode': 'which must be TRIGGER, AUTO or null: WAL was withdrawn in 0.98 and is back in 0.103'}) %}
  {% endif %}
  {% if settings.partition_by and immediate %}
    {% do impossible.update({'partition_by': 'which needs refresh_mode FULL, DIFFERENTIAL or AUTO'}) %}
  {% endif %}
  {% for key, least, most in [
    ('max_differential_joins', 0, 2147483647),
    ('max_delta_fraction', 0, none),
    ('fuse_ceiling', 1, 9223372036854775807),
    ('fuse_sensitivity', 1, 2147483647),
  ] if settings[key] is not none %}
    {% if settings[key] < least %}
      {% do impossible.update({key: 'which must be at least ' ~ least}) %}
    {% elif most and settings[key] > most %}
      {% do impossible.update({key: 'which must be at most ' ~ most}) %}
    {% endif %}
  {% endfor %}
  {% if settings.output_distribution_column is not none and not engine.has_citus %}
    {% do impossible.update({'output_distribution_column': 'which needs Citus, and this database has none'}) %}
  {% endif %}
  {{ return(impossible) }}
{% endmacro %}


{# The one thing the extension can be asked, and alone knows: what durations it takes. #}
{% macro _ask_about_duration(engine, settings) %}
  {% if settings.refresh_mode == 'IMMEDIATE' or settings.schedule is none or dbt_pgtrickle._is_cron(settings.schedule) %}
    {{ return(none) }}
  {% endif %}
  {% set duration = dbt_pgtrickle._query_json("
    select json_build_object(
      'seconds', pgtrickle.parse_duration_seconds(" ~ dbt_pgtrickle._literal(settings.schedule) ~ "),
      'least', coalesce(nullif(current_setting('pg_trickle.min_schedule_seconds', true), '')::bigint, 1)
    )::text
  ", true) %}
  {% if duration.seconds is none %}
    {% do dbt_pgtrickle._refuse_impossible(engine, settings, 'schedule',
      "which must be a duration ('30s', '5m', '1h30m') that it understands") %}
  {% elif duration.seconds < duration.least %}
    {% do dbt_pgtrickle._refuse_impossible(engine, settings, 'schedule',
      'which must be at least ' ~ duration.least ~ ' s, the setting pg_trickle.min_schedule_seconds') %}
  {% endif %}
{% endmacro %}


{% macro _reads_the_log(version) %}
  {% set minor = (version.split('.') + ['0'])[1] | int %}
  {{ return(not version.startswith('0.') or minor < 98 or minor >= 103) }}
{% endmacro %}


{# The engine, as messages name it. #}
{% macro _told(engine) %}
  {{ return(engine.name ~ ' ' ~ (dbt_pgtrickle._version(engine) or '')) }}
{% endmacro %}


{% macro _refuse_impossible(engine, settings, key, reason) %}
  {% do dbt_pgtrickle._refuse_option(key, settings[key], reason ~ '; the engine in this database is ' ~ dbt_pgtrickle._told(engine)) %}
{% endmacro %}


{% macro _refuse_option(key, value, reason) %}
  {% do exceptions.raise_compiler_error(
    "The stream table " ~ model.name ~ " sets " ~ key ~ " to " ~ (value | tojson) ~ ", " ~ reason ~ "."
  ) %}
{% endmacro %}
