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
from kidneyct.pipeline.params import BLOCKS

INPUT = "pixels"


def function(model):
    """What runs `model`, a plain chain from PixelScaling on: images (b, s, s, 3) -> its output (b, ...) float32.

    Pixels are 0..255, of any number type. On a CPU ncnn runs the layers of the `front`, Keras those behind it. An
    image's output does not depend on the others in its batch.
    """
    layers = model.layers[1:]
    count = front(layers)
    if not count:
        return lambda images: keras.ops.convert_to_numpy(model.predict_on_batch(images))
    last = layers[count - 1].name
    run = _on_cpu(layers[:count], lambda output: output(last).transpose(1, 2, 0))
    if count == len(layers):
        return lambda images: np.stack(run(images))
    rest = vgg.part(model, after=last)
    return lambda images: keras.ops.convert_to_numpy(rest.predict_on_batch(np.stack(run(images))))


def pooled(base, pixel_scaling, kept):
    """What gives, of images (b, s, s, 3), one block's output and the mean of every block's: (b, h, w, c), (b, 1472).

    `kept` is the block whose output is wanted, from 1; 0 wants none, and None comes in its place. Means are over the
    places of a block's pooled output, 64, 128, 256, 512 and 512 channels, float32.
    """
    names = [vgg.boundary(block) for block in range(1, BLOCKS + 1)]
    if devices.gpus():
        blocks = [base.get_layer(name).output for name in names]
        means = keras.ops.concatenate([keras.ops.mean(block, axis=(1, 2)) for block in blocks], axis=1)
        taps = keras.Model(base.input, [*blocks[kept - 1 : kept], means])
        inputs = keras.Input(base.input.shape[1:])
        model = keras.Model(inputs, taps(vgg.PixelScaling(pixel_scaling)(inputs)))

        def over(images):
            *outputs, means = map(keras.ops.convert_to_numpy, keras.tree.flatten(model.predict_on_batch(images)))
            return outputs[0] if kept else None, means

        return over

    def of_image(output):
        blocks = [output(name) for name in names]  # (c, h, w)
        means = [block.mean(axis=(1, 2), dtype=float).astype("float32") for block in blocks]
        return blocks[kept - 1].transpose(1, 2, 0) if kept else None, np.concatenate(means)

    run = _on_cpu(vgg.frozen_part(base, pixel_scaling, BLOCKS).layers[1:], of_image)

    def over(images):
        outputs, means = zip(*run(images), strict=True)
        return np.stack(outputs) if kept else None, np.stack(means)

    return over


def front(layers):
    """How many of a chain's layers, from PixelScaling on, ncnn runs here: VGG-16's own, on a CPU, in 32 bits."""
    if devices.gpus() or devices.precision() != "float32" or not isinstance(layers[0], vgg.PixelScaling):
        return 0
    count = next((at for at, layer in enumerate(layers[1:], 1) if not vgg.block(layer)), len(layers))
    return count if count > 1 else 0


def _on_cpu(layers, finish):
    """What gives a list, of each image `finish(output)`, where `output(name)` is a layer's, (c, h, w)."""
    scaling, *layers = layers
    made, pool = net(layers), ThreadPoolExecutor(threads())

    def run(image):  # (3, s, s) float32
        extractor = made.create_extractor()
        put(extractor, INPUT, image)
        return finish(lambda name: np.array(extracted(extractor, name)))

    return lambda images: list(pool.map(run, scaled(scaling, images)))


def scaled(scaling, images):
    """What a PixelScaling makes of images (b, h, w, 3), as ncnn takes it: (b, 3, h, w) float32."""
    return keras.ops.convert_to_numpy(scaling(images)).astype("float32").transpose(0, 3, 1, 2)


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
        else:
            # 0: greatest, 1: side, 2: step, 5: a last row or column that is not full is left out
            lines.append(f"Pooling {layer.name} 1 1 {source} {layer.name} 0=0 1=2 2=2 5=1")
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
