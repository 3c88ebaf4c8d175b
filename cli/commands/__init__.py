"""One file a command; `cli.main` names their options and loads the one that is asked for."""
