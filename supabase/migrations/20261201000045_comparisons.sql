-- What a window is compared with is a fact of the window: which earlier ones, as the calendar had them when it was registered.

alter table synkro.report_windows
  -- [{"compared_with": "usual" | "previous", "start", "end", "unit", "working_days"}], newest first (synkro/core/baselines.py)
  add column baselines jsonb not null default '[]' check (jsonb_typeof(baselines) = 'array');

-- of the marts period_usual and period_changes: names of numbers, of parts and of the company's own people and stages
insert into private.api_columns (mart, column_name, form) values
  ('period_usual', 'compared_with', 'plain'), ('period_usual', 'metric', 'plain'), ('period_usual', 'unit', 'plain'),
  ('period_changes', 'compared_with', 'plain'), ('period_changes', 'metric', 'plain'), ('period_changes', 'dimension', 'plain'),
  ('period_changes', 'part', 'plain'), ('period_changes', 'part_label', 'plain');
