"""Neural nets for the demand of many series: trained by PyTorch, computed by numpy and by ONNX."""
