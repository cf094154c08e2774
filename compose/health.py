"""`health.py JOB_TYPE`: exit 0 if this container's component wrote a heartbeat lately, or does so in a moment.

`airflow jobs check` says the same and takes 3 s of CPU for it; this takes 0.1 s. No import of Airflow, therefore.
Nine tenths of that is starting Python. During a slow start it would be spent each second: therefore one check waits.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import psycopg2

#: Components write one every five seconds.
LATE_AFTER_SECONDS = 30
#: How long one check waits for a first heartbeat, and the time between two of its queries.
TIMEOUT_SECONDS, POLL_SECONDS = 6.0, 0.25

QUERY = """
SELECT count(*) FROM job
WHERE job_type = %s AND hostname LIKE %s AND state = 'running' AND latest_heartbeat > now() - %s * interval '1 second'
"""


def main(job_type: str) -> int:
    """Wait for a heartbeat.

    :return: 0, or 1 where none comes; a traceback where the database does not answer, for `docker inspect` to show.
    """
    url = Path(os.environ["KEYS_DIR"], "database_url").read_text(encoding="utf-8")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    session = psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=5)
    session.autocommit = True
    with session.cursor() as cursor:
        while True:
            cursor.execute(QUERY, (job_type, f"{socket.gethostname()}%", LATE_AFTER_SECONDS))
            row = cursor.fetchone()
            if row and row[0]:
                return 0
            if time.monotonic() > deadline:
                print(f"no heartbeat of {job_type} in the last {LATE_AFTER_SECONDS} s")
                return 1
            time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
