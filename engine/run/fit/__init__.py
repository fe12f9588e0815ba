"""The fit gate that measures: a plan's worst steps really taken under the box's own limits."""
