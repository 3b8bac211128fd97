{#
  An error, before anything is touched, where a model sets what the engine in the database does not
  have, or not with this value: it names model, key and value, and what is needed.
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
  {% for key, reason in dbt_pgtrickle._impossible_options(engine, settings).items() %}
    {% do dbt_pgtrickle._refuse_option(key, settings[key], reason ~ '; the engine in this database is ' ~ dbt_pgtrickle._told(engine)) %}
  {% endfor %}
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


{# Settings whose values the engine cannot take, alone or together: {key: what it must be}. #}
{% macro _impossible_options(engine, settings) %}
  {% set native = engine.name == 'native' %}
  {% set immediate = settings.refresh_mode == 'IMMEDIATE' %}
  {% set impossible = {} %}
  {% if settings.append_only and settings.refresh_mode in ('FULL', 'IMMEDIATE') %}
    {% do impossible.update({'append_only': 'which needs refresh_mode DIFFERENTIAL or AUTO'}) %}
  {% endif %}
  {% if settings.diamond_schedule_policy == 'SLOWEST' and settings.diamond_consistency == 'NONE' %}
    {% do impossible.update({'diamond_schedule_policy': 'which needs diamond_consistency ATOMIC'}) %}
  {% endif %}
  {% if settings.cdc_mode == 'WAL' and immediate %}
    {% do impossible.update({'cdc_mode': 'which with refresh_mode IMMEDIATE must be TRIGGER, AUTO or null'}) %}
  {% elif settings.cdc_mode == 'WAL' and native and not dbt_pgtrickle._reads_the_log(engine.version) %}
    {% do impossible.update({'cdc_mode': 'which must be TRIGGER, AUTO or null: WAL was withdrawn in 0.98 and is back in 0.103'}) %}
  {% endif %}
  {% if settings.partition_by and native and immediate %}
    {% do impossible.update({'partition_by': 'which needs refresh_mode FULL, DIFFERENTIAL or AUTO'}) %}
  {% elif settings.partition_by and not native and modules.re.search('(?i)^(list|hash):|,', settings.partition_by) %}
    {% do impossible.update({'partition_by': 'which must be one column, for RANGE partitions'}) %}
  {% endif %}
  {% for key, value, least in [
    ('max_differential_joins', settings.max_differential_joins, 0 if native else 1),
    ('fuse_ceiling', settings.fuse_ceiling, 1),
    ('fuse_sensitivity', settings.fuse_sensitivity, 1),
  ] if value is not none and value < least %}
    {% do impossible.update({key: 'which must be at least ' ~ least}) %}
  {% endfor %}
  {% set fraction = settings.max_delta_fraction %}
  {% if fraction is not none and (fraction < 0 or not native and (fraction == 0 or fraction > 1)) %}
    {% do impossible.update({'max_delta_fraction': 'which must be at least 0' if native else 'which must be above 0 and at most 1'}) %}
  {% endif %}
  {% if settings.output_distribution_column is not none and native and not engine.has_citus %}
    {% do impossible.update({'output_distribution_column': 'which needs Citus, and this database has none'}) %}
  {% endif %}
  {{ return(impossible) }}
{% endmacro %}


{% macro _reads_the_log(version) %}
  {% set minor = (version.split('.') + ['0'])[1] | int %}
  {{ return(not version.startswith('0.') or minor < 98 or minor >= 103) }}
{% endmacro %}


{# The engine, as messages name it. #}
{% macro _told(engine) %}
  {{ return(engine.name ~ ' ' ~ (engine.version or '')) }}
{% endmacro %}


{% macro _refuse_option(key, value, reason) %}
  {% do exceptions.raise_compiler_error(
    "The stream table " ~ model.name ~ " sets " ~ key ~ " to " ~ (value | tojson) ~ ", " ~ reason ~ "."
  ) %}
{% endmacro %}
