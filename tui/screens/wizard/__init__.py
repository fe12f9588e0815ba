"""The wizard: from a file of examples to a running training, by keyboard alone."""

from tui.screens.wizard.screen import WizardScreen

__all__ = ["WizardScreen"]
