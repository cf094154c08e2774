"""`python -m workbench.debug`: run one DAG where Airflow's environment is set and there is no `./dev`."""

import sys

from workbench.debug.run import main

sys.exit(main())
