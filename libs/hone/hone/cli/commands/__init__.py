"""One module a group of commands; `hone.cli.main` loads the one that is asked for."""
