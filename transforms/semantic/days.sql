{{ config(materialized='view', schema='staging') }}
-- the time spine that MetricFlow asks for

select cast(day as date) as date_day
from generate_series(date '2020-01-01', date '2040-12-31', interval '1 day') as day
