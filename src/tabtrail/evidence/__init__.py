"""What shows that a model is right: its ONNX export with proof, and its explanation."""
