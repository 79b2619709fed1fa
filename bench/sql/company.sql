-- Clients 1..n: a chat each, a contact for most, a deal for 60 of 100. Managers 1..10.
insert into raw_amocrm.users
select %(tenant)s, m, jsonb_build_object('name', 'Менеджер ' || m, 'email', m || '@example.test', 'rights', jsonb_build_object('is_active', true)),
    now(), '1', 'u' || m
from generate_series(1, 10) as m;

insert into raw_amocrm.pipelines
values (%(tenant)s, 5, '{"name": "Продажи", "sort": 1, "_embedded": {"statuses": [{"id": 1, "name": "Новая", "sort": 10},
    {"id": 2, "name": "В работе", "sort": 20}, {"id": 142, "name": "Продано", "sort": 10000}, {"id": 143, "name": "Отказ", "sort": 11000}]}}',
    now(), '1', 'p');

insert into raw_amocrm.account values (%(tenant)s, 1, '{"name": "Компания", "currency": "KZT"}', now(), '1', 'a');

insert into raw_radist.sources values (%(tenant)s, 1, 'whatsapp_web', '{}', now(), '1', 's');

insert into raw_radist.chats
select %(tenant)s, c, c, 1, %(first)s,
    jsonb_build_object('chat_id', c, 'source_chat_id', '7' || (7010000000 + c) || '@c.us', 'contact_name', 'Клиент ' || c,
        'is_group', false, 'phone', '+7' || (7010000000 + c), '_synkro', jsonb_build_object('phone', '+7' || (7010000000 + c))),
    now(), '1', 'c' || c
from generate_series(1, %(clients)s) as c;

insert into raw_amocrm.contacts
select %(tenant)s, c, %(first)s, %(first)s,
    jsonb_build_object('name', 'Клиент ' || c, 'responsible_user_id', 1 + c %% 10,
        '_synkro', jsonb_build_object('phones', jsonb_build_array('+7' || (7010000000 + c)))),
    now(), '1', 'k' || c
from generate_series(1, %(clients)s) as c
where c %% 10 > 0;

insert into raw_amocrm.leads
select %(tenant)s, c, %(first)s::timestamptz + c * interval '1 minute', %(first)s::timestamptz + c * interval '2 minutes',
    jsonb_build_object('name', 'Сделка ' || c, 'price', 1000 * (c %% 90), 'pipeline_id', 5, 'status_id', 1 + c %% 2,
        'responsible_user_id', 1 + c %% 10, '_embedded', jsonb_build_object('contacts', jsonb_build_array(jsonb_build_object('id', c, 'is_main', true)))),
    now(), '1', 'l' || c
from generate_series(1, %(clients)s) as c
where c %% 10 between 1 and 6;
