"""The network of a model that was opened, out of a run's folder or out of an exported file."""

from kidneyct.backbone import vgg
from kidneyct.classifier import classifier
from kidneyct.predict import model_file, trained_model


def network(opened):
    """The network, ready to classify; InputError where its weights are damaged, or not those that were opened."""
    classes = len(opened.classes)
    given = (opened.dense_units, classes, opened.pixel_scaling, opened.normalize, opened.head)
    if opened.exported:
        base = vgg.base(opened.image_size)
        shapes = classifier.shapes(base, opened.dense_units, classes, opened.normalize, opened.head)
        return classifier.filled(base, model_file.weights(opened, shapes), *given)
    built = classifier.trained(opened.weights, opened.image_size, *given)
    trained_model.check_weights(opened)
    return built
