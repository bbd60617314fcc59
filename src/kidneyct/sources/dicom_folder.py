"""A folder or zip of DICOM files as the members of an archive that names nobody.

What leaves this module are pixels, a pseudonym for each patient and the patients' table of these: no name, identifier,
date or file name. Only what it prints on the terminal names files.
"""

import contextlib
import io
from collections import defaultdict
from itertools import groupby
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from kidneyct.files import tables
from kidneyct.images import archive, container, decoding, window
from kidneyct.images.archive import MASKS, PATIENTS, ROOT, SUFFIXES
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.sources import dicom, labels

MOST = 20  # bad files that are told one by one
SPANS = "of one PatientID in several studies and all classes; if it is not one patient's, set series.table: none"
ALIKE = "whose PatientID differs from another's in capitals or leading zeros alone, taken as another patient"


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
    """The members (name, bytes) of the archive of a source that holds DICOM files; `key`, `some` as in `user_images`.

    `table` are the labels as `labels.read` gives them; None where class folders say them. What is sound but no CT slice
    is left out, and told; InputError, with a line for each, where files are damaged.
    """
    found, left_out = _scan([name for name in names if _may_be(name)], read, source)
    left_out["a picture among DICOM files"] += [name for name in names if archive.is_image(PurePosixPath(name))]
    _tell("left out, ", left_out, source)
    if not found:
        raise InputError(f"{source}: expected CT slices, found none in {len(names)} files; change {key}")
    if table:
        keys = {name: name if table.key == "file" else getattr(ct, table.key) for name, ct in found.items()}
        of_file, top = labels.of_files(table, keys), ()
    else:
        of_file, top, _ = archive.class_folders(found, classes, source, key, some, dicom=True)
        _tell("left out, ", {"outside the class folders": sorted(set(found) - set(of_file))}, source)
    named = _names({file: found[file] for file in of_file}, of_file, source)
    absent = sorted(set(classes) - set(of_file.values()))
    if absent and not some:
        raise InputError(f"{source}: expected CT slices of each class, found none of {', '.join(absent)}")
    patients = {member.patient for member in named}
    print(f"{source}: {len(named)} CT slices of {len(patients)} patients, by PatientID", flush=True)
    remarks, studies, held = defaultdict(list), defaultdict(set), defaultdict(set)
    alike = tables.look_alike(member.slice.patient for member in named)
    for member in named:
        studies[member.patient].add(member.slice.study)
        held[member.patient].add(of_file[member.file])
    for member in sorted(named, key=lambda member: member.file):
        spans = len(studies[member.patient]) > 1 and len(held[member.patient]) == len(classes)
        own = [*([SPANS] if spans else []), *([ALIKE] if member.slice.patient in alike else [])]
        for remark in (*member.slice.remarks, *own):
            remarks[remark].append(member.file)
    _tell("", remarks, source)
    yield from _pictures(named, read, source)
    yield from _masks(named, names, read, top, source)
    lines = [f"{member.image},{member.patient}" for member in sorted(named)]
    yield PATIENTS, ("\n".join(["image,series", *lines]) + "\n").encode()


def _may_be(name):
    path = PurePosixPath(name)
    hidden = "__MACOSX" in path.parts or path.name.startswith(".")
    return not hidden and path.suffix.lower() not in SUFFIXES and path.name.upper() != dicom.DIRECTORY


def _scan(names, read, source):
    """The slice of each DICOM file, file -> Slice, and those left out, reason -> files; a line for each damaged one."""
    found, left_out, bad = {}, defaultdict(list), {}
    for name in progress.bar(names, what="headers", unit="file"):
        try:
            content = read(name)
            if PurePosixPath(name).suffix.lower() != dicom.SUFFIX and not dicom.is_dicom(content):
                raise dicom.NoSlice("no DICOM file")
            found[name] = dicom.header(content)
        except dicom.NoSlice as error:
            left_out[str(error)].append(name)
        except InputError as error:
            bad[name] = error
    _refuse(bad, len(names), source)
    return found, left_out


