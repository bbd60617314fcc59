"""Arrays out of an HDF5 weights file, whoever made it; what is damaged or hostile is told in one line.

Nothing but plain arrays is read. A model's configuration, which Keras would run code from, is never looked at; a link
or an array kept outside could open another file of the user's; a compressed array can be a millionfold of its file; a
damaged attribute can keep the HDF5 library busy for ever.
"""

import collections
import os

import h5py
import numpy as np

from kidneyct.pipeline.errors import InputError, no_file, shown

ENTRIES = 16  # of a group that are looked at: a layer has two or three arrays


def read(path, layers, advice):
    """The arrays of each layer, float32: a list for each of `layers`, in their order.

    `layers` is a list of (name, places, shapes): the layer's name, the groups where it may lie, of which the first
    that is there counts, and the shapes of its arrays. In a group its arrays are named 0, 1, ... (Keras 3), or told
    apart by their number of axes, a kernel before its bias (Keras's older layouts). `advice` ends an error's line and
    says what to do. InputError also where a value is not a finite number.
    """
    try:
        found = no_file(os.stat(path).st_mode)
        if not found:
            with h5py.File(path) as file:
                return [_layer(file, *layer, f"{shown(path)}: layer {layer[0]}", advice) for layer in layers]
    except InputError:
        raise
    except Exception as error:  # h5py tells damage by nearly every kind
        said = " ".join(str(error).split())[:300]
        found = getattr(error, "strerror", None) or f"another or a damaged one ({said})"
    raise InputError(f"{shown(path)}: expected an HDF5 weights file, found {found}; {advice}")


def load(layers, path, advice, places=("layers/{}/vars",)):
    """Set the weights of those of a model's layers that have some, from a file that Keras saved of it.

    `places` are where a layer may lie, {} its name or what Keras's own files call it: the class's name and a count.
    InputError as in `read`.
    """
    layers = [layer for layer in layers if layer.weights]
    asked, counts = [], collections.Counter()
    for layer in layers:
        kind = type(layer).__name__.lower()  # Conv2D, Dense, Normalization
        names = layer.name, f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        groups = [place.format(name) for place in places for name in names]
        asked.append((layer.name, groups, [tuple(weight.shape) for weight in layer.weights]))
    for layer, arrays in zip(layers, read(path, asked, advice), strict=True):
        layer.load_own_variables({str(number): array for number, array in enumerate(arrays)})


def _layer(file, name, places, shapes, where, advice):
    group = next((group for place in places if (group := _group(file, place)) is not None), None)
    if group is None:
        raise InputError(f"{where} expected with shapes {shapes}, found no such layer; {advice}")
    datasets = _datasets(group)
    found = [dataset.shape for dataset in datasets]
    if found != shapes:
        raise InputError(f"{where} expected shapes {shapes}, found {found}; {advice}")
    for dataset in datasets:
        if dataset.dtype.kind not in "fiu" or dataset.chunks or dataset.external or dataset.is_virtual:
            raise InputError(f"{where} expected plain numbers, found others, or compressed or linked ones; {advice}")
    arrays = [dataset.astype("float32")[()] for dataset in datasets]
    if not all(np.isfinite(values).all() for values in arrays):
        raise InputError(f"{where} expected finite numbers, found NaN, or beyond 32 bits; {advice}")
    return arrays


def _group(file, place):
    """The group at a place such as layers/conv2d/vars, or None."""
    found = file
    for name in place.split("/"):
        found = _child(found, name)
        if not isinstance(found, h5py.Group):
            return None
    return found


def _child(group, name):
    """A member of a group, or None; a soft or external link counts as none."""
    return group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None


def _datasets(group):
    """The arrays of a layer's group, or of the one group in it (Keras 2: block1_conv1/block1_conv1/kernel:0)."""
    members = _members(group)
    if len(members) == 1 and isinstance(inner := next(iter(members.values())), h5py.Group):
        members = _members(inner)
    datasets = {name: member for name, member in members.items() if isinstance(member, h5py.Dataset)}
    if all(name.isdigit() for name in datasets):
        return [datasets[name] for name in sorted(datasets, key=int)]
    return sorted(datasets.values(), key=lambda dataset: -len(dataset.shape or ()))


def _members(group):
    return {name: _child(group, name) for name in group} if len(group) <= ENTRIES else {}
