"""A chain of frozen layers run over images: by Keras on a GPU, by ncnn on a CPU.

ncnn's convolutions of 3×3 kernels (Winograd's F(4×4, 3×3), Lavin & Gray 2016, arXiv:1509.09308) need a quarter of the
multiplications. What they give differs from Keras's by rounding alone.
"""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import keras
import ncnn
import numpy as np

from kidneyct.backbone import devices, vgg

INPUT = "pixels"


def function(model):
    """What runs `model`, a chain as `vgg.frozen_part` gives it: images (b, s, s, 3) -> (b, h, w, c) float32.

    Pixels are 0..255, of any number type. An image's output does not depend on the others in its batch.
    """
    if devices.gpus():
        return lambda images: keras.ops.convert_to_numpy(model.predict_on_batch(images))
    return _on_cpu(model)


def pooled(base, pixel_scaling, kept):
    """What gives, of images (b, s, s, 3), one block's output and the mean of every block's: (b, h, w, c), (b, 1472).

    `kept` is the block whose output is wanted, from 1; 0 wants none, and None comes in its place. Means are over the
    places of a block's pooled output, 64, 128, 256, 512 and 512 channels, float32.
    """
    model = vgg.frozen_part(base, pixel_scaling, vgg.BLOCKS)
    names = [vgg.boundary(block) for block in range(1, vgg.BLOCKS + 1)]
    taps = _taps_on_gpu(model, names) if devices.gpus() else _taps_on_cpu(model, names)

    def over(images):
        outputs = taps(images, kept)
        means = [np.stack([mean for _, mean in per_image]) for per_image in zip(*outputs, strict=True)]
        whole = np.stack([per_block[kept - 1][0] for per_block in outputs]) if kept else None
        return whole, np.concatenate(means, axis=1)

    return over


def _taps_on_cpu(model, names):
    """See `pooled`: for each image a list of (output or None, mean), a block each."""
    _, scaling, *layers = model.layers
    made, pool = net(layers), ThreadPoolExecutor(threads())

    def run(image, kept):  # (3, s, s) float32
        extractor, found = made.create_extractor(), []
        put(extractor, INPUT, image)
        for number, name in enumerate(names, 1):
            output = np.array(extracted(extractor, name))  # (c, h, w)
            mean = output.mean(axis=(1, 2), dtype=float).astype("float32")
            found.append((output.transpose(1, 2, 0) if number == kept else None, mean))
        return found

    def over(images, kept):
        scaled = keras.ops.convert_to_numpy(scaling(images)).astype("float32").transpose(0, 3, 1, 2)
        return list(pool.map(lambda image: run(image, kept), np.ascontiguousarray(scaled)))

    return over


def _taps_on_gpu(model, names):
    """As `_taps_on_cpu`, by Keras."""
    x = inputs = keras.Input(model.input.shape[1:])
    outputs = []
    for layer in model.layers[1:]:
        x = layer(x)
        if layer.name in names:
            outputs += [x, keras.ops.mean(x, axis=(1, 2))]
    network = keras.Model(inputs, outputs)

    def over(images, kept):
        found = [keras.ops.convert_to_numpy(output) for output in network.predict_on_batch(images)]
        return list(zip(*(zip(*found[at : at + 2], strict=True) for at in range(0, len(found), 2)), strict=True))

    return over


def whole(network):
    """What runs a whole classifier, images (b, s, s, 3) -> probabilities (b, classes): its front as `function` does."""
    count = front(network.layers[1:])
    if not 0 < count < len(network.layers) - 1:
        return lambda images: keras.ops.convert_to_numpy(network.predict_on_batch(images))
    name = network.layers[count].name
    first, rest = function(vgg.part(network, until=name)), vgg.part(network, after=name)
    return lambda images: keras.ops.convert_to_numpy(rest.predict_on_batch(first(images)))


def front(layers):
    """How many of a chain's layers, from PixelScaling on, are such as ncnn runs here: on a CPU, in 32 bits."""
    if devices.gpus() or devices.precision() != "float32":
        return 0
    count = next((at for at, layer in enumerate(layers) if not _known(layer, at)), len(layers))
    return count if count > 1 else 0


