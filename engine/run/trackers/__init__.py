"""Experiment trackers: a run's curves, told to TensorBoard, W&B, MLflow or Trackio as well.

Each works in a process of its own, which the training feeds through a pipe that never blocks it.
"""
