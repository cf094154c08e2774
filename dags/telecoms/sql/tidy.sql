-- Delete the rows of attempts that no reader can see any more. A load id begins with the time at which its attempt
-- began. Rows that were current within the last day stay, for readers that took a snapshot.
{% for dataset in datasets %}
DELETE FROM RAW.{{ dataset.table | identifier }}
WHERE _load_id < %(horizon_id)s
    AND _load_id NOT IN (
        SELECT load_id
        FROM (
            SELECT
                load_id,
                LEAD(published_at) OVER (
                    PARTITION BY dataset, partition_key ORDER BY announced_at, published_at, load_id
                ) AS superseded_at
            FROM RAW.LOAD_LEDGER
        ) AS history
        WHERE superseded_at IS NULL OR superseded_at > %(horizon)s
    );
{% endfor %}
