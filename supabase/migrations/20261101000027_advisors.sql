-- What Supabase's advisors would say of the migrations before (tests/synkro/test_advisors.py): a function of ours that anybody may
-- execute. The readings' words are made by whoever stores a reading, and that is the workers.
revoke execute on function synkro.reading_words(jsonb) from public;
grant execute on function synkro.reading_words(jsonb) to service_role;
