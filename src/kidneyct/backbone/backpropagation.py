"""A class score's gradient on a CPU, its convolutions by ncnn, as `forward` has them.

The gradient of a 3×3 convolution in its input is such a convolution too, of the kernels turned by half a turn, inputs
and outputs exchanged. So a chain's backward pass is a network that ncnn runs as fast as the chain itself. Between the
convolutions stand masks: silent units let nothing through, nor do those that a pooling did not choose.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from kidneyct.backbone import forward, vgg

SLOPE = "slope"
STEEP = "1e+30"


def function(parts, run):
    """What `run(parts)` is, a function (inputs, chosen) -> (values, slopes) as in `gradients`; None where ncnn can't.

    It can where, on a CPU in 32 bits, the parts are a chain of VGG-16's layers and begin at the pixels or behind its
    convolutions and poolings. What follows these is left to `run`.
    """
    layers = [layer for part in parts for layer in part.layers[1:]]
    count = forward.front(layers)
    ends = np.cumsum([len(part.layers) - 1 for part in parts[:-1]], dtype=int)
    if not 0 < count < len(layers) or any(end > count for end in ends):
        return None
    front, behind = layers[:count], layers[count:]
    rest = run([vgg.chain(front[-1].output.shape[1:], behind, "rest")])
    return _Chain(front, [front[end - 1].name for end in ends], rest)


class _Chain:
    """PixelScaling and VGG's layers behind it, then the rest; `ends` name the layers whose output enters a part."""

    def __init__(self, front, ends, rest):
        self.scaling, *layers = front
        blocks = [list(block) for _, block in itertools.groupby(layers, vgg.block)]
        before = [SLOPE, *(block[-1].name for block in blocks)]
        self.blocks = [_Block(*pair, ends) for pair in zip(blocks, before, strict=False)]
        self.ends, self.last, self.rest = ends, layers[-1].name, rest
        self.pool = ThreadPoolExecutor(forward.threads())

    def __call__(self, inputs, chosen):
        for block in self.blocks:
            block.renew()
        scaled = forward.scaled(self.scaling, inputs)
        passed = list(self.pool.map(self._forward, scaled))
        outputs = [np.stack([_array(outputs[name]) for outputs in passed]) for name in (*self.ends, self.last)]
        _, (slope,) = self.rest(outputs.pop(), chosen)
        slope = keras.ops.convert_to_numpy(slope).transpose(0, 3, 1, 2)
        slopes = list(self.pool.map(self._backward, passed, slope))
        inner = [np.stack([_array(found[name]) for found in slopes]) for name in (SLOPE, *self.ends)]
        # The scaling is a matrix that equals its transpose, and a shift.
        inner[0] = keras.ops.convert_to_numpy(self.scaling(inner[0]) - self.scaling(np.zeros_like(inner[0][:1])))
        return [inputs, *outputs], inner

    def _forward(self, image):
        """Each layer's output for an image (3, h, w), name -> (c, h, w)."""
        outputs = {}
        for block in self.blocks:
            outputs |= block.forward(image)
            image = outputs[block.last]
        return outputs

    def _backward(self, outputs, slope):
        """The slopes in the scaled pixels and at the ends, name -> (c, h, w), from the last output's."""
        slopes = {self.last: slope}
        for block in reversed(self.blocks):
            slopes |= block.backward(outputs, slopes[block.last])
        return slopes


class _Block:
    """A block of VGG-16 in ncnn's networks, which keep weights of their own; `before` is the layer before it."""

    def __init__(self, layers, before, ends):
        self.layers, self.before, self.last, self.weights = layers, before, layers[-1].name, None
        self.wanted = [layer.name for layer in reversed(layers[:-1]) if layer.name in ends] + [before]

    def renew(self):
        """Make the networks again where the layers' weights have changed."""
        weights = [keras.ops.convert_to_numpy(each) for layer in self.layers for each in layer.weights]
        if self.weights is None or not all(map(np.array_equal, weights, self.weights)):
            self.weights = [np.array(each) for each in weights]
            self.net, self.reverse = forward.net(self.layers), self._reversed()

    def forward(self, image):
        extractor = self.net.create_extractor()
        forward.put(extractor, forward.INPUT, image)
        return {layer.name: np.array(forward.extracted(extractor, layer.name)) for layer in self.layers}

    def backward(self, outputs, slope):
        extractor = self.reverse.create_extractor()
        forward.put(extractor, self.last, slope)
        for before, layer in zip([None, *self.layers], self.layers, strict=False):
            output = outputs[layer.name]
            if _pools(layer):
                forward.put(extractor, f"{layer.name}_chosen", _chosen(outputs[before.name], output))
            else:
                forward.put(extractor, f"{layer.name}_output", output)
        return {name: np.array(forward.extracted(extractor, name)) for name in self.wanted}

    def _reversed(self):
        """The network of the backward pass; a blob that bears a layer's name is the slope in that layer's output."""
        lines, steps, weights, source = [f"Input {self.last} 0 1 {self.last}"], [], [], self.last
        names = [layer.name for layer in self.layers[:-1]]
        for layer, target in zip(reversed(self.layers), [*reversed(names), self.before], strict=True):
            name = layer.name
            if _pools(layer):
                height, width = layer.input.shape[1:3]
                lines.append(f"Input {name}_chosen 0 1 {name}_chosen")
                # Each value on all four places, a row and a column of zeros where the pooling left one out.
                steps.append(f"Interp {name}_up 1 1 {source} {name}_up 0=1 1=2.0 2=2.0")
                steps.append(f"Padding {name}_pad 1 1 {name}_up {name}_pad 0=0 1={height % 2} 2=0 3={width % 2} 4=0")
                steps.append(f"BinaryOp {name}_masked 2 1 {name}_pad {name}_chosen {target} 0=2")
            else:
                kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel), "<f4")[::-1, ::-1]  # (3, 3, in, out)
                lines.append(f"Input {name}_output 0 1 {name}_output")
                # So steep that it is 0 where the output is, and 1 above.
                steps.append(f"HardSigmoid {name}_on 1 1 {name}_output {name}_on 0={STEEP} 1=0")
                steps.append(f"BinaryOp {name}_masked 2 1 {source} {name}_on {name}_masked 0=2")
                settings = f"0={kernel.shape[2]} 1=3 4=1 5=0 6={kernel.size}"
                steps.append(f"Convolution {name}_back 1 1 {name}_masked {target} {settings}")
                weights += [np.zeros(1, "<u4"), np.ascontiguousarray(kernel.transpose(2, 3, 0, 1))]
            source = target
        return forward.loaded(lines + steps, weights)


def _array(found):
    """From (c, h, w) to (h, w, c)."""
    return found.transpose(1, 2, 0)


def _pools(layer):
    return isinstance(layer, keras.layers.MaxPooling2D)


def _chosen(inputs, outputs):
    """Which of the inputs (c, h, w) a 2×2 pooling chose, the first of equals; (c, h, w) float32, 1 or 0."""
    height, width = (2 * side for side in outputs.shape[1:])
    chosen, free = np.zeros(inputs.shape, "float32"), np.ones(outputs.shape, bool)
    for row, column in np.ndindex(2, 2):
        at = np.s_[:, row:height:2, column:width:2]
        found = inputs[at] == outputs
        found &= free
        chosen[at] = found
        free ^= found
    return chosen
