"""Trained models, loaded once and asked about one image at a time."""

from typing import NamedTuple

import numpy as np

from kidneyct.backbone import devices
from kidneyct.maps import explainer
from kidneyct.predict import prediction, trained
from kidneyct.series import inference


def load(opened):
    """The network of a `Workspace`, trained; InputError where its weights are damaged or have been replaced."""
    devices.prepare(seed=0)
    return trained.network(opened)


class View(NamedTuple):
    """An image as the models see it, and what they say of it."""

    pixels: np.ndarray  # (s, s, 3) uint8
    thumbnail: np.ndarray  # (25, 25) uint8
    results: dict  # role -> result, as `prediction.predict` has it
    nearest: int | None  # the training image most like it, its position among the workspace's; None without thumbnails


class Models:
    """The models of one run, by role: all see the same training images. Not for several threads at once."""

    def __init__(self, opened):
        """`opened` is role -> `Workspace`; InputErrors as `load` has them."""
        self.opened = opened
        self.networks = {role: load(each) for role, each in opened.items()}
        self.run = next(iter(opened.values()))  # what all have in common is read off the first
        self.limit = prediction.limit_of(self.run)
        self.explainers = {  # one compilation for all kinds of maps, when the first is asked for
            role: explainer.explainer(network, batch_size=prediction.BATCH_SIZE)
            for role, network in self.networks.items()
        }

    def view(self, content, name):
        """The `View` of an image file's bytes; InputError, naming it, where they are none."""
        pixels, thumbnail = self._seen(content, name)
        results = {role: self._result(role, pixels, thumbnail) for role in self.opened}
        if self.run.thumbnails is None:
            return View(pixels, thumbnail, results, None)
        position, _ = inference.nearest(thumbnail[None], self.run.thumbnails)
        return View(pixels, thumbnail, results, int(position[0]))

    def _seen(self, content, name):
        return prediction.seen(content, name, self.run.image_size, self.run.window, self.run.grey)

    def map(self, content, name, role, method):
        """A map (h', w') of a role's model for the class that it takes an image for, and that class."""
        pixels, thumbnail = self._seen(content, name)
        label = self._result(role, pixels, thumbnail)["class"]
        codes = np.array([self.opened[role].classes.index(label)])
        maps = self.explainers[role](pixels[None], codes, seed=0, methods=(method,))
        return maps[method][0], label

    def _result(self, role, pixels, thumbnail):
        given = self.opened[role], self.networks[role], pixels[None], thumbnail[None], self.limit
        return prediction.classify(*given)[0]
