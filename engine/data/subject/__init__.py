"""What rows are about: language, words to look at, meaning."""
