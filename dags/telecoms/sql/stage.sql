-- One file becomes one load attempt: all of its rows or none, invisible until they are published.
-- FORCE, because Snowflake remembers loaded files and would not load one again for a repeated attempt.
COPY INTO RAW.{{ dataset.table | identifier }} (
    {% for column in dataset.columns %}{{ column | identifier }}, {% endfor %}_row, _ingested_at, _load_id, _partition
)
FROM (
    SELECT
        {% for column in dataset.columns %}$1:{{ column | identifier }}::VARCHAR,
        {% endfor %}$1:_row::NUMBER(38, 0),
        $1:_ingested_at::TIMESTAMP_NTZ,
        %(load_id)s,
        %(partition)s
    FROM @RAW.LAKE/{{ folder | path }}
)
FILES = (%(file)s)
FILE_FORMAT = (FORMAT_NAME = 'RAW.LAKE_PARQUET')
ON_ERROR = ABORT_STATEMENT
FORCE = TRUE;
