"""A sweep: a few values tried one by one, each an ordinary run; the hopeless ones are stopped."""
