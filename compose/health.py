"""`health.py JOB_TYPE`: exit 0 if this container's component wrote a heartbeat lately.

`airflow jobs check` says the same and takes 3 s of CPU for it; this takes 0.1 s. No import of Airflow, therefore.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import psycopg2

#: Components write one every five seconds.
LATE_AFTER_SECONDS = 30

QUERY = """
SELECT count(*) FROM job
WHERE job_type = %s AND hostname LIKE %s AND state = 'running' AND latest_heartbeat > now() - %s * interval '1 second'
"""


def main(job_type: str) -> int:
    """Look for the heartbeat.

    :return: 0, or 1 where there is none; a traceback where the database does not answer, for `docker inspect` to show.
    """
    url = Path(os.environ["KEYS_DIR"], "database_url").read_text(encoding="utf-8")
    with psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=5) as session, session.cursor() as cursor:
        cursor.execute(QUERY, (job_type, f"{socket.gethostname()}%", LATE_AFTER_SECONDS))
        row = cursor.fetchone()
    if row and row[0]:
        return 0
    print(f"no heartbeat of {job_type} in the last {LATE_AFTER_SECONDS} s")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
