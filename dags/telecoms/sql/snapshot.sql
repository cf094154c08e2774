-- One statement, one state: all marts of a run are built from it, whatever is published meanwhile.
CREATE OR REPLACE TABLE RAW.SNAPSHOT AS
SELECT dataset, partition_key, load_id, wave FROM RAW.LOADS;
