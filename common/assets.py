"""Every asset of the pipeline, once. DAGs import them from here; none is made elsewhere."""

from __future__ import annotations

from airflow.sdk import Asset

from common.datasets import DATASETS

#: Dataset name -> its asset in the lake's raw zone; an event's `extra` is a `common.ingest.Announcement`.
RAW = {name: Asset(f"raw_{name}", uri=f"x-telecoms://lake/raw/{name}", group="raw") for name in DATASETS}

#: The RAW schema; an event's `extra` is a `common.warehouse.Batch`.
WAREHOUSE = Asset("warehouse", uri="x-telecoms://warehouse/raw", group="warehouse")
#: The MARTS schema.
MARTS = Asset("marts", uri="x-telecoms://warehouse/marts", group="warehouse")
