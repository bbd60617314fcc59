"""The networks of trained models."""

import numpy as np

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import classifier
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.predict import model_file, trained_model


def network(model):
    """The network of a TrainedModel; InputError where its weights are damaged, or not those that were opened."""
    devices.prepare(seed=0)
    head = (model.dense_units, len(model.classes), model.pixel_scaling, model.normalize, model.head)
    if model.arrays is not None:
        built = classifier.network(vgg.base(model.image_size), *head, seed=None)
        check(model, {name: tuple(weight.shape) for name, weight in classifier.variables(built)})
        classifier.fill(built, model.arrays)
        return built
    built = classifier.trained(model.weights, model.image_size, *head)
    trained_model.check_weights(model)
    return built


def check(model, shapes):
    """InputError where an exported model's arrays are not float32 of these names and `shapes`, or no finite numbers."""
    expected = {name: ("float32", tuple(shape)) for name, shape in shapes.items()}
    found = {name: (str(values.dtype), values.shape) for name, values in model.arrays.items()}
    for name in [*expected, *found]:
        if found.get(name) != expected.get(name):
            fault = f"expected {expected.get(name, 'none')} as {shown(name, 100)}, found {found.get(name, 'none')}"
        elif not np.isfinite(model.arrays[name]).all():
            fault = f"expected finite numbers in {name}, found NaN or an infinite one"
        else:
            continue
        raise InputError(f"{shown(model.weights)}: {fault}; {model_file.AGAIN}")
