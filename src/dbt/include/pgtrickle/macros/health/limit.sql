{#
  Seconds after which a table counts as stale. Of a cron expression, the longest gap it can have is
  guessed from its coarsest field; a calculated schedule promises nothing.
#}
{% macro _limit_sql(warn_seconds) %}
  {%- if warn_seconds is not none -%}
    {{ warn_seconds | int }}
  {%- else -%}
    greatest(300, 300 + case
        when s.schedule is null then 'infinity'::float8
        when s.schedule !~ '[\s@]' then pgtrickle.parse_duration_seconds(s.schedule)
        when s.schedule ~* '@hourly' then 3600
        when s.schedule ~* '@(daily|midnight)' then 86400
        when s.schedule ~* '@weekly' then 604800
        when s.schedule ~* '@monthly' then 2678400
        when s.schedule ~ '@' then 31622400
        else (
          select case
            when fields[4] <> '*' then 31622400
            when fields[3] <> '*' then 2678400
            when fields[5] <> '*' then 604800
            when fields[2] <> '*' then 86400
            else 3600
          end
          from regexp_split_to_array(btrim(s.schedule), '\s+') given,
            lateral (select given[array_length(given, 1) - 4:]) from_minutes(fields)
        )
      end)
  {%- endif -%}
{% endmacro %}
