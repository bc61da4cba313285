"""What gives the target away."""
