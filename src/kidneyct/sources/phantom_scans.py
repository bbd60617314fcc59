"""The phantom's slices as a folder of DICOM files, such as a scanner's archive hands out."""

import hashlib
import io
import itertools
from pathlib import Path

from kidneyct.images.archive import MASKS
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.sources import dicom, phantom

INTERCEPT = -1024  # HU of a stored 0, as scanners have it


def encode(one):
    """A `phantom.Slice` as the bytes of a DICOM CT file; the same slice gives the same bytes."""
    import pydicom
    from pydicom import uid

    who = f"{one.label}-{one.patient}"
    pixels = (one.hounsfield - INTERCEPT).astype("<i2").tobytes()
    data = pydicom.Dataset()
    data.SOPClassUID, data.SOPInstanceUID = dicom.CT, _uid(who, "slice", hashlib.sha256(pixels).hexdigest())
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.Modality, data.PatientName, data.PatientID = "CT", f"Phantom^{who}", who
    data.StudyInstanceUID, data.SeriesInstanceUID = _uid(who, "study"), _uid(who, "series")
    data.InstanceNumber = one.position + 1
    corner = -(phantom.SIZE - 1) / 2 * phantom.PIXEL
    data.ImagePositionPatient = [f"{corner:.3f}", f"{corner:.3f}", f"{one.position * phantom.SLICE_DISTANCE:.3f}"]
    data.ImageOrientationPatient = list(dicom.AS_SEEN)
    data.PixelSpacing, data.SliceThickness = [phantom.PIXEL] * 2, phantom.SLICE_DISTANCE
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = one.hounsfield.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 1, INTERCEPT, "HU"
    data.WindowCenter, data.WindowWidth = phantom.WINDOW_CENTRE, phantom.WINDOW_WIDTH
    data.PixelData = pixels
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def _uid(*words):
    """An identifier made of words alone, so that it is the same each time."""
    from pydicom import uid

    return uid.generate_uid(entropy_srcs=["kidneyct phantom", *words])


def write(folder, classes, patients_per_class, slices_per_patient, seed):
    """Write CLASS/PATIENT/IM0001, … and masks/CLASS/PATIENT/IM0001.png into a new folder; returns how many slices."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{shown(folder)}: expected a new or empty folder, found another; choose another name")
    folder.mkdir(parents=True, exist_ok=True)
    every = list(itertools.product(classes, range(1, patients_per_class + 1)))
    for label, number in progress.shown(every, what="phantom", unit="patient"):
        for one in phantom.patient(label, number, slices_per_patient, seed):
            name = f"{label}/{label}-{number}/IM{one.position + 1:04d}"
            for path, content in ((name, encode(one)), (f"{MASKS}/{name}.png", phantom.files(one)[1])):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
    return len(every) * slices_per_patient
