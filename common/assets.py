"""Every asset of the pipeline, once. DAGs import them from here; none is made elsewhere."""

from __future__ import annotations

from airflow.sdk import Asset

#: The raw zone of the lake, one asset a dataset; an event's `extra` is a `common.ingest.Announcement`.
RAW_AGENTS = Asset("raw_agents", uri="x-telecoms://lake/raw/agents", group="raw")
RAW_CUSTOMERS = Asset("raw_customers", uri="x-telecoms://lake/raw/customers", group="raw")
RAW_CALL_LOGS = Asset("raw_call_logs", uri="x-telecoms://lake/raw/call_logs", group="raw")
RAW_SOCIAL_MEDIA = Asset("raw_social_media", uri="x-telecoms://lake/raw/social_media", group="raw")

#: Dataset name -> its asset.
RAW = {
    "agents": RAW_AGENTS,
    "customers": RAW_CUSTOMERS,
    "call_logs": RAW_CALL_LOGS,
    "social_media": RAW_SOCIAL_MEDIA,
}

#: The RAW schema; an event's `extra` is a `common.warehouse.Wave`.
WAREHOUSE = Asset("warehouse", uri="x-telecoms://warehouse/raw", group="warehouse")
#: The MARTS schema.
MARTS = Asset("marts", uri="x-telecoms://warehouse/marts", group="warehouse")
