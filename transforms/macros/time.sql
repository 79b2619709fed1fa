{#
  Label of the business day that contains a moment: the local date of the day's midpoint.
  Start 22:01 → [D-1 22:01, D 22:01) is D; start 06:00 → [D 06:00, D+1 06:00) is D.
  Wall-clock arithmetic in the tenant's zone, so a day of 23 or 25 hours keeps its label. Where the clock shows the start
  of a day twice, the day starts the first time (as in synkro/core/windows.py); Postgres reads such a time as the second.
#}
{% macro business_date(moment, timezone, day_start) -%}
    {%- set day = "((" ~ moment ~ " at time zone " ~ timezone ~ ") - " ~ day_start ~ "::interval)::date" -%}
    {%- set next_start = "(" ~ day ~ " + 1 + " ~ day_start ~ "::interval)" -%}
    {%- set an_hour_before = "((" ~ next_start ~ " at time zone " ~ timezone ~ ") - interval '1 hour')" -%}
    ({{ day }}
        + ({{ moment }} >= {{ an_hour_before }} and {{ an_hour_before }} at time zone {{ timezone }} = {{ next_start }})::integer
        + {{ day_start }}::interval + interval '12 hours')::date
{%- endmacro %}

{% macro minutes_between(a, b) -%}
    trim_scale(round(extract(epoch from {{ b }} - {{ a }}) / 60, 4))
{%- endmacro %}

{# A percentile as it is shown. percentile_cont counts in floating point: 832.275 comes as 832.27499…, so its noise goes first. #}
{% macro shown_minutes(percentile) -%}
    round(round({{ percentile }}::numeric, 6), 2)
{%- endmacro %}

{#
  W(t): working seconds from the start of the tenant's calendar to a moment; bh(a, b) = W(b) - W(a).
  One look-up in synkro.working_intervals. Seconds, because thirds of a minute are not exact numbers.
#}
{% macro working_seconds(tenant_id, moment) -%}
    coalesce((
        select w.minutes_before * 60 + extract(epoch from least({{ moment }}, w.ends_at) - w.starts_at)
        from {{ source('synkro', 'working_intervals') }} as w
        where w.tenant_id = {{ tenant_id }} and w.starts_at <= {{ moment }}
        order by w.starts_at desc
        limit 1
    ), 0)
{%- endmacro %}

{# True when a moment lies inside working time. #}
{% macro is_working_time(tenant_id, moment) -%}
    exists (
        select from {{ source('synkro', 'working_intervals') }} as w
        where w.tenant_id = {{ tenant_id }} and w.starts_at <= {{ moment }} and w.ends_at > {{ moment }}
          and w.starts_at = (
              select max(x.starts_at) from {{ source('synkro', 'working_intervals') }} as x
              where x.tenant_id = {{ tenant_id }} and x.starts_at <= {{ moment }}
          )
    )
{%- endmacro %}

{#
  bh_add(a, m): the moment at which m working minutes have passed since a; working_before = W(a) in seconds.
  The search starts at the last interval that began before a, not at the beginning of the calendar.
#}
{% macro add_working_minutes(tenant_id, moment, working_before, minutes) -%}
    (
        select w.starts_at + make_interval(
            secs => ({{ working_before }} + {{ minutes }} * 60 - w.minutes_before * 60)::double precision)
        from {{ source('synkro', 'working_intervals') }} as w
        where w.tenant_id = {{ tenant_id }}
          and w.starts_at >= coalesce((
              select max(x.starts_at) from {{ source('synkro', 'working_intervals') }} as x
              where x.tenant_id = {{ tenant_id }} and x.starts_at <= {{ moment }}
          ), '-infinity')
          and w.minutes_before * 60 + extract(epoch from w.ends_at - w.starts_at)
              >= {{ working_before }} + {{ minutes }} * 60
        order by w.starts_at
        limit 1
    )
{%- endmacro %}

{# Up to which moment the tenant's data reaches: the runs' watermark, moved on by a look at the chats before a delivery. #}
{% macro data_reaches() -%}
    max(greatest(as_of, looked_at))
{%- endmacro %}
