{% from "sql/cells.sql" import text -%}
-- One row for each agent; the last one in the sheet wins.
CREATE OR REPLACE TABLE MARTS.DIM_AGENTS AS
SELECT
    TRIM(r.id) AS agent_id,
    {{ text("r.name") }} AS agent_name,
    TRY_TO_NUMBER({{ text("r.experience") }}) AS experience_years,
    {{ text("r.state") }} AS state
FROM RAW.AGENTS AS r
JOIN RAW.SNAPSHOT AS s ON s.load_id = r._load_id
WHERE {{ text("r.id") }} IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY TRIM(r.id) ORDER BY r._row DESC) = 1;
