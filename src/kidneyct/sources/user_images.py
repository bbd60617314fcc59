"""The user's own folder or zip, of pictures or of DICOM files, as the members of an archive."""

from pathlib import PurePosixPath

from kidneyct.images import archive, container
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.sources import dicom_folder, labels


def members(source, classes, table=labels.NONE, key="data.source", some=False):
    """The members (name, bytes) of the archive of a source; `table` is the path of its labels, or labels.NONE.

    `key` is the parameter that names the source; with `some`, not all of `classes` need be there. InputError where it
    is none, or holds neither.
    """
    with archive.source_opened(source, key) as found:
        if table != labels.NONE:
            given = labels.read(table, classes)
            if dicom_folder.present(found.names, found.read):
                yield from dicom_folder.members(found.names, found.read, classes, shown(source), given)
            else:
                yield from archive.laid_out(found, classes, shown(source), _labelled(found.names, given))
        elif _are_pictures(found, classes, shown(source), key, some):
            yield from archive.laid_out(found, classes, shown(source), key=key, some=some)
        else:
            yield from dicom_folder.members(found.names, found.read, classes, shown(source), key=key, some=some)


def _are_pictures(opened, classes, source, key, some):
    """Whether class folders hold pictures, not DICOM files; InputError where they hold both, or neither."""
    try:
        pictures = archive.in_class_folders(opened.names, classes, source, key, some)
    except InputError:
        if dicom_folder.present(opened.names, opened.read):
            return False
        raise
    beside = archive.left_out(opened.names, pictures)
    if dicom_folder.present(beside, opened.read):
        raise InputError(
            f"{source}: expected DICOM files or pictures, found both in the class folders: "
            f"{shown(pictures[0].member)} and others among {container.listed(beside, 3)}; keep one kind"
        )
    return True


def _labelled(names, table):
    """The label of each picture, name -> label, by a table of files."""
    if table.key != "file":
        raise InputError(
            f"data.labels: {shown(table.path)}: expected a column file, as only DICOM files know their {table.key}"
        )
    return labels.given(table, {name: name for name in names if archive.is_image(PurePosixPath(name))})
