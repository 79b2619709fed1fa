-- Normalised at loading (one home for the rule: synkro/core/phones.py); here they are only unpacked.
select distinct
    c.tenant_id,
    c.id as raw_id,
    c.id::text as contact_id,
    p.phone
from {{ source('raw_amocrm', 'contacts') }} as c
cross join lateral jsonb_array_elements_text(
    case jsonb_typeof(c.payload #> '{_synkro,phones}') when 'array' then c.payload #> '{_synkro,phones}' end
) as p (phone)
where p.phone like '+%'
