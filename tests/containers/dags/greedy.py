"""A DAG file that takes all memory when Airflow reads it."""

taken = []
while True:
    taken.append(b"x" * (64 << 20))
