"""F5 and `./dev run`: `dag.test()` in a database of its own."""
