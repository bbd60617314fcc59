"""One DICOM file: its CT slice in Hounsfield units, and whose it is and where it lies.

Chapters of the standard are PS3.3's. Nothing here prints or keeps a name, an identifier or a date.
"""

import contextlib
import hashlib
import io
import logging
import math
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image

from kidneyct.images import window as windows
from kidneyct.pipeline.errors import InputError, shown

SUFFIX = ".dcm"
DIRECTORY = "DICOMDIR"  # the name of a list of files, which is none itself
PREAMBLE, MAGIC = 128, b"DICM"
START = PREAMBLE + len(MAGIC)  # bytes that show whether a file is DICOM
CT = "1.2.840.10008.5.1.4.1.1.2"  # CT Image Storage
ENHANCED = {f"{CT}.1", f"{CT}.2"}  # of many frames
DEFLATED = "1.2.840.10008.1.2.1.99"
AIR = -1000  # HU; what padding becomes
LEAST, GREATEST = -32768, 32767  # HU that a 16-bit PNG holds
UNITS = {"", "HU", "US"}  # RescaleType: Hounsfield units, or not specified
AS_SEEN = (1, 0, 0, 0, 1, 0)  # ImageOrientationPatient of a patient on the back: rows to the left, columns to the back


class NoSlice(InputError):
    """A sound DICOM file that is no axial CT slice, such as a report, a localizer or an MR image."""


class Slice(NamedTuple):
    patient: str  # PatientID, may be empty
    study: str  # StudyInstanceUID, may be empty
    series: str  # SeriesInstanceUID, may be empty
    height: float | None  # mm along the body, from ImagePositionPatient
    number: int  # InstanceNumber
    window: tuple | None  # the file's first centre and width, HU
    digest: bytes  # of its stored pixels
    remarks: tuple  # what is worth telling, in words


def is_dicom(content):
    """Whether bytes, the first 132 or more, begin as a DICOM file does; also one without preamble, by its first tag."""
    return content[PREAMBLE:START] == MAGIC or (content[:2] in (b"\2\0", b"\x08\0") and content[3:4] == b"\0")


def header(content):
    """The `Slice` that a file's bytes hold.

    NoSlice says what else a sound file is, InputError what is wrong with one; neither names the file.
    """
    from pydicom import uid

    with _as_input_error():
        data = _parsed(content)
        kind = data.get("SOPClassUID", "")
        if kind not in (CT, *ENHANCED) and (kind or data.get("Modality") != "CT"):
            known = uid.UID(str(kind)).name or f"of modality {data.get('Modality') or 'unknown'}"
            raise NoSlice(f"no CT image but {shown(known)}")
        if "LOCALIZER" in [str(value).strip().upper() for value in _several(data.get("ImageType"))]:
            raise NoSlice("a localizer (ImageType)")
        if data.get("SamplesPerPixel", 1) != 1 or "PALETTE" in str(data.get("PhotometricInterpretation", "")):
            raise NoSlice(f"a colour picture ({shown(data.get('PhotometricInterpretation', 'no interpretation'))})")
        if str(data.get("BurnedInAnnotation", "")).upper() == "YES":
            raise NoSlice("a picture with text in its pixels (BurnedInAnnotation), which may be a name")
        if kind in ENHANCED or int(data.get("NumberOfFrames") or 1) != 1:
            raise InputError("many frames in one file; save each as a file of its own (dcm4che's emf2sf does it)")
        _check_pixels(data)
        _rescale(data)
        remarks = _remarks(data)
        position = _numbers(data.get("ImagePositionPatient"), 3)
        return Slice(
            *(str(data.get(name) or "").strip() for name in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")),
            position[2] if position else None,
            int(data.get("InstanceNumber") or 0),
            _window(data),
            hashlib.sha256(data.PixelData + b"0").digest(),  # without the 0 patients would be numbered again
            remarks,
        )


def hounsfield(content):
    """The Hounsfield units of a file's bytes, (H, W) int16, and how many did not fit into these.

    Stored values are rescaled (C.11.1.1.2) and rounded to whole units; padding (C.7.5.1.1.2) becomes air. InputError
    where they can't be decoded.
    """
    from pydicom.pixels import pixel_array

    with _as_input_error():
        data = _parsed(content)
        stored = pixel_array(data, raw=True, correct_unused_bits=False)
        if stored.shape != (data.Rows, data.Columns) or stored.dtype.kind not in "iu":
            raise InputError(f"its pixels are {stored.dtype} {stored.shape}, not {data.Rows}x{data.Columns}")
        unused = data.BitsAllocated - data.BitsStored  # what stands there, such as an old overlay, is no value's part
        slope, intercept = _rescale(data)
        units = np.floor(((stored << unused) >> unused) * slope + intercept + 0.5)
        units[_padding(data, stored)] = AIR
        beyond = int(((units < LEAST) | (units > GREATEST)).sum())
        return units.clip(LEAST, GREATEST).astype(np.int16), beyond


def picture(content, name, window=windows.FILE):
    """A DICOM file's slice as a grey picture by `window`, as `preprocess.window`; InputError, naming the file."""
    try:
        own, (units, _) = header(content).window, hounsfield(content)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    centre, width = (own or windows.SOFT_TISSUE) if window == windows.FILE else window
    return Image.fromarray(windows.linear(units, centre, width))


@contextlib.contextmanager
def _as_input_error():
    """Inside, whatever fails is an InputError of one line, and pydicom and GDCM say nothing else."""
    import gdcm

    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    for switch in ("DebugOff", "WarningOff", "ErrorOff"):
        getattr(gdcm.Trace, switch)()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"not readable as DICOM ({shown(reason)}); fetch it again") from None


