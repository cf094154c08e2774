"""`python -m devkit`, which is what `./dev` runs."""

from devkit.cli import main

raise SystemExit(main())
