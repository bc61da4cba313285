"""The ONNX graph and its proof."""
