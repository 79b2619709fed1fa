-- A policy says whom it is for: the three of reply_labels were for PUBLIC, of whom no grant let anybody in.
alter policy reply_labels_read on synkro.reply_labels to authenticated;
alter policy reply_labels_write on synkro.reply_labels to authenticated;
alter policy reply_labels_change on synkro.reply_labels to authenticated;

-- What runs with its owner's rights looks into pg_temp last: without a word about it, the caller's temporary tables come first. Bodies
-- name every schema, so nothing is looked for in either.
do $$
declare function_name text;
begin
  for function_name in
    select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and n.nspname in ('synkro', 'private', 'api')
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
  loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', function_name);
  end loop;
end
$$;
