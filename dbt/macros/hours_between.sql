{#- Hours from the first time to the second; null while either is missing. -#}
{% macro hours_between(start, end) -%}
    (extract(epoch from {{ end }} - {{ start }}) / 3600)::double precision
{%- endmacro %}
