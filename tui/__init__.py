"""The two faces of Tunesmith: the command line and the full-screen app."""
