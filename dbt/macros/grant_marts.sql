{#- Lets the role `sensorhouse_reader`, where there is one, read the marts and nothing else. As default privileges too, so
    that a table which takes another's place can be read from its first moment on. -#}
{% macro grant_marts() -%}
    {#- `dbt source freshness` runs this too, maybe before anything was built. -#}
    {%- set asked = "select 1 from pg_roles where rolname = 'sensorhouse_reader' and to_regnamespace('marts') is not null" -%}
    {%- if execute and run_query(asked) | length -%}
        grant usage on schema marts to sensorhouse_reader;
        grant select on all tables in schema marts to sensorhouse_reader;
        alter default privileges in schema marts grant select on tables to sensorhouse_reader;
    {%- endif -%}
{%- endmacro %}
