"""The inference container: answers images with labels, for an endpoint and for batch transform.

Run it as SageMaker does: `python -m serving serve`. It imports nothing of the project but this
folder and knows the model by its artifact alone (`model.onnx`, `model.json`).
"""
