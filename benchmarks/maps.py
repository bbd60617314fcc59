"""What maps and their measures cost: seconds an image and map, and in all.

Run as `python benchmarks/maps.py [images]`. The network is the paper's with random weights; the cost does not
depend on what it learned.
"""

import sys
import time

import numpy as np

from kidneyct.maps import explainer, integrated_gradients, smoothgrad
from kidneyct.measures import faithfulness, measure, randomization
from kidneyct.network import batches, classifier, devices, gradients, interpolation, vgg

IMAGES, SIZE, CLASSES, BATCH_SIZE, SAMPLE = 6, 200, 4, measure.BATCH_SIZE, 2


def clock(work):
    """Seconds of wall clock and of all cores together, (2,), and the result."""
    start = np.array([time.perf_counter(), time.process_time()])
    result = work()
    return np.array([time.perf_counter(), time.process_time()]) - start, result


def report(what, seconds, unit):
    print(f"{what:45} {seconds[0]:7.2f} s {seconds[1]:7.2f} CPU s {unit}", flush=True)


def main(count):
    """`CPU s` halved is what two cores with nothing else to do need, where the work is spread over both."""
    devices.prepare(seed=0)
    print(devices.describe("float32"))
    network = classifier.network(vgg.base(SIZE), 1024, CLASSES, "unit", seed=0)
    fields = faithfulness.random_maps(count, (SIZE, SIZE), seed=0)
    images = np.repeat(np.clip(128 + 800 * fields, 0, 255).astype("uint8")[..., None], 3, axis=-1)
    classes = np.arange(count) % CLASSES
    few = images[:SAMPLE], classes[:SAMPLE]

    network.predict_on_batch(images[:BATCH_SIZE])  # compiles
    seconds, _ = clock(lambda: network.predict_on_batch(images[:BATCH_SIZE]))
    report("forward pass", seconds / min(count, BATCH_SIZE), "an image")
    backward = gradients.backward(vgg.part(network, until=classifier.SCORES))
    backward(few[0][:1], few[1][:1])  # compiles
    seconds, _ = clock(lambda: backward(*few))
    report("backward pass: saliency, both Grad-CAMs", seconds / SAMPLE, "an image")
    report(f"SmoothGrad, {smoothgrad.SAMPLES} of these", seconds / SAMPLE * smoothgrad.SAMPLES, "an image")
    report(
        f"integrated gradients, {integrated_gradients.STEPS} of these",
        seconds / SAMPLE * integrated_gradients.STEPS,
        "an image",
    )
    seconds, maps = clock(lambda: explainer.explainer(network, batch_size=BATCH_SIZE)(*few, seed=0))
    report("all five maps, with compilation", seconds / SAMPLE, "an image")
    relevance = {method: interpolation.resize(values, (SIZE, SIZE)) for method, values in maps.items()}

    def predict(pictures):
        return batches.predict(network, pictures, np.arange(len(pictures)), BATCH_SIZE)

    seconds, _ = clock(lambda: measure.faithful(predict, *few, relevance, seed=0))
    report("insertion, deletion and ROAD", seconds / SAMPLE, "an image")
    report("", seconds / SAMPLE / len(relevance), "an image and map")
    seconds, _ = clock(lambda: measure.focused(few[0], relevance, seed=0))
    report("Gini index, entropy, body", seconds / SAMPLE / len(relevance), "an image and map")
    seconds, (table, _) = clock(lambda: measure.randomized(network, *few, 0, BATCH_SIZE))
    steps = (table["step"] != randomization.TRAINED).sum()
    report(
        f"cascading randomisation, {steps // len(relevance)} blocks", seconds / steps / SAMPLE, "a block, image, map"
    )

    masks = np.abs(fields) < 0.01
    seconds, _ = clock(lambda: measure.measure(network, images, classes, masks, seed=0))
    report(f"all of it for {count} images", seconds, "in all")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
