-- What a load needs; each statement may be repeated.
CREATE SCHEMA IF NOT EXISTS RAW;
CREATE SCHEMA IF NOT EXISTS MARTS;

-- Logical types: _ingested_at is a timestamp and not a number of microseconds.
CREATE FILE FORMAT IF NOT EXISTS RAW.LAKE_PARQUET TYPE = PARQUET USE_LOGICAL_TYPE = TRUE;

CREATE STAGE IF NOT EXISTS RAW.LAKE
    URL = %(lake_url)s
    {% if storage_integration %}STORAGE_INTEGRATION = {{ storage_integration | identifier }}{% endif %}
    FILE_FORMAT = (FORMAT_NAME = 'RAW.LAKE_PARQUET');

-- Rows of every load attempt; RAW.LOADS has the current attempt of each partition.
{% for dataset in datasets %}
CREATE TABLE IF NOT EXISTS RAW.{{ dataset.table | identifier }} (
    {% for column in dataset.columns %}{{ column | identifier }} VARCHAR,
    {% endfor %}_row NUMBER(38, 0),
    _ingested_at TIMESTAMP_NTZ,
    _load_id VARCHAR,
    _partition VARCHAR
);
{% endfor %}

-- One row for each publication of an attempt. Rows are only inserted, never changed.
CREATE TABLE IF NOT EXISTS RAW.LOAD_LEDGER (
    dataset VARCHAR,
    partition_key VARCHAR,
    load_id VARCHAR,
    etag VARCHAR,
    row_count NUMBER(38, 0),
    announced_at TIMESTAMP_NTZ,
    batch VARCHAR,
    published_at TIMESTAMP_NTZ
);

-- Announcements whose file is bad: not loaded until a new announcement.
CREATE TABLE IF NOT EXISTS RAW.REJECTIONS (
    dataset VARCHAR,
    partition_key VARCHAR,
    announced_at TIMESTAMP_NTZ,
    reason VARCHAR,
    rejected_at TIMESTAMP_NTZ
);

-- The current attempt of each partition: that of the newest announcement, in whatever order they were published.
CREATE OR REPLACE VIEW RAW.LOADS AS
SELECT dataset, partition_key, load_id, etag, row_count, announced_at, batch, published_at
FROM RAW.LOAD_LEDGER
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY dataset, partition_key ORDER BY announced_at DESC, published_at DESC, load_id DESC
) = 1;

{% for dataset in datasets %}
CREATE OR REPLACE VIEW RAW.{{ dataset.table | identifier }}_CURRENT AS
SELECT r.* FROM RAW.{{ dataset.table | identifier }} AS r JOIN RAW.LOADS AS l ON l.load_id = r._load_id;
{% endfor %}
