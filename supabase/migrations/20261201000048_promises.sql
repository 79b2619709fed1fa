-- How the columns of fct_promises are shown in api.
insert into private.api_columns (mart, column_name, form) values
  ('fct_promises', 'promise_id', 'plain'), ('fct_promises', 'dialog_id', 'plain'), ('fct_promises', 'client_id', 'client'),
  ('fct_promises', 'who', 'plain'), ('fct_promises', 'what', 'plain'), ('fct_promises', 'state', 'plain'),
  ('fct_promises', 'message_id', 'plain'), ('fct_promises', 'manager_id', 'plain'), ('fct_promises', 'kept_by', 'plain'),
  ('fct_promises', 'kept_by_dialog_id', 'plain'), ('fct_promises', 'kept_by_message_id', 'plain'),
  ('fct_promises', 'kept_by_event_id', 'plain');
