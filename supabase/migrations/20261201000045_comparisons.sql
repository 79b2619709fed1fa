-- What a window is compared with is a fact of the window: which earlier ones, as the calendar had them when it was registered.

alter table synkro.report_windows
  -- [{"compared_with": "usual" | "previous", "start", "end", "unit", "working_days"}], newest first (synkro/core/baselines.py)
  add column baselines jsonb not null default '[]' check (jsonb_typeof(baselines) = 'array');
