-- Tasks of deals. A task says whether it was done and not when: its last completion in the log does; failing that, its last change.
select
    t.tenant_id,
    t.entity_id as raw_deal_id,
    t.id as raw_id,
    t.id::text as task_id,
    t.entity_id::text as deal_id,
    nullif(t.payload ->> 'responsible_user_id', '0') as responsible_id,
    {{ as_integer("t.payload ->> 'task_type_id'") }} as task_type_id,
    t.payload ->> 'text' as text,
    -- [], an object, a list or a string
    nullif(coalesce(
        t.payload #>> '{result,text}',
        t.payload #>> '{result,0,text}',
        case jsonb_typeof(t.payload -> 'result') when 'string' then t.payload ->> 'result' end
    ), '') as result,
    {{ unix_time("t.payload ->> 'complete_till'") }} as due_at,
    coalesce(t.created_at, {{ unix_time("t.payload ->> 'created_at'") }}) as created_at,
    coalesce(t.updated_at, {{ unix_time("t.payload ->> 'updated_at'") }}) as updated_at,
    {{ as_flag("t.payload ->> 'is_completed'", 'false') }} as is_completed,
    case when {{ as_flag("t.payload ->> 'is_completed'", 'false') }} then
        coalesce(
            (
                select max(e.created_at)
                from {{ source('raw_amocrm', 'events') }} as e
                where e.tenant_id = t.tenant_id and e.entity_id = t.id and e.type = 'task_completed'
            ),
            t.updated_at,
            {{ unix_time("t.payload ->> 'updated_at'") }}
        ) end as completed_at
from {{ source('raw_amocrm', 'tasks') }} as t
where t.entity_type in ('lead', 'leads') and t.entity_id is not null
