-- What needs no loading: the current loads, and the announcements whose file was rejected.
SELECT dataset, partition_key, etag, announced_at, wave, FALSE AS rejected FROM RAW.LOADS
UNION ALL
SELECT dataset, partition_key, NULL, announced_at, NULL, TRUE FROM RAW.REJECTIONS;
