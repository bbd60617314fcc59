"""A small network with blocks and a head as VGG-16 has them, and pictures for it."""

import keras
import numpy as np
import pytest

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import classifier


@pytest.fixture(scope="module")
def small():
    """Two blocks and a head, on pictures of 32×32, with weights as Keras draws them."""
    devices.prepare(seed=0)
    layers = [
        vgg.PixelScaling("unit", name="pixel_scaling"),
        keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="block1_conv1"),
        keras.layers.MaxPooling2D(name="block1_pool"),
        keras.layers.Conv2D(8, 3, padding="same", activation="relu", name=vgg.LAST_CONVOLUTION),
        keras.layers.Flatten(),
        keras.layers.Dense(16, activation="relu", name="dense"),
        keras.layers.Dense(2, name=classifier.SCORES),
        keras.layers.Softmax(),
    ]
    return vgg.chain((32, 32, 3), layers, "small")


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(2).integers(0, 256, (4, 32, 32, 3), np.uint8)
