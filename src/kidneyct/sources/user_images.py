"""The user's own folder or zip, of pictures or of DICOM files, as the members of an archive."""

from pathlib import PurePosixPath

from kidneyct.images import archive, container
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.sources import dicom_folder, labels
from kidneyct.sources.source import require


def members(source, classes, table=labels.NONE, key="data.source", some=False):
    """The members (name, bytes) of the archive of a source; `table` is the path of its labels, or labels.NONE.

    `key` is the parameter that names the source; with `some`, not all of `classes` need be there, and `none` has no
    members. What else lies in the class folders, or beside them, is left out, and named. InputError where there is no
    folder or zip, or where it holds neither pictures nor DICOM files.
    """
    if some and source == labels.NONE:
        return
    require(source, key, f"{'none' if some else 'kaggle, phantom'} or the path of a folder or zip")
    where = shown(source)
    with container.opened(source) as opened:
        labelled = labels.read(table, classes) if table != labels.NONE else None
        taken = _labelled(opened, labelled, where) if labelled else _in_folders(opened, classes, where, key, some)
        if taken:
            yield from archive.repack(opened, taken, where)
        else:
            yield from dicom_folder.members(*opened, classes, where, labelled, key, some)


def _in_folders(opened, classes, source, key, some):
    """The images in class folders, None where these hold DICOM files; InputError where they hold both, or neither."""
    try:
        taken = archive.in_class_folders(opened.names, classes, source, key, some)
    except InputError:
        if dicom_folder.present(*opened):
            return None
        raise
    members = {image.member for image in taken}
    folders = tuple({f"{PurePosixPath(member).parent}/" for member in members})
    others = [name for name in opened.names if name not in members and name.startswith(folders)]
    if dicom_folder.present(others, opened.read):
        raise InputError(
            f"{source}: expected DICOM files or pictures, found both in the class folders: "
            f"{shown(taken[0].member)} and others among {container.listed(others, 3)}; keep one kind"
        )
    if others:
        print(
            f"{source}: left out of the class folders {container.listed(others)}: taken are {archive.KINDS} files "
            "that lie in them directly",
            flush=True,
        )
    return taken


def _labelled(opened, table, source):
    """The images that a table of files labels, None where the source holds DICOM files."""
    if dicom_folder.present(*opened):
        return None
    if table.key != "file":
        raise InputError(f"{table.where}: expected a column file, as only DICOM files know their {table.key}")
    files = {name: name for name in opened.names if archive.is_image(PurePosixPath(name))}
    return archive.labelled(labels.of_files(table, files), source)
