-- One statement, one state: all marts of a run are built from it, also if a batch is published meanwhile.
CREATE OR REPLACE TABLE RAW.SNAPSHOT AS
SELECT dataset, partition_key, load_id, batch FROM RAW.LOADS;
