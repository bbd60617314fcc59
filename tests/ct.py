"""DICOM files made for tests: one CT slice of which anything can be changed."""

import io

import numpy as np
import pydicom
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset

CT = "1.2.840.10008.5.1.4.1.1.2"
RAMP = np.arange(64, dtype="<i2").reshape(8, 8) * 30  # stored values; less 1024 are HU


def shipped(name):
    """The bytes of a file that pydicom brings along."""
    with open(get_testdata_file(name, download=False), "rb") as file:
        return file.read()


def dataset(pixels=RAMP, **changes):
    """A CT slice, 16 bits with a sign; None removes an attribute."""
    data = pydicom.Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = CT, "1.2.3.4", "CT"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.PatientID, data.StudyInstanceUID, data.SeriesInstanceUID, data.InstanceNumber = "P1", "1.2.3", "1.2.3.1", 1
    data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape[-2:]
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    data.PixelData = pixels.tobytes()
    for name, value in changes.items():
        if value is None:
            del data[name]
        else:
            setattr(data, name, value)
    return data


def packed(data, syntax=uid.ExplicitVRLittleEndian):
    """A dataset as a file's bytes."""
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def file(pixels=RAMP, **changes):
    return packed(dataset(pixels, **changes))


def put(folder, files):
    """Write files, name -> bytes, below a folder; returns it."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
