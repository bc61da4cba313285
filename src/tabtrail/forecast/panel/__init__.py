"""Many series over time, with what is known ahead of them: grid, features, models, evaluation. Polars and numpy."""
