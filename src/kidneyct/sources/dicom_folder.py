"""A folder or zip of DICOM files as the members of an archive that names nobody.

What leaves this module are pixels, a pseudonym for each patient and the patients' table of these: no name, identifier,
date or file name. Only what it prints on the terminal names files.
"""

import contextlib
import io
from collections import Counter, defaultdict
from itertools import groupby
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from kidneyct.images import archive, container, decoding, window
from kidneyct.images.archive import MASKS, ROOT, SUFFIXES
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.sources import dicom, labels

DIGITS = 4  # of the numbers in names, at least
MOST = 20  # bad files that are told one by one


class _Named(NamedTuple):
    image: str  # "Cyst/patient-0001-0003.png"
    patient: str  # "patient-0001"
    file: str
    slice: dicom.Slice


def present(names, read):
    """Whether any of some files is DICOM, as the first bytes say; pictures' files are not opened for that."""
    for name in filter(_may_be, names):
        if PurePosixPath(name).suffix.lower() == dicom.SUFFIX:
            return True
        with contextlib.suppress(InputError):  # such as what is too large: no DICOM file as far as is known
            if dicom.is_dicom(read(name)):
                return True
    return False


def members(names, read, classes, source, table=None, key="data.source", some=False):
    """The members (name, bytes) of the archive of a source that holds DICOM files.

    `table` are the labels as `labels.read` gives them; None where class folders say them. `key` is the parameter that
    names the source; with `some`, not all of `classes` need be there. What is sound but no CT slice is left out, and
    told; InputError, with a line for each, where files are damaged.
    """
    found, left_out = _scan([name for name in names if _may_be(name)], read, source)
    pictures = [name for name in names if archive.is_image(PurePosixPath(name)) and not _is_mask(name)]
    left_out |= dict.fromkeys(pictures, "a picture among DICOM files")
    if not table:
        of_file, top, _ = archive.class_folders(found, classes, source, "DICOM files", key, some, deep=True)
        left_out |= dict.fromkeys(set(found) - set(of_file), "outside the class folders")
        inside = [name for name in pictures if archive.in_folder(name, top, classes)]
        if inside:
            raise InputError(
                f"{source}: expected DICOM files or pictures, found both in the class folders: "
                f"{container.listed(sorted(of_file), 2)}, {container.listed(inside, 2)}; keep one kind"
            )
    _tell_left_out(left_out, source)
    if table:
        keys = {name: name if table.key == "file" else getattr(parts[0], table.key) for name, parts in found.items()}
        of_file, top = labels.given(table, keys), ()
    named = _names({file: found[file] for file in of_file}, of_file, source)
    absent = sorted(set(classes) - set(of_file.values()))
    if absent and not some:
        raise InputError(f"{source}: expected CT slices of each class, found none of {', '.join(absent)}")
    _tell_taken(named, source)
    yield from _pictures(named, read, source)
    yield from _masks(named, names, read, top, source)
    lines = [f"{one.image},{one.patient}" for one in sorted(named)]
    yield "patients.csv", ("\n".join(["image,series", *lines]) + "\n").encode()


def _in_sight(name):
    path = PurePosixPath(name)
    return "__MACOSX" not in path.parts and not path.name.startswith(".")


def _is_mask(name):
    path = PurePosixPath(name)
    return _in_sight(name) and MASKS in path.parts[:-1] and path.suffix.lower() == ".png"


def _may_be(name):
    path = PurePosixPath(name)
    return _in_sight(name) and path.suffix.lower() not in SUFFIXES and path.name.upper() != dicom.DIRECTORY


def _scan(names, read, source):
    """The slices of each DICOM file, file -> list of Slice, and why others are left out, file -> reason.

    InputError with a line for each damaged one.
    """
    found, left_out, bad = {}, {}, {}
    for name in progress.shown(names, what="headers", unit="file"):
        try:
            content = read(name)
            if PurePosixPath(name).suffix.lower() != dicom.SUFFIX and not dicom.is_dicom(content):
                raise dicom.NoSlice("no DICOM file")
            found[name] = dicom.slices(content)
        except dicom.NoSlice as error:
            left_out[name] = str(error)
        except InputError as error:
            bad[name] = error
    _refuse(bad, len(found) + len(left_out) + len(bad), source)
    if not found:
        _tell_left_out(left_out, source)
        raise InputError(f"{source}: expected CT slices, found none in {len(left_out)} files; change data.source")
    return found, left_out


def _refuse(bad, total, source):
    if bad:
        first = f"{source}: {len(bad)} of {total} files can't be used; mend them, or take them away:"
        told = ((shown(name), str(error).removeprefix(f"{source}: ")) for name, error in list(bad.items())[:MOST])
        lines = [f"{name}: {reason.removeprefix(f'{name}: ')}" for name, reason in told]
        more = [f"and {len(bad) - MOST} more such files"] if len(bad) > MOST else []
        raise InputError("\n  ".join([first, *lines, *more]))


