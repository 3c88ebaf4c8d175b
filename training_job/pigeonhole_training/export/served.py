"""The network as it is served: computing in float32, its probabilities calibrated."""

from __future__ import annotations

import keras

TINY = 1.1754944e-38  # the smallest normal float32


def in_float32(model: keras.Model) -> keras.Model:
    """`model` itself, or where its layers compute in less, a copy that computes in float32.

    A network that was trained in mixed precision keeps its weights in float32, so nothing is lost;
    a CPU, where it is served, has no arithmetic of 16 bits to be faster with.
    """
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model

    def wide(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

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
    logits = _logits(model)
    scaled = keras.layers.Rescaling(1 / temperature, name="temperature", dtype="float32")(logits)
    softmax = keras.layers.Softmax(name="probabilities", dtype="float32")
    return keras.Model(model.inputs, softmax(scaled), name=model.name)


def _logits(model: keras.Model) -> keras.KerasTensor:
    last = model.outputs[0]._keras_history.operation
    if isinstance(last, keras.layers.Dense) and last.activation is keras.activations.softmax:
        logits = type(last).from_config(
            {**last.get_config(), "activation": "linear", "name": "logits"}
        )
        answer = logits(last.input)
        logits.set_weights(last.get_weights())
        return answer
    if isinstance(last, keras.layers.Softmax) or (
        isinstance(last, keras.layers.Activation) and last.activation is keras.activations.softmax
    ):
        return last.input
    return keras.ops.log(keras.ops.maximum(model.outputs[0], TINY))
