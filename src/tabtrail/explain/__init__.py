"""Shapley values and effects."""
