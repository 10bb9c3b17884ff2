{#- Seconds from the first time to the second; null while either is missing. -#}
{% macro seconds_between(start, end) -%}
    extract(epoch from {{ end }} - {{ start }})::double precision
{%- endmacro %}
