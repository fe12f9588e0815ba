"""The wizard's questions, a file a step; `tui.steps` puts them in order."""
