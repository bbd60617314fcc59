"""The gradient of a class score in the pixels, as the explainer takes it."""

from kidneyct.backbone import gradients, vgg
from kidneyct.classifier import classifier


def pixel_gradient(network):
    backward = gradients.backward(vgg.part(network, until=classifier.SCORES))
    return lambda pixels, classes: backward(pixels, classes)[0][1]
