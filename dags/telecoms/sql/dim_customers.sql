{% from "sql/cells.sql" import day, text -%}
-- One row for each customer; the last one in the file wins.
CREATE OR REPLACE TABLE MARTS.DIM_CUSTOMERS AS
SELECT
    TRIM(r.customer_id) AS customer_id,
    {{ text("r.name") }} AS customer_name,
    UPPER(LEFT({{ text("r.gender") }}, 1)) AS gender,
    {{ day("r.date_of_birth") }} AS date_of_birth,
    {{ day("r.signup_date") }} AS signup_date,
    LOWER({{ text("r.email") }}) AS email,
    {{ text("r.address") }} AS address
FROM RAW.CUSTOMERS AS r
JOIN RAW.SNAPSHOT AS s ON s.load_id = r._load_id
WHERE {{ text("r.customer_id") }} IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY TRIM(r.customer_id) ORDER BY r._row DESC) = 1;
