"""One DICOM file: real ones that pydicom brings along, and slices of which something is changed."""

import io

import ct
import gdcm
import numpy as np
import pydicom
import pytest
from pydicom import uid

from kidneyct.pipeline.errors import InputError
from kidneyct.sources import dicom


def read(content):
    return dicom.header(content), dicom.hounsfield(content)


def refused(content, kind=InputError):
    with pytest.raises(kind) as caught:
        read(content)
    assert type(caught.value) is kind
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_real_slice():
    content = ct.shipped("CT_small.dcm")
    one, (units, _) = read(content)
    assert (one.patient, one.height, one.number, one.window) == ("1CT1", -75.699997, 1, None)
    np.testing.assert_array_equal(units, pydicom.dcmread(io.BytesIO(content)).pixel_array.astype(int) - 1024)


MANY = {"NumberOfFrames": 2}, {"SOPClassUID": f"{ct.CT}.1"}
SYNTAXES = {
    "JPEG lossless": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    "JPEG-LS": gdcm.TransferSyntax.JPEGLSLossless,
    "JPEG 2000": gdcm.TransferSyntax.JPEG2000Lossless,
    "RLE": gdcm.TransferSyntax.RLELossless,
    "implicit": gdcm.TransferSyntax.ImplicitVRLittleEndian,
}


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_a_slice_is_the_same_however_it_is_compressed(tmp_path, syntax):
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(pydicom.data.get_testdata_file("CT_small.dcm", download=False))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(tmp_path / "a"))
    assert writer.Write()
    content = (tmp_path / "a").read_bytes()
    assert pydicom.dcmread(tmp_path / "a").file_meta.TransferSyntaxUID != uid.ExplicitVRLittleEndian
    np.testing.assert_array_equal(dicom.hounsfield(content)[0], dicom.hounsfield(ct.shipped("CT_small.dcm"))[0])
    assert "fetch it again" in refused(content[:-3000])


def test_real_compressed_slices():
    for name, lowest, highest in (("693_J2KI.dcm", -3995, 1812), ("J2K_pixelrep_mismatch.dcm", -2000, 1896)):
        one, (found, beyond) = read(ct.shipped(name))
        assert (found.shape, found.min(), found.max(), beyond) == ((512, 512), lowest, highest, 0)
        assert one.window == (40, 100)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"SOPClassUID": "1.2.3"}, "no CT image but 1.2.3"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localizer (ImageType)"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "a colour picture (RGB)"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "no axial slice (ImageOrientationPatient)"),
        ({"ImageType": ["DERIVED", "SECONDARY"], "ImageOrientationPatient": None}, "a secondary capture without Image"),
        ({"BurnedInAnnotation": "YES"}, "a picture with text in its pixels (BurnedInAnnotation), which may be a name"),
        ({"RescaleType": "OD"}, "no picture of Hounsfield units (RescaleType OD)"),
    ],
)
def test_what_is_left_out(changes, line):
    assert refused(ct.file(**changes), dicom.NoSlice).startswith(line)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"RescaleSlope": None}, "no RescaleSlope and RescaleIntercept, so no Hounsfield units; convert it first"),
        ({"RescaleSlope": 0}, "expected a rescale slope and intercept, found 0 and -1024; convert it first"),
        ({"PixelData": None}, "no pixels, perhaps as it is cut short; fetch it again"),
        ({"Rows": 60000, "Columns": 60000}, "larger than 178,956,970 pixels (60000x60000); make it smaller"),
        *(({"Rows": rows}, "not readable as DICOM (") for rows in (9, 0, None)),
        *((changes, "many frames in one file; save each") for changes in MANY),
        ({"HighBit": 11}, "expected its 16 bits at the lower end of 16, found high bit 11; convert it first"),
        ({"ImagePositionPatient": [0, 0]}, "expected 3 numbers as its position or orientation, found [0.0, 0.0]"),
    ],
)
def test_what_is_wrong_with_a_slice(changes, line):
    assert refused(ct.file(**changes)).startswith(line)


def test_a_file_that_is_cut_short():
    for cut in range(140, len(ct.file()) - 1, 23):
        assert "fetch it again" in refused(ct.file()[:cut])


