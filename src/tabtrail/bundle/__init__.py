"""What is deployed, and predicting from it."""
