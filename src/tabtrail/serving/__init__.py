"""HTTP v2: the deployed model, served from ONNX. `app.create_app` is the page to read first."""
