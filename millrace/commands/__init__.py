"""The command line, one file per noun. What a command needs is imported inside it, so that `--help` stays quick."""