def _tell_left_out(left_out, source):
    by_reason = defaultdict(list)
    for name, reason in left_out.items():
        by_reason[reason].append(name)
    for reason, names in sorted(by_reason.items()):
        print(f"{source}: left out {len(names)}, {reason}: {container.listed(sorted(names))}", flush=True)


def _tell_taken(named, source):
    patients = {one.patient for one in named}
    print(f"{source}: {len(named)} CT slices of {len(patients)} patients, by PatientID", flush=True)
    remarks = Counter(remark for one in named for remark in one.slice.remarks)
    if nameless := sum(not one.slice.patient for one in named):
        remarks["without PatientID, whose StudyInstanceUID, or else SeriesInstanceUID, took its place"] = nameless
    if windowless := sum(not one.slice.window for one in named):
        usual = ", ".join(map(str, window.SOFT_TISSUE))
        remarks[f"without a window of its own; preprocess.window: {window.FILE} takes {usual}"] = windowless
    for remark, count in sorted(remarks.items()):
        files = sorted({one.file for one in named if remark in one.slice.remarks})
        print(f"{source}: {count} {remark}" + (f": {container.listed(files)}" if files else ""), flush=True)


def _identity(one, of_study):
    """What tells a slice's patient apart; of a study whose other files name the patient, it is that."""
    patient = one.patient or of_study.get(one.study, "")
    return ("patient", patient) if patient else ("study", one.study) if one.study else ("series", one.series)


def _names(found, of_file, source):
    """The slices in the order of their names.

    Patients are numbered in the order of digests of their pixels, which the archive holds anyway: nothing that
    identifies anybody decides. Within a patient series come in the same order, and slices upwards along the body.
    """
    of_study = {one.study: one.patient for parts in found.values() for one in parts if one.study and one.patient}
    patients = defaultdict(lambda: defaultdict(list))
    for file, parts in sorted(found.items()):
        for one in parts:
            identity = _identity(one, of_study)
            if not identity[1]:
                raise InputError(
                    f"{source}: {shown(file)}: expected a PatientID, StudyInstanceUID or SeriesInstanceUID, found "
                    "none; without one nobody knows which slices are of one patient"
                )
            patients[identity][one.series].append((file, one))

    def first(slices):
        return min(one.digest for _, one in slices)

    named, ordered = [], []
    for identity, by_series in patients.items():
        runs = sorted(by_series.values(), key=first)
        ordered.append((first([each for run in runs for each in run]), identity, runs))
    width = max(DIGITS, len(str(len(ordered))))
    for number, (_, _, runs) in enumerate(sorted(ordered, key=lambda each: each[:2]), start=1):
        patient = f"patient-{number:0{width}}"
        slices = [each for run in runs for each in _upwards(run)]
        digits = max(DIGITS, len(str(len(slices))))
        named += [
            _Named(f"{of_file[file]}/{patient}-{count:0{digits}}.png", patient, file, one)
            for count, (file, one) in enumerate(slices, start=1)
        ]
    return named


def _upwards(run):
    """A series in order of height along the body, or of InstanceNumber where some slice's height is not known."""
    known = all(one.height is not None for _, one in run)
    return sorted(run, key=lambda each: (each[1].height if known else 0, each[1].number, each[1].digest))


def _pictures(named, read, source):
    bad, beyond = {}, []
    with progress.shown(what="slices", unit="slice", total=len(named)) as told:
        for file, run in groupby(named, key=lambda one: one.file):
            run = list(run)
            try:
                decoded = dicom.hounsfield(read(file), [one.slice.frame for one in run])
                for one, (units, outside) in zip(run, decoded, strict=True):
                    yield f"{ROOT}/{one.image}", window.encode(units, one.slice.window)
                    beyond += [file] if outside else []
                    told.update()
            except InputError as error:
                bad[file] = error
    _refuse(bad, len({one.file for one in named}), source)
    if beyond:
        print(
            f"{source}: {len(beyond)} slices have values beyond {dicom.LEAST} to {dicom.GREATEST} Hounsfield units, "
            f"clipped to these: {container.listed(list(dict.fromkeys(beyond)))}",
            flush=True,
        )


def _masks(named, names, read, top, source):
    """Lesion masks, drawn anew under their slices' names; a mask is called as its file of one slice, under masks/."""
    of_stem = defaultdict(list)
    for one in named:
        path = PurePosixPath(one.file).relative_to(PurePosixPath(*top))
        of_stem[str(path.with_suffix("") if path.suffix.lower() == dicom.SUFFIX else path)].append(one)
    unused = []
    for name in names:
        if not _is_mask(name):
            continue
        parts = PurePosixPath(name).parts
        stem = str(PurePosixPath(*parts[parts.index(MASKS) + 1 :]).with_suffix(""))
        slices = of_stem.pop(stem, [])
        if len(slices) != 1:
            unused.append(name)
            continue
        mask = np.asarray(decoding.decode(read(name), f"{source}: {shown(name)}", formats=("PNG",))).any(axis=-1)
        buffer = io.BytesIO()
        Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG")
        yield f"{MASKS}/{slices[0].image}", buffer.getvalue()
    if unused:
        print(f"{source}: masks of no file of one slice, not used: {container.listed(unused)}", flush=True)
