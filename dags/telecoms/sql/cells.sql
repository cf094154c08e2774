{#- A cell without blanks around it; an empty one is NULL. -#}
{% macro text(column) -%}
NULLIF(TRIM({{ column }}), '')
{%- endmacro %}

{#- A timestamp from ISO form or day first; an ingest refuses everything else. -#}
{% macro moment(column) -%}
TRY_CAST(REGEXP_REPLACE(TRIM({{ column }}), '^([0-9]{2})/([0-9]{2})/([0-9]{4})', '\\3-\\2-\\1') AS TIMESTAMP_NTZ)
{%- endmacro %}

{#- The same as a day. -#}
{% macro day(column) -%}
TO_DATE({{ moment(column) }})
{%- endmacro %}
