{#
  Cron expressions for the extension, which tells of a wrong one in an error of the database alone. Its
  grammar is that of the library croner 3, tried by running it (docs/decisions/native.md). The portable
  engine judges its own.
#}
{% macro _is_cron(schedule) %}
  {{ return(modules.re.search('[\\s@]', schedule) is not none) }}
{% endmacro %}


{# What is wrong with a cron expression, and what is right, in words; none where nothing is. #}
{% macro _wrong_cron(expression) %}
  {% set wrong = dbt_pgtrickle._wrong_cron_fields(expression.split()) %}
  {{ return(wrong ~ " (cron expressions are like '*/5 * * * *', '0 6 * * mon-fri', '@hourly')" if wrong else none) }}
{% endmacro %}


{% macro _wrong_cron_fields(fields) %}
  {% if fields[0].startswith('@') %}
    {% set aliases = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@hourly'] %}
    {{ return(none if fields | length == 1 and fields[0] | lower in aliases else 'which must be one of ' ~ aliases | join(', ')) }}
  {% elif fields | length not in (5, 6) %}
    {{ return('which must have five fields (minute, hour, day of month, month, day of week) or six (second first)') }}
  {% endif %}
  {% set rules = [
    ('second', 0, 59), ('minute', 0, 59), ('hour', 0, 23), ('day of month', 1, 31), ('month', 1, 12), ('day of week', 0, 7)
  ] %}
  {% for field in fields %}
    {% set name, least, most = rules[loop.index0 + 6 - fields | length] %}
    {% for item in field.split(',') %}
      {% set wrong = dbt_pgtrickle._wrong_cron_item(item, name, least, most) %}
      {% if wrong %}
        {{ return('whose ' ~ name ~ ' must ' ~ wrong) }}
      {% endif %}
    {% endfor %}
  {% endfor %}
  {{ return(none) }}
{% endmacro %}


{#
  Of one item of a field: `*`, a number or a range, each with a step if it likes; `?` for a day; of days
  of the month `L`, the last one, and `15W`, the weekday next to the 15th; of days of the week `5L` and
  `5#L`, the last Friday, and `5#2`, the second one.
#}
{% macro _wrong_cron_item(item, name, least, most) %}
  {% set plain = namespace(item=item | upper) %}
  {% for word in 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split() if name == 'month' %}
    {% set plain.item = plain.item.replace(word, loop.index | string) %}
  {% endfor %}
  {% for word in 'SUN MON TUE WED THU FRI SAT'.split() if name == 'day of week' %}
    {% set plain.item = plain.item.replace(word, loop.index0 | string) %}
  {% endfor %}
  {% set every = '[*?]' if name.startswith('day') else '[*]' %}
  {% set special = {
    'day of month': '|L|\\d+W',
    'day of week': '|L|\\d+L|([*?]/\\d+|\\d+(-\\d+)?(/\\d+)?)#[1-5L]',
  }.get(name, '') %}
  {% if not modules.re.fullmatch('(' ~ every ~ '|\\d+(-\\d+)?)(/\\d+)?' ~ special, plain.item) %}
    {{ return('be numbers, ranges, steps or *, not ' ~ (item or 'nothing')) }}
  {% endif %}
  {% set numbers = modules.re.findall('(?<![/#\\d])\\d+', plain.item) | map('int') | list %}
  {% for number in numbers if number < least or number > most %}
    {{ return('be within ' ~ least ~ ' to ' ~ most ~ ', not ' ~ number) }}
  {% endfor %}
  {% if numbers | length > 1 and numbers[0] > numbers[1] %}
    {{ return('go from low to high, not ' ~ item) }}
  {% elif modules.re.search('/0+(?!\\d)', plain.item) %}
    {{ return('step by 1 or more, not ' ~ item) }}
  {% endif %}
  {{ return(none) }}
{% endmacro %}
