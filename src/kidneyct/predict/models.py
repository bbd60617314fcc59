"""The networks of trained models, loaded once."""

import numpy as np

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import classifier
from kidneyct.maps import explainer
from kidneyct.predict import model_file, prediction, trained_model


def network(model):
    """The network of a TrainedModel; InputError where its weights are damaged, or not those that were opened."""
    devices.prepare(seed=0)
    head = (model.dense_units, len(model.classes), model.pixel_scaling, model.normalize, model.head)
    if model.exported:
        built = classifier.network(vgg.base(model.image_size), *head, seed=None)
        shapes = {name: tuple(weight.shape) for name, weight in classifier.variables(built)}
        classifier.fill(built, model_file.weights(model, shapes))
        return built
    built = classifier.trained(model.weights, model.image_size, *head)
    trained_model.check_weights(model)
    return built


class Classifier:
    """One model that is asked about one image at a time. Not for several threads at once."""

    def __init__(self, model):
        """Load the network of a TrainedModel; InputErrors as `network` has them."""
        self.model, self.network = model, network(model)
        self.explain = explainer.explainer(self.network, batch_size=prediction.BATCH_SIZE)  # compiles when called

    def classify(self, pixels, thumbnail):
        """The result of pixels (s, s, 3) and thumbnail (25, 25), as `prediction.predict` has it."""
        return prediction.classify(self.model, self.network, pixels[None], thumbnail[None])[0]

    def map(self, pixels, label, method):
        """The map (h', w') of pixels (s, s, 3) for a class, by one of `methods.METHODS`."""
        codes = np.array([self.model.classes.index(label)])
        return self.explain(pixels[None], codes, seed=0, methods=(method,))[method][0]
