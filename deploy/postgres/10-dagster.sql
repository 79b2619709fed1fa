-- Dagster keeps its runs in a database of its own.
create database dagster;
