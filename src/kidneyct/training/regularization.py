"""What training adds to a network, lest it learn its images by heart: slices that differ each time, and dropout."""

import keras
import numpy as np

from kidneyct.backbone import vgg
from kidneyct.classifier import classifier

# As far as a scan of another patient on another couch differs; a mirrored one would have its liver on the left.
TURN = 10 / 360  # of a full turn, either way
SHIFT, ZOOM = 0.05, 0.1  # of the side
CONTRAST, BRIGHTNESS, NOISE = 0.15, 0.06, 0.015  # of the range of grey values


def regularized(model, augment, dropout, seed):
    """The model to be trained: it shares the layers of `model`, which is what is kept and what others run.

    `augment` "ct" has the slices altered before they enter, so `model` must run on pixels, 0..255; `dropout` is the
    share of the units before the scores that a step leaves out. All is drawn from the seed, and nothing of it is done
    outside training. `model` itself where neither is asked for.
    """
    layers = model.layers[1:]
    if dropout:
        place = [layer.name for layer in layers].index(classifier.SCORES)
        layers.insert(place, keras.layers.Dropout(dropout, seed=_drawn(seed, 0)))
    if augment == "ct":
        layers = augmentation(seed) + layers
    return vgg.chain(model.input.shape[1:], layers, "regularized") if layers != model.layers[1:] else model


def augmentation(seed):
    """The layers that alter slices (n, h, w, 3) of 0..255: geometry first, so that what comes in is black as air is."""
    black = {"fill_mode": "constant", "fill_value": 0.0}
    kinds = [
        (keras.layers.RandomRotation, (TURN,), black),
        (keras.layers.RandomTranslation, (SHIFT, SHIFT), black),
        (keras.layers.RandomZoom, (ZOOM,), black),
        (keras.layers.RandomContrast, ((CONTRAST, CONTRAST),), {}),
        (keras.layers.RandomBrightness, (BRIGHTNESS,), {}),
        (GreyNoise, (NOISE,), {}),
    ]
    # Grey values in 32 bits, whatever the precision: 16 of them have steps of one grey value.
    layers = [
        kind(*given, **options, dtype="float32", seed=_drawn(seed, number))
        for number, (kind, given, options) in enumerate(kinds, start=1)
    ]
    for layer in layers:
        layer.supports_jit = True  # Keras denies it for TensorFlow's sake, and would not compile the step on JAX
    return layers


class GreyNoise(keras.layers.GaussianNoise):
    """Gaussian noise on pixels 0..255, the same in all channels as in a grey picture; `stddev` is a share of 255."""

    def call(self, images, training=False):
        return images + 255 * super().call(keras.ops.zeros_like(images[..., :1]), training=training)


def _drawn(seed, number):
    """A seed for each layer: layers of one seed would turn, shift and zoom alike."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
