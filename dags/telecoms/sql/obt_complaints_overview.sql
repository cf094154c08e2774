-- One wide row for each complaint, for dashboards. If the customer or the agent is unknown, its columns are NULL.
CREATE OR REPLACE TABLE MARTS.OBT_COMPLAINTS_OVERVIEW AS
SELECT
    f.source,
    f.complaint_id,
    f.category,
    f.resolution_status,
    f.channel,
    f.opened_at,
    f.closed_at,
    DATEDIFF('minute', f.opened_at, f.closed_at) AS minutes_open,
    f.reported_on,
    f.customer_id,
    c.customer_name,
    c.gender AS customer_gender,
    c.email AS customer_email,
    c.signup_date AS customer_signup_date,
    f.agent_id,
    a.agent_name,
    a.experience_years AS agent_experience_years,
    a.state AS agent_state
FROM MARTS.FCT_COMPLAINTS AS f
LEFT JOIN MARTS.DIM_CUSTOMERS AS c ON c.customer_id = f.customer_id
LEFT JOIN MARTS.DIM_AGENTS AS a ON a.agent_id = f.agent_id;
