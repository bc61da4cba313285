"""What a user can ask for, one module each: steps in order, and their effects."""