def _parsed(content):
    import pydicom
    from pydicom import uid

    if DEFLATED.encode() in content[:4096]:  # a few bytes might unpack to any number
        raise InputError("a deflated file (Deflated Explicit VR Little Endian); save it with another transfer syntax")
    data = pydicom.dcmread(io.BytesIO(content), force=True)
    announced = data.file_meta.get("MediaStorageSOPClassUID")
    if announced and data.get("SOPClassUID") and announced != data.SOPClassUID:
        raise InputError("not readable as DICOM (another SOPClassUID than its first lines say); fetch it again")
    if not (data.get("SOPClassUID") or data.get("Modality")):
        raise InputError(
            "not readable as DICOM (neither SOPClassUID nor Modality), perhaps cut short; fetch it again or remove it"
        )
    if not data.file_meta.get("TransferSyntaxUID"):
        implicit, little = data.original_encoding
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
    return data


def _several(value):
    return [] if value is None else [value] if isinstance(value, (str, int, float)) else list(value)


def _check_pixels(data):
    from pydicom.pixels import get_decoder

    rows, columns = int(data.Rows), int(data.Columns)
    if "PixelData" not in data:
        raise InputError("no pixels, perhaps as it is cut short; fetch it again")
    if rows * columns > 2 * Image.MAX_IMAGE_PIXELS:
        raise InputError(f"larger than {2 * Image.MAX_IMAGE_PIXELS:,} pixels ({rows}x{columns}); make it smaller")
    if data.HighBit != data.BitsStored - 1 or data.BitsStored > data.BitsAllocated:
        raise InputError(
            f"expected its {data.BitsStored} bits at the lower end of {data.BitsAllocated}, found high bit "
            f"{data.HighBit}; convert it first"
        )
    syntax = data.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:  # such as a maker's own
        available = False
    if not available:
        raise InputError(f"its transfer syntax can't be read ({shown(syntax.name)}); save it uncompressed")


def _rescale(data):
    """Slope and intercept to Hounsfield units; InputError where the file has none."""
    slope, intercept, units = (data.get(f"Rescale{name}") for name in ("Slope", "Intercept", "Type"))
    if slope is None or intercept is None:
        raise InputError("no RescaleSlope and RescaleIntercept, so no Hounsfield units; convert it first")
    slope, intercept = float(slope), float(intercept)
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise InputError(f"expected a rescale slope and intercept, found {slope:g} and {intercept:g}; convert it first")
    if str(units or "").strip().upper() not in UNITS:
        raise NoSlice(f"no picture of Hounsfield units (RescaleType {shown(units)})")
    return slope, intercept


def _padding(data, stored):
    """Where a frame is padding, bool; compared in all bits, as the padding value may have more than are stored."""
    first = data.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, bool)
    last = data.get("PixelPaddingRangeLimit", first)
    first, last = (np.array(int(value) & (2**data.BitsAllocated - 1), f"u{stored.itemsize}") for value in (first, last))
    low, high = sorted((first.view(stored.dtype), last.view(stored.dtype)))
    return (stored >= low) & (stored <= high)


def _remarks(data):
    """What is worth telling of a slice, in words; NoSlice where it is no axial one."""
    orientation, remarks = _numbers(data.get("ImageOrientationPatient"), 6), []
    if orientation is None and "SECONDARY" in _several(data.get("ImageType")):
        raise NoSlice("a secondary capture without ImageOrientationPatient")
    if orientation is None:
        remarks.append("without ImageOrientationPatient, taken as axial")
    else:
        normal = np.cross(orientation[:3], orientation[3:])
        if abs(normal).argmax() != 2 or not abs(normal).max() > 0:
            raise NoSlice("no axial slice (ImageOrientationPatient)")
        if np.abs(np.subtract(orientation, AS_SEEN)).max() > 0.75:  # beyond what a tilted gantry makes
            remarks.append("stored turned or mirrored (ImageOrientationPatient), taken as stored")
    if data.get("PhotometricInterpretation") == "MONOCHROME1":  # C.7.6.3.1.2: how it is shown, not what is measured
        remarks.append("of MONOCHROME1, whose Hounsfield units are taken as they are, not inverted")
    if not data.get("PatientID"):
        remarks.append("without PatientID, so by StudyInstanceUID, or else SeriesInstanceUID")
    if not _window(data):
        remarks.append("without a window; preprocess.window: file takes {}, {}".format(*windows.SOFT_TISSUE))
    return tuple(remarks)


def _numbers(value, count):
    values = [float(number) for number in _several(value)]
    if not values:
        return None
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(f"expected {count} numbers as its position or orientation, found {shown(values)}")
    return values


def _window(data):
    """The first window of a file; None where it has none, or what is none."""
    try:
        centre, width = (float(_several(data.get(f"Window{name}"))[0]) for name in ("Center", "Width"))
    except (IndexError, TypeError, ValueError):
        return None
    return (centre, width) if windows.valid(centre, width) else None
