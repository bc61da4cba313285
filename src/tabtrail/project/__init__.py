"""The project folder and its state: paths, stage records, lock, status, doctor."""
