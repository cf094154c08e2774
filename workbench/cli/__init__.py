"""The command-line tool behind `./dev`: one module a command."""
