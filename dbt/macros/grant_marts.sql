{#- Lets the role `sensorhouse_reader`, where there is one, read the marts and nothing else. As default privileges too, so
    that a table which takes another's place can be read from its first moment on. -#}
{% macro grant_marts() -%}
    {%- if execute and run_query("select 1 from pg_roles where rolname = 'sensorhouse_reader'") | length -%}
        grant usage on schema marts to sensorhouse_reader;
        grant select on all tables in schema marts to sensorhouse_reader;
        alter default privileges in schema marts grant select on tables to sensorhouse_reader;
    {%- endif -%}
{%- endmacro %}
