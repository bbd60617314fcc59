"""The external test set, `data.external`: images from elsewhere that no model was trained on; it may be none."""

from kidneyct.images import archive, container
from kidneyct.sources import user_images

NONE = "none"


def members(source, classes):
    """The members (name, bytes) of the external test set's archive, as `user_images.members`; none for NONE."""
    return () if source == NONE else user_images.members(source, classes, key="data.external", some=True)


def images(path, classes):
    """The images of that archive, as `archive.images`; none where there is no external test set."""
    with container.opened(path) as opened:
        empty = not opened.names
    return [] if empty else archive.images(path, classes, some=True)
