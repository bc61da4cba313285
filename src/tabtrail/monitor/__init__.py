"""Drift and performance over time: statistics only, by numpy alone, as the service runs them."""
