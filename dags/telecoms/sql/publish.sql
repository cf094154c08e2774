-- One statement makes all partitions of a batch current at once.
INSERT INTO RAW.LOAD_LEDGER (
    dataset, partition_key, load_id, etag, row_count, announced_at, batch, published_at
)
VALUES
{% for load in loads %}(
    %(dataset_{{ loop.index }})s, %(partition_{{ loop.index }})s, %(load_id_{{ loop.index }})s,
    %(etag_{{ loop.index }})s, %(rows_{{ loop.index }})s, %(announced_at_{{ loop.index }})s, %(batch)s, %(now)s
){{ "," if not loop.last }}
{% endfor %};
