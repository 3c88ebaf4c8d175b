"""The network as it is served: computing in float32, its probabilities calibrated."""

from __future__ import annotations

import keras

TINY = 1.1754944e-38  # the smallest normal float32


def in_float32(model: keras.Model) -> keras.Model:
    """`model` itself, or where its layers compute in less, a copy that computes in float32.

    A network that was trained in mixed precision keeps its weights in float32, so nothing is lost;
    a CPU, where it is served, has no arithmetic of 16 bits to be faster with.
    """
    if all(layer.compute_dtype == "float32" for layer in model._flatten_layers()):
        return model

    def wide(operation: keras.Operation) -> keras.Operation:
        config = operation.get_config()
        if isinstance(operation, keras.Layer):  # slicing and the like is none, and has no type
            config["dtype"] = "float32"
        return type(operation).from_config(config)

    copy = keras.models.clone_model(model, clone_function=wide, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


def with_temperature(model: keras.Model, temperature: float) -> keras.Model:
    """A model that answers softmax(logits / temperature) where `model` answers softmax(logits).

    It shares `model`'s layers and weights; a layer named "temperature" stands before its softmax.
    Of a model whose last layer is no softmax that Keras has, the probabilities' logarithms are
    taken for the logits, which comes to the same.
    """
    if temperature == 1.0:
        return model
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    last = model.outputs[0]._keras_history.operation
    taken = {operation.name for operation in model.operations}
    logits = _logits(model, last, _free("logits", taken))
    scale = keras.layers.Rescaling(
        1 / temperature, name=_free("temperature", taken), dtype="float32"
    )
    # the softmax that this one stands for is left out, and with it its name
    kept = taken if _is_last_resort(last) else taken - {last.name}
    softmax = keras.layers.Softmax(name=_free("probabilities", kept), dtype="float32")
    # the one input, not a list of one: Keras warns of an array in a list's place
    return keras.Model(model.inputs[0], softmax(scale(logits)), name=model.name)


def _free(name: str, taken: set[str]) -> str:
    """`name`, lengthened until it is none of `taken`: Keras wants each but once in a model."""
    while name in taken:
        name += "_again"
    return name


def _has_softmax(layer: keras.Operation, kind: type[keras.Layer]) -> bool:
    return isinstance(layer, kind) and layer.activation is keras.activations.softmax


def _is_last_resort(last: keras.Operation) -> bool:
    return not (
        _has_softmax(last, keras.layers.Dense)
        or _has_softmax(last, keras.layers.Activation)
        or isinstance(last, keras.layers.Softmax)
    )


def _logits(model: keras.Model, last: keras.Operation, name: str) -> keras.KerasTensor:
    if _is_last_resort(last):
        return keras.ops.log(keras.ops.maximum(model.outputs[0], TINY))
    if not isinstance(last, keras.layers.Dense):
        return last.input
    logits = type(last).from_config({**last.get_config(), "activation": "linear", "name": name})
    answer = logits(last.input)
    logits.set_weights(last.get_weights())
    return answer
