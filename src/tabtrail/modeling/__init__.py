"""Splits, candidates and the benchmark that compares them."""
