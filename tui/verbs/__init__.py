"""The verbs of the command line, one file per stage; each loads only what it needs."""
