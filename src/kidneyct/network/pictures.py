"""A whole network run over pictures that are in memory."""

import keras
import numpy as np

from kidneyct.network import batches, devices, forward, vgg

LAST = vgg.boundary(5)


def classifier(network, batch_size):
    """What runs a network as it now is: pictures (n, s, s, 3), pixels 0..255 -> class probabilities (n, classes).

    Both are float32. ncnn runs the convolutions of a VGG-16 on a CPU, Keras all else.
    """
    if devices.gpus() or LAST not in [layer.name for layer in network.layers]:
        return lambda pictures: batches.predict(network, pictures, range(len(pictures)), batch_size)
    run = forward.function(vgg.part(network, until=LAST))
    head = vgg.part(network, after=LAST)

    def over(pictures):
        starts = range(0, len(pictures), batch_size)
        found = [head.predict_on_batch(run(pictures[start : start + batch_size])) for start in starts]
        return np.concatenate([keras.ops.convert_to_numpy(each) for each in found])

    return over