def _known(layer, at):
    match layer:
        case vgg.PixelScaling():
            return at == 0
        case keras.layers.Conv2D():
            usual = layer.kernel_size == (3, 3) and layer.strides == (1, 1) and layer.padding == "same"
            return at > 0 and usual and layer.groups == 1 and layer.activation is keras.activations.relu
        case keras.layers.MaxPooling2D():
            return at > 1 and layer.pool_size == layer.strides == (2, 2) and layer.padding == "valid"
    return False


def _on_cpu(model):
    _, scaling, *layers = model.layers
    if not isinstance(scaling, vgg.PixelScaling):
        raise TypeError(f"expected PixelScaling first, got {type(scaling).__name__}")
    made, output = net(layers), layers[-1].name
    pool = ThreadPoolExecutor(threads())

    def run(image):  # (3, s, s) float32
        extractor = made.create_extractor()
        put(extractor, INPUT, image)
        return np.array(extracted(extractor, output)).transpose(1, 2, 0)  # (h, w, c)

    def over(images):
        scaled = keras.ops.convert_to_numpy(scaling(images)).astype("float32").transpose(0, 3, 1, 2)
        return np.stack(list(pool.map(run, np.ascontiguousarray(scaled))))

    return over


def threads():
    """How many images are computed at once: OMP_NUM_THREADS where it is set, else the processors that are ours."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else joblib.cpu_count()


def put(extractor, name, array):
    """Give a network of ncnn's an array (c, h, w) under a name."""
    array = np.ascontiguousarray(array, "float32")  # which ncnn's view of it does not keep alive, so it has a name here
    extractor.input(name, ncnn.Mat(array).clone())


def extracted(extractor, name):
    """What a network of ncnn's gives under a name, (c, h, w) of its own kind."""
    status, found = extractor.extract(name)
    if status:
        raise MemoryError(f"{name}: ncnn could not run it (status {status})")
    return found


def net(layers):
    """ncnn's network of Keras's convolutions (3×3, ReLU) and poolings; each image has one thread."""
    lines, weights, source = [f"Input {INPUT} 0 1 {INPUT}"], [], INPUT
    for layer in layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = (np.asarray(keras.ops.convert_to_numpy(weight), "<f4") for weight in layer.weights)
            # 0: filters, 1: kernel's side, 4: padding, 5: with bias, 6: kernel's size, 9: ReLU
            settings = f"0={len(bias)} 1={kernel.shape[0]} 4=1 5=1 6={kernel.size} 9=1"
            lines.append(f"Convolution {layer.name} 1 1 {source} {layer.name} {settings}")
            # A zero says that plain float32 follow.
            weights += [np.zeros(1, "<u4"), np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), bias]
        elif isinstance(layer, keras.layers.MaxPooling2D):
            # 0: greatest, 1: side, 2: step, 5: a last row or column that is not full is left out
            lines.append(f"Pooling {layer.name} 1 1 {source} {layer.name} 0=0 1=2 2=2 5=1")
        else:
            raise TypeError(f"expected convolutions and poolings, got {type(layer).__name__}")
        source = layer.name
    return loaded(lines, weights)


def loaded(lines, weights):
    """A network of ncnn's from the lines of its description, one a layer, and its arrays of weights, in their order."""
    blobs = sum(int(line.split()[3]) for line in lines)
    net = ncnn.Net()
    options = net.opt
    options.num_threads, options.use_vulkan_compute = 1, False
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = options.use_bf16_storage = False
    with tempfile.TemporaryDirectory() as folder:
        description, content = Path(folder, "param"), Path(folder, "bin")
        description.write_text(f"7767517\n{len(lines)} {blobs}\n" + "\n".join(lines) + "\n", encoding="ascii")
        with content.open("wb") as file:
            file.writelines(array.tobytes() for array in weights)
        net.load_param(str(description))
        net.load_model(str(content))
    return net
