"""Which rows stand where: splits, balance, coverage."""
