"""GARCH, value at risk and their backtests."""
