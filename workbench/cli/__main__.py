"""`python -m workbench.cli`, which is what `./dev` runs."""

from workbench.cli.main import main

raise SystemExit(main())
