"""Files, hashes, processes, interrupts."""
