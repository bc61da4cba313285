"""Trainings that are asked for over HTTP."""
