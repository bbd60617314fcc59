"""Maps of an image, against what tf-keras-vis and xplique take for the same maps; and what of the maps costs what.

    python -m benchmarks.maps

docs/benchmarks.md tells how to have xplique beside this project. tf-keras-vis has no integrated gradients, so it is
compared over the other four maps. Passes of random smooth pictures through an untrained network cost what real ones
cost: the time does not depend on what it learned.
"""

import keras
import numpy as np

from benchmarks import forward, stopwatch
from kidneyct.backbone import devices, gradients, interpolation, vgg
from kidneyct.backbone import forward as forward_pass
from kidneyct.classifier import classifier
from kidneyct.maps import explainer, methods
from kidneyct.maps.methods import METHODS
from kidneyct.measures import evaluation, faithfulness, randomization

SIZES = {
    "cpu": {"images": 2, "image_size": 200, "units": 1024, "repetitions": 2},
    "tiny": {"images": 1, "image_size": 32, "units": 8, "repetitions": 1},
    "full": {"images": 8, "repetitions": 5},
    "gpu": {"images": 64, "repetitions": 5},
}
CLASSES = 4
FOUR = tuple(method for method in METHODS if method != "integrated_gradients")


def plain(base, network):
    """The network as the other libraries want it: Keras's own VGG-16 and the head, pixels / 255 in and scores out."""
    x = base.output
    for name in ("flatten", "dense", classifier.SCORES):
        x = network.get_layer(name)(x)
    return keras.Model(base.input, x)


def keras_vis(model, images, classes):
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    score, pixels = CategoricalScore(classes.tolist()), images.astype("float32") / 255
    vis = Saliency(model, clone=False)
    cams = [Gradcam(model, clone=False), GradcamPlusPlus(model, clone=False)]

    def maps():
        vis(score, pixels)
        vis(score, pixels, smooth_samples=methods.SAMPLES, smooth_noise=methods.NOISE / 255)
        for cam in cams:
            cam(score, pixels, penultimate_layer=vgg.LAST_CONVOLUTION, seek_penultimate_conv_layer=False)

    return maps


def xplique(model, images, classes):
    from xplique.attributions import GradCAM, GradCAMPP, IntegratedGradients, Saliency, SmoothGrad

    pixels = images.astype("float32") / 255
    targets = np.eye(CLASSES, dtype="float32")[classes]
    made = [
        Saliency(model),
        SmoothGrad(model, nb_samples=methods.SAMPLES, noise=methods.NOISE),
        IntegratedGradients(model, steps=methods.STEPS),
        GradCAM(model, conv_layer=vgg.LAST_CONVOLUTION),
        GradCAMPP(model, conv_layer=vgg.LAST_CONVOLUTION),
    ]

    def maps():
        for each in made:
            each(pixels, targets)

    return maps


def compared(network, model, images, classes, repetitions):
    """Rows of the table: this project's maps and the other libraries'."""
    explain = explainer.explainer(network, batch_size=evaluation.BATCH_SIZE)
    ways = {
        ("this project", "four maps"): lambda: explain(images, classes, seed=0, methods=FOUR),
        ("this project", "all five maps"): lambda: explain(images, classes, seed=0),
    }
    if stopwatch.installed("tf_keras_vis"):
        ways["tf-keras-vis", "four maps"] = keras_vis(model, images, classes)
    if stopwatch.installed("xplique"):
        try:
            way = xplique(model, images, classes)
            way()
            ways["xplique", "all five maps"] = way
        except Exception as error:  # it is made for other releases of TensorFlow and Keras
            print(f"xplique: left out, as it fails here ({type(error).__name__}: {str(error)[:200]})", flush=True)
    seconds = stopwatch.interleaved(ways, repetitions)
    return [
        {
            "who": who,
            "what": what,
            "seconds an image": stopwatch.spread(each / len(images) for each in seconds[who, what]),
            "this project is faster by": stopwatch.ratio(seconds["this project", what], seconds[who, what]),
        }
        for who, what in ways
    ]


def costs(network, images, classes, repetitions):
    """Rows of the table: what an image costs in this project, part by part."""
    backward = gradients.backward(vgg.part(network, until=classifier.SCORES))
    relevance = {
        method: interpolation.resize(values, images.shape[1:3])
        for method, values in explainer.explainer(network, batch_size=evaluation.BATCH_SIZE)(images, classes, 0).items()
    }

    run = forward_pass.function(network)

    def predict(pictures):
        size = evaluation.BATCH_SIZE
        return np.concatenate([run(pictures[at : at + size]) for at in range(0, len(pictures), size)])

    few = len(images)
    steps = 1 + evaluation.RANDOMIZED_SAMPLES + evaluation.RANDOMIZED_STEPS  # one for all maps but two
    ways = {
        "a forward pass": (lambda: run(images), few),
        "a backward pass: saliency, both Grad-CAMs": (lambda: backward(images, classes), few),
        "insertion, deletion and ROAD, all maps": (
            lambda: evaluation.faithful(predict, images, classes, relevance, seed=0),
            few,
        ),
        "Gini index, entropy, body, all maps": (lambda: evaluation.focused(images, relevance, seed=0), few),
    }
    seconds = stopwatch.interleaved({name: way for name, (way, _) in ways.items()}, repetitions)
    once = np.median(seconds["a backward pass: saliency, both Grad-CAMs"]) / few
    found = [
        {
            "who": "this project",
            "what": name,
            "seconds an image": stopwatch.spread(each / count for each in seconds[name]),
            "this project is faster by": 1,
        }
        for name, (_, count) in ways.items()
    ]
    note = (
        f"a block of the cascading randomisation needs {steps} backward passes an image, {once * steps:.2g} s, "
        f"and there are {len(randomization.blocks(network))} blocks"
    )
    return found, note


def main():
    options = stopwatch.options(__doc__, SIZES)
    devices.prepare(seed=0)
    print(devices.describe("float32"))
    base = forward.base(options.image_size)
    network = classifier.network(base, options.units, CLASSES, "unit", seed=0)
    model = plain(base, network)
    fields = faithfulness.random_maps(options.images, (options.image_size, options.image_size), seed=0)
    images = np.repeat(np.clip(128 + 800 * fields, 0, 255).astype("uint8")[..., None], 3, axis=-1)
    classes = np.arange(options.images) % CLASSES
    rows = compared(network, model, images, classes, options.repetitions)
    more, note = costs(network, images, classes, options.repetitions)
    stopwatch.publish("maps", options.size, rows + more, [note])


if __name__ == "__main__":
    main()
