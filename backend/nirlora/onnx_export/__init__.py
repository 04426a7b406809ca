"""From a model file to one ONNX file that needs no torch; the function is :func:`nirlora.export`."""