def _refuse(bad, total, source):
    if bad:
        first = f"{source}: {len(bad)} of {total} files can't be used; mend them, or take them away:"
        faults = ((shown(name), str(error).removeprefix(f"{source}: ")) for name, error in list(bad.items())[:MOST])
        lines = [f"{name}: {reason.removeprefix(f'{name}: ')}" for name, reason in faults]
        lines += [f"and {len(bad) - MOST} more such files"] if len(bad) > MOST else []
        raise InputError("\n  ".join([first, *lines]))


def _tell(what, files, source):
    """Print each reason or remark, and its files."""
    for reason, names in sorted(files.items()):
        if names:
            print(f"{source}: {len(names)} {what}{reason}: {container.listed(names)}", flush=True)


def _names(found, of_file, source):
    """The slices in the order of their names.

    Patients are numbered in the order of digests of their pixels, which the archive holds anyway: nothing that
    identifies anybody decides. Within a patient series come in the same order, and slices upwards along the body, or
    by InstanceNumber where some slice's height is not known. A file without a patient is of the one that other files of
    its study name.
    """
    of_study = {ct.study: ct.patient for ct in found.values() if ct.study and ct.patient}
    rows, first = [], {}  # (patient, file, Slice); the least digest of each patient and of each of its series
    for file, ct in sorted(found.items()):
        patient = ct.patient or of_study.get(ct.study, "")
        patient = ("patient", patient) if patient else ("study", ct.study) if ct.study else ("series", ct.series)
        if not patient[1]:
            raise InputError(
                f"{source}: {shown(file)}: expected a PatientID, StudyInstanceUID or SeriesInstanceUID, found none; "
                "without one nobody knows which slices are of one patient"
            )
        rows.append((patient, file, ct))
        for key in (patient, (patient, ct.series)):
            first[key] = min(first.get(key, ct.digest), ct.digest)
    unknown = {(patient, ct.series) for patient, _, ct in rows if ct.height is None}

    def order(row):
        patient, _, ct = row
        series = patient, ct.series
        return first[patient], patient, first[series], 0 if series in unknown else ct.height, ct.number, ct.digest

    named = []
    for number, (_, own) in enumerate(groupby(sorted(rows, key=order), key=lambda row: row[0]), start=1):
        for position, (_, file, ct) in enumerate(own, start=1):
            patient = f"patient-{number:04}"
            named.append(_Named(f"{of_file[file]}/{patient}-{position:04}.png", patient, file, ct))
    return named


def _pictures(named, read, source):
    bad, beyond = {}, []
    for member in progress.bar(named, what="slices", unit="slice"):
        try:
            units, outside = dicom.hounsfield(read(member.file))
        except InputError as error:
            bad[member.file] = error
            continue
        yield f"{ROOT}/{member.image}", window.encode(units, member.slice.window)
        beyond += [member.file] if outside else []
    _refuse(bad, len(named), source)
    _tell("", {f"clipped to {dicom.LEAST} to {dicom.GREATEST} Hounsfield units": beyond}, source)


def _masks(named, names, read, top, source):
    """Lesion masks, drawn again under their slices' names; a mask is called as its file, under masks/."""
    of_stem = defaultdict(list)
    for member in named:
        path = PurePosixPath(member.file).relative_to(PurePosixPath(*top))
        of_stem[str(path.with_suffix("") if path.suffix.lower() == dicom.SUFFIX else path)].append(member)
    unused = []
    for name in names:
        parts = PurePosixPath(name).parts
        if MASKS not in parts[:-1] or parts[-1].startswith(".") or not name.lower().endswith(".png"):
            continue
        stem = str(PurePosixPath(*parts[parts.index(MASKS) + 1 :]).with_suffix(""))
        slices = of_stem.pop(stem, [])
        if len(slices) != 1:
            unused.append(name)
            continue
        mask = decoding.decode(read(name), f"{source}: {shown(name)}", formats=("PNG",)).convert("RGB")
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(mask).any(axis=-1).astype(np.uint8) * 255).save(buffer, "PNG")
        yield f"{MASKS}/{slices[0].image}", buffer.getvalue()
    _tell("", {"masks not used, as they are of no slice, or of two": unused}, source)
