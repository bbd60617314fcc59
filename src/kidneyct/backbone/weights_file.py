"""Arrays out of an HDF5 weights file, whoever made it; what is damaged or hostile is told in one line.

Nothing but plain arrays is read. A model's configuration, which Keras would run code from, is never looked at; a link
or an array kept outside could open another file of the user's; a compressed array can be a millionfold of its file; a
damaged attribute can keep the HDF5 library busy for ever.
"""

import os
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5g, h5l, h5o, h5s, h5t

from kidneyct.pipeline.errors import InputError, no_file

ENTRIES = 16  # of a group that are looked at: a layer has two or three arrays


def read(path, layers, wanted):
    """The arrays of each layer, float32: a list for each of `layers`, in their order.

    `layers` is a list of (name, places, shapes): the layer's name, the groups where it may lie, of which the first
    that is there counts, and the shapes of its arrays. In a group its arrays are named 0, 1, ... (Keras 3), or told
    apart by their number of axes, a kernel before its bias (Keras's older layouts). `wanted` ends an error's line and
    says what to do. InputError also where a value is not a finite number.
    """
    _openable(path, wanted)
    try:
        with h5py.File(path) as file:
            return [_layer(file.id, *layer, path, wanted) for layer in layers]
    except InputError:
        raise
    except (
        Exception
    ) as error:  # h5py tells damage by nearly every kind: OSError, KeyError, RuntimeError, TypeError, ...
        said = " ".join(str(error).split())[:300]
        raise InputError(
            f"{named(path)}: expected an HDF5 weights file, found another or a damaged one ({said}); {wanted}"
        ) from None


def load(layers, path, wanted):
    """Set the weights of Keras layers, those of a model that have some, from the .weights.h5 that Keras saved of it.

    InputError as in `read`.
    """
    places = [
        (layer.name, [f"layers/{name}/vars"], [tuple(weight.shape) for weight in layer.weights])
        for layer, name in zip(layers, keras_names(layers), strict=True)
    ]
    for layer, arrays in zip(layers, read(path, places, wanted), strict=True):
        layer.load_own_variables({str(number): array for number, array in enumerate(arrays)})


def keras_names(layers):
    """What Keras's own files call layers that have weights: the class's name and a count."""
    names, counts = [], {}
    for layer in layers:
        kind = type(layer).__name__.lower()  # Conv2D, Dense, Normalization
        names.append(f"{kind}_{counts[kind]}" if kind in counts else kind)
        counts[kind] = counts.get(kind, 0) + 1
    return names


def named(path):
    """A path as an error's line can hold it."""
    text = str(path) if str(path).isprintable() else ascii(str(path))
    return text if len(text) <= 200 else f"{text[:100]}…{text[-100:]}"


def _openable(path, wanted):
    """InputError where opening the path would fail, or wait for ever as a pipe does."""
    try:
        found = no_file(os.stat(path).st_mode)
        if not found:
            with Path(path).open("rb"):
                return
    except OSError as error:
        found = error.strerror
    except ValueError:  # a NUL, or what the file system's encoding lacks
        found = "no path"
    raise InputError(f"{named(path)}: expected an HDF5 weights file, found {found}; {wanted}")


def _layer(root, name, places, shapes, path, wanted):
    group = next((found for place in places if (found := _group(root, place)) is not None), None)
    if group is None:
        raise InputError(f"{named(path)}: expected layer {name} with shapes {shapes}, found no such layer; {wanted}")
    datasets = _datasets(group)
    found = [dataset.shape for dataset in datasets]
    if found != shapes:
        raise InputError(f"{named(path)}: layer {name} expected shapes {shapes}, found {found}; {wanted}")
    arrays = [_values(dataset, f"{named(path)}: layer {name}", wanted) for dataset in datasets]
    if not all(np.isfinite(values).all() for values in arrays):
        raise InputError(f"{named(path)}: layer {name} expected finite numbers, found NaN, or beyond 32 bits; {wanted}")
    return arrays


def _group(root, place):
    """The group at a place such as layers/conv2d/vars, or None."""
    found = root
    for part in place.split("/"):
        found = _child(found, part.encode())
        if not isinstance(found, h5g.GroupID):
            return None
    return found


def _child(group, name):
    """A member of a group, or None; a soft or external link counts as none."""
    if not group.links.exists(name) or group.links.get_info(name).type != h5l.TYPE_HARD:
        return None
    return h5o.open(group, name)


def _datasets(group):
    """The arrays of a layer's group, or of the one group in it (Keras 2: block1_conv1/block1_conv1/kernel:0)."""
    members = _members(group)
    if len(members) == 1 and isinstance(inner := next(iter(members.values())), h5g.GroupID):
        members = _members(inner)
    datasets = {name: member for name, member in members.items() if isinstance(member, h5d.DatasetID)}
    if all(name.isdigit() for name in datasets):
        return [datasets[name] for name in sorted(datasets, key=int)]
    return sorted(datasets.values(), key=lambda dataset: -len(dataset.shape or ()))


def _members(group):
    if group.get_num_objs() > ENTRIES:
        return {}
    names = [group.get_objname_by_idx(number) for number in range(group.get_num_objs())]
    return {name: member for name in names if (member := _child(group, name)) is not None}


def _values(dataset, where, wanted):
    """A dataset's numbers, float32, where they are plain numbers and lie in the file as they are."""
    kept = dataset.get_create_plist()
    if kept.get_layout() not in (h5d.COMPACT, h5d.CONTIGUOUS) or kept.get_external_count():
        raise InputError(f"{where} expected a plain array, found a compressed, chunked or linked one; {wanted}")
    kind = dataset.get_type()
    if kind.get_class() not in (h5t.FLOAT, h5t.INTEGER) or kind.get_size() > 8:
        raise InputError(f"{where} expected numbers, found another type; {wanted}")
    values = np.empty(dataset.shape, "float32")
    dataset.read(h5s.ALL, h5s.ALL, values)
    return values
