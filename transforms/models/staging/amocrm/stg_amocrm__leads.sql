-- price_with_minor_units, where the account has it, is the exact price; loss_reason comes as a list or as an object.
select
    tenant_id,
    id as raw_id,
    id::text as deal_id,
    payload ->> 'name' as name,
    coalesce({{ as_number("payload ->> 'price_with_minor_units'") }}, {{ as_number("payload ->> 'price'") }}) as price,
    {{ as_integer("payload ->> 'pipeline_id'") }} as pipeline_id,
    {{ as_integer("payload ->> 'status_id'") }} as status_id,
    nullif(payload ->> 'responsible_user_id', '0') as responsible_id,
    {{ as_integer("payload ->> 'loss_reason_id'") }} as loss_reason_id,
    coalesce(
        payload #>> '{_embedded,loss_reason,0,name}',
        payload #>> '{_embedded,loss_reason,name}'
    ) as loss_reason,
    coalesce(created_at, {{ unix_time("payload ->> 'created_at'") }}) as created_at,
    coalesce(updated_at, {{ unix_time("payload ->> 'updated_at'") }}) as updated_at,
    {{ unix_time("payload ->> 'closed_at'") }} as closed_at,
    {{ as_flag("payload ->> 'is_deleted'", 'false') }} as is_deleted,
    -- the main contact, or the first when none is flagged
    (
        select c.link ->> 'id'
        from jsonb_array_elements(case jsonb_typeof(l.payload #> '{_embedded,contacts}') when 'array' then l.payload #> '{_embedded,contacts}' end)
            with ordinality as c (link, position)
        order by {{ as_flag("c.link ->> 'is_main'", 'false') }} desc, c.position
        limit 1
    ) as main_contact_id,
    seen_at
from {{ source('raw_amocrm', 'leads') }} as l
