"""Neural nets for rows: their plain form, which numpy and ONNX compute, and what trains them (PyTorch)."""
