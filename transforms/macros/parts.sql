{# Four blocks of the company's day. Clients write in all of them, and a shift begins or ends near each border. #}
{% macro hour_block(moment, timezone) -%}
    case
        when extract(hour from {{ moment }} at time zone {{ timezone }}) < 9 then '00-09'
        when extract(hour from {{ moment }} at time zone {{ timezone }}) < 13 then '09-13'
        when extract(hour from {{ moment }} at time zone {{ timezone }}) < 17 then '13-17'
        else '17-24'
    end
{%- endmacro %}

{# A client is new in the window of their first message ever; nobody who has not written yet is either. #}
{% macro client_kind(first_message_at) -%}
    case
        when {{ first_message_at }} < n.window_start then 'returning'
        when {{ first_message_at }} < n.window_end then 'new'
        else ''
    end
{%- endmacro %}

{# Metrics of period_changes: how each is made of the columns of int_window_parts. A count or a sum is its numerator; a share
   is numerator / denominator; a median has its minutes in an array. #}
{% macro counted_metrics() -%}
    {{ return({
        'dialogs': 'dialogs', 'new_clients': 'new_clients', 'waits': 'waits', 'breached': 'breached', 'unanswered_now': 'unanswered',
        'unanswered_overdue': 'overdue', 'money_at_risk': 'risk_amount', 'deals_new': 'deals_new', 'deals_won': 'deals_won',
        'deals_won_amount': 'deals_won_amount', 'deals_lost': 'deals_lost', 'deals_lost_amount': 'deals_lost_amount'
    }) }}
{%- endmacro %}

{% macro share_metrics() -%}
    {{ return({'answered_within_target': ['in_time', 'judged'], 'answered_within_5': ['in_5', 'judged']}) }}
{%- endmacro %}

{% macro median_metrics() -%}
    {{ return({'first_response_p50': 'first_response_minutes', 'response_p50': 'response_minutes'}) }}
{%- endmacro %}
