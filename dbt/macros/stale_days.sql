{#- The days, as a list of SQL literals, that staging refreshed since `done` was made from them; '0001-01-01' if none.
    As literals, because only those reach the index on `day` below the view `readings`; a join would read every day. -#}
{% macro stale_days(staged, done) -%}
    {%- set query -%}
        select distinct day::text
        from {{ staged }} as staged
        where not exists (
            select 1
            from {{ done }} as done
            where done.day = staged.day
                and done.sensor_type = staged.sensor_type
                and done.refreshed_at = staged.refreshed_at
        )
    {%- endset -%}
    {%- set days = run_query(query).columns[0].values() if execute else [] -%}
    {%- for day in days or ['0001-01-01'] -%}date '{{ day }}'{{ ', ' if not loop.last }}{%- endfor -%}
{%- endmacro %}
