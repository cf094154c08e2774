{% from "sql/cells.sql" import day, moment, text -%}
-- One row for each call and each social media complaint; one that comes again on a later day replaces the earlier one.
CREATE OR REPLACE TABLE MARTS.FCT_COMPLAINTS AS
WITH complaints AS (
    SELECT
        'call' AS source,
        TRIM(r.call_id) AS complaint_id,
        {{ text("r.customer_id") }} AS customer_id,
        {{ text("r.agent_id") }} AS agent_id,
        INITCAP({{ text("r.complaint_category") }}) AS category,
        LOWER({{ text("r.resolution_status") }}) AS resolution_status,
        'phone' AS channel,
        {{ moment("r.call_start_time") }} AS opened_at,
        {{ moment("r.call_end_time") }} AS closed_at,
        {{ day("r.call_logs_generation_date") }} AS reported_on,
        r._partition,
        r._row
    FROM RAW.CALL_LOGS AS r
    JOIN RAW.SNAPSHOT AS s ON s.load_id = r._load_id
    UNION ALL
    SELECT
        'social media',
        TRIM(r.complaint_id),
        {{ text("r.customer_id") }},
        {{ text("r.agent_id") }},
        INITCAP({{ text("r.complaint_category") }}),
        LOWER({{ text("r.resolution_status") }}),
        LOWER({{ text("r.media_channel") }}),
        {{ moment("r.request_date") }},
        {{ moment("r.resolution_date") }},
        {{ day("r.media_complaint_generation_date") }},
        r._partition,
        r._row
    FROM RAW.SOCIAL_MEDIA AS r
    JOIN RAW.SNAPSHOT AS s ON s.load_id = r._load_id
)
SELECT
    source, complaint_id, customer_id, agent_id, category, resolution_status, channel, opened_at, closed_at, reported_on
FROM complaints
WHERE NULLIF(complaint_id, '') IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY source, complaint_id ORDER BY _partition DESC, _row DESC) = 1;
