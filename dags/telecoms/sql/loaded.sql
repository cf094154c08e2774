-- The current loads of some partitions, and those of their announcements whose file was rejected.
SELECT dataset, partition_key, etag, announced_at, FALSE AS rejected
FROM RAW.LOADS
WHERE partition_key IN ({% for key in keys %}%({{ key | identifier }})s{{ ", " if not loop.last }}{% endfor %})
UNION ALL
SELECT dataset, partition_key, NULL, announced_at, TRUE
FROM RAW.REJECTIONS
WHERE partition_key IN ({% for key in keys %}%({{ key | identifier }})s{{ ", " if not loop.last }}{% endfor %});
