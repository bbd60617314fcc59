"""One pass of images through VGG-16's convolutions: this project's, and what others take for the same layers.

    python -m benchmarks.forward
    pip install onnxruntime torch       # in an environment of your own, to compare with these too

Beside each stands what it comes to in the measured rate of a matrix multiplication: multiplications and additions of
the direct convolutions, 24.3 billion an image of 200 pixels. Convolutions by Winograd's way need fewer of them.
"""

import time

import numpy as np

from benchmarks import stopwatch
from kidneyct.backbone import devices, features, forward, vgg
from kidneyct.measures import faithfulness

SIZES = {
    "cpu": {"images": 24, "image_size": 200, "matrix": 2048, "repetitions": 3},
    "tiny": {"images": 3, "image_size": 32, "matrix": 64, "repetitions": 1},
    "full": {"images": 256, "repetitions": 5},
    "gpu": {"images": 1024, "matrix": 8192, "repetitions": 5},
}


def base(image_size):
    """A VGG-16 of random weights that keep a signal's size."""
    model, draw = vgg.base(image_size), np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.weights
            scale = np.sqrt(2 / np.prod(kernel.shape[:3]))
            layer.set_weights([draw.normal(0, scale, kernel.shape), draw.normal(0, 0.01, bias.shape)])
    return model


def pictures(count, image_size):
    """Smooth random pictures (count, s, s, 3) uint8."""
    few = faithfulness.random_maps(min(count, 8), (image_size, image_size), seed=0)
    few = np.clip(128 + 800 * few, 0, 255).astype("uint8")
    return np.repeat(few[np.arange(count) % len(few), ..., None], 3, axis=-1)


def operations(model):
    """Multiplications and additions of the convolutions, an image."""
    convolutions = [layer for layer in model.layers if hasattr(layer, "kernel")]
    return sum(2 * np.prod(each.kernel.shape) * np.prod(each.output.shape[1:3]) for each in convolutions)


def matrix_rate(side, repetitions):
    """Operations a second of a multiplication of square matrices, float32: the fastest of some."""
    import tensorflow as tf

    matrix = tf.random.normal((side, side))
    product = tf.function(lambda: tf.linalg.matmul(matrix, matrix))
    seconds = stopwatch.interleaved({"": lambda: product().numpy()}, 2 * repetitions + 1)[""]
    return 2 * side**3 / min(seconds)


def batchwise(run, images):
    return lambda: np.concatenate(
        [run(images[at : at + features.BATCH_SIZE]) for at in range(0, len(images), features.BATCH_SIZE)]
    )


def tensorflow(part, images):
    return batchwise(lambda batch: np.asarray(part.predict_on_batch(batch)), images)


def xla(part, images):
    import tensorflow as tf

    run = tf.function(lambda batch: part(batch, training=False), jit_compile=True)
    return batchwise(lambda batch: run(tf.constant(batch)).numpy(), images)


def onnx_runtime(model_base, images):
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, arrays, source = [], [], "images"
    for layer in model_base.layers[1:]:
        if layer.weights:
            kernel, bias = (np.asarray(each) for each in layer.get_weights())
            arrays.append(
                numpy_helper.from_array(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), f"{layer.name}_k")
            )
            arrays.append(numpy_helper.from_array(bias, f"{layer.name}_b"))
            given = [source, f"{layer.name}_k", f"{layer.name}_b"]
            nodes.append(helper.make_node("Conv", given, [f"{layer.name}_c"], kernel_shape=[3, 3], pads=[1] * 4))
            nodes.append(helper.make_node("Relu", [f"{layer.name}_c"], [layer.name]))
        else:
            nodes.append(helper.make_node("MaxPool", [source], [layer.name], kernel_shape=[2, 2], strides=[2, 2]))
        source = layer.name
    size = images.shape[1]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("images", ["n", 3, size, size]), (source, ["n", 512, size // 32, size // 32]))
    ]
    graph = helper.make_graph(nodes, "vgg16", ends[:1], ends[1:], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return batchwise(lambda batch: session.run(None, {"images": scaled(batch)})[0].transpose(0, 2, 3, 1), images)


def pytorch(model_base, images):
    import torch

    layers = []
    for layer in model_base.layers[1:]:
        if layer.weights:
            kernel, bias = (torch.from_numpy(np.array(each)) for each in layer.get_weights())
            convolution = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
            convolution.load_state_dict({"weight": kernel.permute(3, 2, 0, 1).contiguous(), "bias": bias})
            layers += [convolution, torch.nn.ReLU()]
        else:
            layers.append(torch.nn.MaxPool2d(2))
    model = torch.nn.Sequential(*layers).eval()

    def run(batch):
        with torch.inference_mode():
            return model(torch.from_numpy(scaled(batch))).permute(0, 2, 3, 1).numpy()

    return batchwise(run, images)


def scaled(batch):
    return np.ascontiguousarray((batch.astype("float32") / np.float32(255)).transpose(0, 3, 1, 2))


def main():
    options = stopwatch.options(__doc__, SIZES)
    devices.prepare(seed=0)
    print(devices.describe("float32"))
    model_base, images = base(options.image_size), pictures(options.images, options.image_size)
    part = vgg.frozen_part(model_base, "unit", 5)
    start = time.perf_counter()
    run = forward.function(part)
    made = time.perf_counter() - start
    ways = {"this project": batchwise(run, images), "TensorFlow, predict_on_batch": tensorflow(part, images)}
    ways["TensorFlow, XLA"] = xla(part, images)
    if stopwatch.installed("onnxruntime"):
        ways["ONNX Runtime"] = onnx_runtime(model_base, images)
    if stopwatch.installed("torch"):
        ways["PyTorch"] = pytorch(model_base, images)
    outputs = {name: np.asarray(way(), "float32") for name, way in ways.items()}  # compiles too
    seconds = stopwatch.interleaved(ways, options.repetitions, warm=False)
    rate, needed = matrix_rate(options.matrix, options.repetitions), operations(model_base)
    first, reference = seconds[next(iter(ways))], outputs["TensorFlow, predict_on_batch"]
    rows = [
        {
            "way": name,
            "images a second": stopwatch.rate(len(images), seconds[name]),
            "this project is faster by": stopwatch.ratio(first, seconds[name]),
            "share of the matrix rate": needed * len(images) / np.median(seconds[name]) / rate,
            "largest difference from TensorFlow": float(np.abs(outputs[name] - reference).max() / reference.max()),
        }
        for name in ways
    ]
    notes = [
        f"{needed / 1e9:.1f} billion operations an image; matrices of {options.matrix}: {rate / 1e9:.0f} billion a "
        f"second, {rate / needed:.2f} images a second",
        f"once a run this project takes {made:.1f} s to make its network ready, which is not in the table",
        "differences are shares of the greatest output; this project then keeps 16 bits, which lose up to 0.0005 of a "
        "value",
    ]
    stopwatch.publish("forward", options.size, rows, notes)


if __name__ == "__main__":
    main()
