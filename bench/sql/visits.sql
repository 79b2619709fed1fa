-- Visits start..end: eight messages in 40 minutes, ours every second; one visit of ten ends with a question.
insert into raw_radist.messages (tenant_id, chat_id, id, connection_id, sent_at, direction, message_type, payload, seen_at, _dlt_load_id, _dlt_id)
select
    %(tenant)s, m.client, 'm' || m.visit || '-' || m.place, 1, m.sent_at, case when m.is_ours then 'outbound' else 'inbound' end, 'text',
    jsonb_build_object('message_id', 'm' || m.visit || '-' || m.place, 'message_type', 'text', 'status', 'delivered',
        'created_at', m.sent_at, 'connection_id', 1, 'text', jsonb_build_object('text', case
            when m.place = 0 then 'Здравствуйте! Подскажите, есть ли в наличии заказ № ' || m.visit || '?'
            when m.place = 1 and m.visit %% 3 = 0 then 'Здравствуйте! Спасибо, что написали нам. Чем могу помочь?'
            when m.place = 6 and m.visit %% 10 > 0 then 'спасибо'
            when m.is_ours then 'Да, по вопросу ' || m.visit || ' всё готово, привезём завтра после обеда, часть ' || m.place
            else 'А сколько будет стоить доставка по городу, если заказать ' || m.place || ' штуки?' end)),
    now(), '1', 'm' || m.visit || '-' || m.place
from (
    select
        v as visit, k as place, 1 + (v::bigint * 7919 + v / 5) %% %(clients)s as client,
        k %% 2 = 1 as is_ours,
        %(first)s::timestamptz + v * %(gap)s::interval + k * interval '5 minutes' + (v %% 7) * interval '13 seconds' as sent_at
    from generate_series(%(start)s, %(end)s - 1) as v
    cross join generate_series(0, 7) as k
    where not (k = 7 and v %% 10 = 0)
) as m;

insert into raw_amocrm.events (tenant_id, id, type, entity_type, entity_id, created_at, payload, seen_at, _dlt_load_id, _dlt_id)
select
    %(tenant)s, 'e' || v || '-' || k, 'outgoing_chat_message', 'lead', 1 + (v::bigint * 7919 + v / 5) %% %(clients)s,
    %(first)s::timestamptz + v * %(gap)s::interval + k * interval '5 minutes' + (v %% 7) * interval '13 seconds' + interval '1 second',
    jsonb_build_object('created_by', 1 + v %% 10, '_embedded', jsonb_build_object('entity',
        jsonb_build_object('linked_talk_contact_id', 1 + (v::bigint * 7919 + v / 5) %% %(clients)s))),
    now(), '1', 'e' || v || '-' || k
from generate_series(%(start)s, %(end)s - 1) as v
cross join generate_series(1, 7, 2) as k
where v %% 2 = 0;

insert into raw_amocrm.events (tenant_id, id, type, entity_type, entity_id, created_at, payload, seen_at, _dlt_load_id, _dlt_id)
select
    %(tenant)s, 's' || v, 'lead_status_changed', 'lead', 1 + (v::bigint * 7919 + v / 5) %% %(clients)s,
    %(first)s::timestamptz + v * %(gap)s::interval + interval '1 hour',
    '{"created_by": 3, "value_before": [{"lead_status": {"id": 1, "pipeline_id": 5}}], "value_after": [{"lead_status": {"id": 2, "pipeline_id": 5}}]}',
    now(), '1', 's' || v
from generate_series(%(start)s, %(end)s - 1) as v
where v %% 20 = 0;

insert into raw_amocrm.notes (tenant_id, id, entity_type, entity_id, note_type, created_at, updated_at, payload, seen_at, _dlt_load_id, _dlt_id)
select
    %(tenant)s, v, 'contacts', 1 + (v::bigint * 7919 + v / 5) %% %(clients)s, 'call_out',
    %(first)s::timestamptz + v * %(gap)s::interval + interval '50 minutes', null, '{"created_by": 4, "params": {"duration": 65}}',
    now(), '1', 'n' || v
from generate_series(%(start)s, %(end)s - 1) as v
where v %% 50 = 0;

update raw_amocrm.leads
set updated_at = now(), payload = payload || '{"status_id": 2}'
where tenant_id = %(tenant)s and id in (
    select 1 + (v::bigint * 7919 + v / 5) %% %(clients)s from generate_series(%(end)s - least(%(end)s - %(start)s, 500), %(end)s - 1) as v where v %% 20 = 0
);
