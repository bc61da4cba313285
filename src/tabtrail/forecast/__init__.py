"""Forecasts of one series, and their risk."""
