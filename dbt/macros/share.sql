{#- Which part of the second number the first is; null of nothing. -#}
{% macro share(part, whole) -%}
    {{ part }}::double precision / nullif({{ whole }}, 0)
{%- endmacro %}
