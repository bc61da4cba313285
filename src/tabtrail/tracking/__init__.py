"""The MLflow edge: what is logged, and the only code that logs it."""
