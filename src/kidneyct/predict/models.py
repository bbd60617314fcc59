"""The networks of trained models."""

import numpy as np

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import classifier
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.predict import model_file, trained_model


def network(model):
    """The network of a TrainedModel; InputError where its weights are damaged, or not those that were opened."""
    devices.prepare(seed=0)
    classes = len(model.classes)
    head = (model.dense_units, classes, model.pixel_scaling, model.normalize, model.head)
    if model.arrays is not None:
        base = vgg.base(model.image_size)
        check(model, classifier.shapes(base, model.dense_units, classes, model.normalize, model.head))
        return classifier.filled(base, model.arrays, *head)
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
