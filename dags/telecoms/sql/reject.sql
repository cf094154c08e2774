INSERT INTO RAW.REJECTIONS (dataset, partition_key, announced_at, reason, rejected_at)
VALUES (%(dataset)s, %(partition)s, %(announced_at)s, %(reason)s, %(now)s);
