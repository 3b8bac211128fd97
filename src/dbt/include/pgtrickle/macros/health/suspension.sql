{#
  Why a stream table is not refreshed though nobody paused it, and the way out: its fuse blew, or it
  failed too often. None otherwise. `row` is its row of pgt_stream_tables, `name` what operations know
  it by.
#}
{% macro _suspension(engine, relation, row, name) %}
  {% if row.get('fuse_state') == 'blown' %}
    {{ return(
      'its fuse is blown: ' ~ (row.blow_reason or 'no reason was given') ~ '. To take in what is pending: '
      ~ dbt_pgtrickle._way_out(engine, relation, name, 'pgtrickle_reset_fuse', 'reset_fuse')
      ~ '. Other values of `action` are skip_changes and reinitialize'
    ) }}
  {% elif row.status == 'SUSPENDED' and row.consecutive_errors > 0 %}
    {{ return(
      'it is suspended after ' ~ row.consecutive_errors ~ ' failed refreshes'
      ~ (': ' ~ row.last_error_message if row.get('last_error_message'))
      ~ '. Once the cause is mended: '
      ~ dbt_pgtrickle._way_out(engine, relation, name, 'pgtrickle_resume', 'resume_stream_table')
    ) }}
  {% endif %}
  {{ return(none) }}
{% endmacro %}


{# Whether somebody paused a stream table, or whatever suspends one and is no failure of it. #}
{% macro _is_paused(row) %}
  {{ return(row.status == 'SUSPENDED' and row.get('fuse_state') != 'blown' and row.consecutive_errors == 0) }}
{% endmacro %}


{# An operation on one stream table, as it is typed in a shell and as SQL. #}
{% macro _way_out(engine, relation, name, operation, function) %}
  {% set plain = modules.re.fullmatch('[\\w.]+', name) %}
  {% set argument = name if plain else name | tojson | replace("'", "'\\''") %}
  {{ return(
    "`dbt run-operation " ~ operation ~ " --args '{model_name: " ~ argument ~ "}'`, or in SQL `select pgtrickle."
    ~ function ~ "('" ~ (dbt_pgtrickle._name(relation, engine) | replace("'", "''")) ~ "')`"
  ) }}
{% endmacro %}
