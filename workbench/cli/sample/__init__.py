"""The sample pipeline, as `./dev demo` runs and checks it."""