def test_a_compression_that_is_not_known_and_one_that_may_burst():
    data = ct.dataset()
    data.PixelData = pydicom.encaps.encapsulate([b"x" * 100])
    data["PixelData"].is_undefined_length = True
    line = refused(ct.packed(data, uid.HTJ2KLossless))
    assert line.startswith("its transfer syntax can't be read (High-Throughput JPEG 2000")
    assert refused(ct.shipped("image_dfl.dcm")).startswith("a deflated file")
    told = "its transfer syntax can't be read (1.2.840.113619.5.2); save it uncompressed"  # GE's
    assert refused(ct.file().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0")) == told


def test_slope_and_intercept_are_applied_rounded_and_clipped():
    stored = np.array([[-32768, -3, -1, 0], [1, 2, 3, 32767]], "<i2")
    found, beyond = dicom.hounsfield(ct.file(stored, RescaleSlope=2.5, RescaleIntercept=-0.5))
    assert found.tolist() == [[-32768, -8, -3, 0], [2, 5, 7, 32767]]  # -8.0, -3.0, -0.5, 2.0, 4.5, 7.0
    assert beyond == 2


TWELVE = {"BitsStored": 12, "HighBit": 11}


@pytest.mark.parametrize(
    ("stored", "kind", "changes", "expected"),
    [
        # -2000 in 16 bits, which are more than are stored; an old overlay in the last.
        ([0xF830, 0, 1024, 0xF000 + 1024], "<u2", TWELVE | {"PixelPaddingValue": 0xF830}, [-1000, -1024, 0, 0]),
        (
            [-2000, -1990, -1980, 1024],
            "<i2",
            {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1990},
            [-1000, -1000, -3004, 0],
        ),
        ([0x0FFF, 0x0800, 0x07FF], "<i2", TWELVE | {"RescaleIntercept": 0}, [-1, -2048, 2047]),  # one bit is a sign
    ],
)
def test_padding_is_air_and_bits_that_are_not_stored_do_not_count(stored, kind, changes, expected):
    assert dicom.hounsfield(ct.file(np.array([stored], kind), **changes))[0].tolist() == [expected]


@pytest.mark.parametrize(
    ("changes", "remarks"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, ["of MONOCHROME1"]),  # PS3.3 C.7.6.3.1.2: inverted last
        ({"ImageOrientationPatient": [-1, 0, 0, 0, -1, 0]}, ["stored turned or mirrored (ImageOrientationPatient)"]),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0.87, -0.5]}, []),  # a tilted gantry
        ({"ImageOrientationPatient": None}, ["without ImageOrientationPatient"]),
        ({"PatientID": "", "WindowWidth": 0}, ["without PatientID, so by Study", "without a window"]),
    ],
)
def test_how_a_slice_is_shown_or_lies_is_told_and_changes_nothing(changes, remarks):
    one, (units, _) = read(ct.file(**{"WindowCenter": 40, "WindowWidth": 400} | changes))
    np.testing.assert_array_equal(units, dicom.hounsfield(ct.file())[0])
    assert len(one.remarks) == len(remarks)
    assert all(remark.startswith(start) for remark, start in zip(one.remarks, remarks, strict=True))


def test_the_first_window_of_a_file():
    for centre, width, expected in (([50, 300], [350, 2000], (50, 350)), (40, 0, None), ("", 400, None)):
        assert dicom.header(ct.file(WindowCenter=centre, WindowWidth=width)).window == expected


def test_a_file_without_its_first_128_bytes_is_read_where_it_is_asked_for():
    content = ct.file()
    assert all(map(dicom.is_dicom, (content, content[132:], content[content.index(b"\x08\0\x08\0") :])))
    assert not any(map(dicom.is_dicom, (content[100:], b"\2\0file", b"")))
    assert dicom.header(content[132:]) == dicom.header(content)
    assert refused(b"\0" * 128 + b"DICM" + b"junk" * 99).endswith("fetch it again or remove it")
    assert refused(b"").endswith("fetch it again or remove it")


def test_a_picture_of_one_slice():
    picture = dicom.picture(ct.file(WindowCenter=0, WindowWidth=3), "a")
    assert (picture.mode, np.unique(np.asarray(picture)).tolist()) == ("L", [0, 255])
    wide = np.asarray(dicom.picture(ct.file(), "a", [-500, 2001]))
    assert wide.ravel()[[0, 1]].tolist() == [61, 65]  # (-1024 + 500.5) / 2000 * 255 + 127.5 = 60.75; and 64.58


def test_what_fails_is_one_line_and_nothing_else_is_said(capfd):
    content = bytearray(ct.shipped("693_J2KI.dcm"))
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    with pytest.raises(InputError) as caught:
        dicom.picture(bytes(content), "a")
    assert str(caught.value).startswith("a: ")
    assert capfd.readouterr() == ("", "")
