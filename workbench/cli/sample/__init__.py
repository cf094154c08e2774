"""What `./dev demo` knows of the sample pipeline."""
