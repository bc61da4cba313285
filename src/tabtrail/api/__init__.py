"""What Python programs and notebooks call: thin, on top of the workflows. `tabtrail` itself hands out its names."""
