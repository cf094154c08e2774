"""The pipeline's library: plain Python under the DAGs. Imports neither `dags` nor `workbench.cli`."""
