"""A user's folder or zip of DICOM files: which class, which patient, which order, and that nobody is named."""

import hashlib
import io
import zipfile

import ct
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kidneyct.files import arrays, index
from kidneyct.images import archive, container, decoding, masks, window
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import labels, phantom, user_images

CLASSES = ["Cyst", "Stone"]
STONE = {"Stone/z": ct.file(ct.RAMP + 900, PatientID="P9", StudyInstanceUID="9", SeriesInstanceUID="9.1")}
NONE = "none"


def taken(source, table=NONE, classes=CLASSES):
    """The archive's images, name -> grey values, and its other members, name -> bytes."""
    members = dict(user_images.members(str(source), classes, str(table)))
    start = f"{archive.ROOT}/"
    pictures = {name.removeprefix(start): content for name, content in members.items() if name.startswith(start)}
    return pictures, {name: content for name, content in members.items() if not name.startswith(start)}


def values(content):
    return np.asarray(Image.open(io.BytesIO(content))).astype(int) - 32768


def refused(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


def slices(patient, heights, study="1", start=0, **changes):
    """Files of a series, each of other pixels, by name."""
    return {
        f"IM{n}": ct.file(
            ct.RAMP + start + n,
            PatientID=patient,
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.1",
            ImagePositionPatient=[0, 0, height],
            **changes,
        )
        for n, height in enumerate(heights)
    }


def below(folder, files):
    return {f"{folder}/{name}": content for name, content in files.items()}


def test_slices_lie_in_order_under_pseudonyms(tmp_path, capsys):
    """Patient P1's slices 0, 1, 2 lie at 30, 10 and 20 mm; the file called as a picture's preview is none."""
    files = below("scans/Cyst/somebody/series", slices("P1", (30, 10, 20))) | below("scans", STONE)
    files |= {"scans/DICOMDIR": b"x", "scans/Cyst/notes.txt": b"x", "scans/patients.csv": b"P1"}
    source = tmp_path / "in.zip"
    with zipfile.ZipFile(source, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    pictures, others = taken(source)
    table = pd.read_csv(io.BytesIO(others.pop("patients.csv")))
    assert others == {}
    assert list(table.columns) == ["image", "series"]
    assert table["image"].tolist() == sorted(pictures)
    patient, stone = table["series"][[0, 3]]
    assert {patient, stone} == {"patient-0001", "patient-0002"}
    assert table["image"].tolist() == [*(f"Cyst/{patient}-000{n}.png" for n in (1, 2, 3)), f"Stone/{stone}-0001.png"]
    for number, original in ((1, 1), (2, 2), (3, 0)):
        expected = ct.RAMP + original - 1024
        np.testing.assert_array_equal(values(pictures[f"Cyst/{patient}-000{number}.png"]), expected)
    told = capsys.readouterr().out
    assert f"{source}: 4 CT slices of 2 patients, by PatientID\n" in told
    assert f"{source}: 2 left out, no DICOM file: scans/Cyst/notes.txt, scans/patients.csv\n" in told


def test_pseudonyms_depend_on_pixels_alone(tmp_path):
    one = taken(ct.put(tmp_path / "a", below("Cyst", slices("P1", (0, 1))) | STONE))
    renamed = {"Cyst/1": "P-7", "Cyst/0": "P-7", "Stone/a": "A"}
    again = {
        name: ct.file(
            pixels, PatientID=renamed[name], StudyInstanceUID=f"5.{len(name)}", ImagePositionPatient=[0, 0, z]
        )
        for name, pixels, z in (("Cyst/1", ct.RAMP, 0), ("Cyst/0", ct.RAMP + 1, 1), ("Stone/a", ct.RAMP + 900, 0))
    }
    assert taken(ct.put(tmp_path / "b", again)) == one


def test_without_heights_the_instance_number_orders(tmp_path):
    files = {f"Cyst/{n}": ct.file(ct.RAMP + n, InstanceNumber=10 - n, ImagePositionPatient=None) for n in range(3)}
    pictures, _ = taken(ct.put(tmp_path, files | STONE))
    found = [values(content)[0, 0] for image, content in sorted(pictures.items()) if image.startswith("Cyst")]
    assert found == [-1022, -1023, -1024]


def test_a_patient_of_two_series_and_two_classes_keeps_one_pseudonym(tmp_path):
    files = below("Cyst", slices("P1", (0, 1))) | below("Stone", slices("P1", (5,), study="2", start=100))
    _, others = taken(ct.put(tmp_path, files))
    table = pd.read_csv(io.BytesIO(others["patients.csv"]))
    assert table["series"].unique().tolist() == ["patient-0001"]
    assert sorted(name[-8:-4] for name in table["image"]) == ["0001", "0002", "0003"]


def test_where_there_is_no_patient_the_study_takes_its_place(tmp_path, capsys):
    files = below("Cyst/a", slices("", (0, 1), study="7")) | below("Cyst/b", slices("", (0,), study="8", start=50))
    files |= below("Stone/c", slices("", (0,), study="9", start=90)) | below("Stone/d", slices("P3", (3,), study="9"))
    _, others = taken(ct.put(tmp_path, files))
    table = pd.read_csv(io.BytesIO(others["patients.csv"]))
    assert table["series"].value_counts().tolist() == [2, 2, 1]  # study 9 is P3's, as another of its files says
    assert "4 without PatientID, so by StudyInstanceUID, or else SeriesInstanceUID: Cyst/a/" in capsys.readouterr().out
    nobody = ct.file(PatientID="", StudyInstanceUID="", SeriesInstanceUID="")
    assert "x: expected a PatientID, StudyInstanceUID or SeriesInstanceUID, found none; without one" in refused(
        taken, ct.put(tmp_path, {"Cyst/x": nobody})
    )


def test_damaged_files_stop_it_and_each_has_a_line(tmp_path):
    files = {"Cyst/a": ct.file(), "Cyst/b": ct.file(RescaleSlope=None), "Cyst/c.dcm": b"text"} | STONE
    assert refused(taken, ct.put(tmp_path / "in", files)).splitlines() == [
        f"{tmp_path}/in: 2 of 4 files can't be used; mend them, or take them away:",
        "  Cyst/b: no RescaleSlope and RescaleIntercept, so no Hounsfield units; convert it first",
        "  Cyst/c.dcm: not readable as DICOM (neither SOPClassUID nor Modality), perhaps cut short; fetch it again or "
        "remove it",
    ]
    cut = {f"Cyst/{n}": ct.file(ct.RAMP + n)[:-60] for n in range(30)} | STONE
    _, *lines, last = refused(taken, ct.put(tmp_path / "cut", cut)).splitlines()
    assert (len(lines), last) == (20, "  and 10 more such files")
    assert all("128" in line and "68" in line for line in lines)


def test_a_stray_dicom_file_among_pictures_is_left_out(tmp_path):
    beside = ct.put(tmp_path, {"a": ct.file(), "Cyst/b.png": b"x", "Stone/c.jpg": b"y"})
    assert taken(beside)[0] == {"Cyst/b.png": b"x", "Stone/c.jpg": b"y"}


TABLES = {
    "file": "file,label\nx/IM0,Cyst\nx/IM1,Stone\n",
    "series": "series,label\n1.1,Cyst\n2.1,Stone\n",
    "patient": "patient,label\nP1,Cyst\nP2,Stone\n",
}


@pytest.mark.parametrize("key", TABLES)
def test_labels_from_a_table(tmp_path, key):
    first, second = slices("P1", (0,)), slices("P2", (0,), study="2", start=7)
    source, table = ct.put(tmp_path / "in", {"x/IM0": first["IM0"], "x/IM1": second["IM0"]}), tmp_path / "labels.csv"
    table.write_text(TABLES[key])
    greys = {name.split("/")[0]: values(content)[0, 0] + 1024 for name, content in taken(source, table)[0].items()}
    assert greys == {"Cyst": 0, "Stone": 7}
    table.write_text("".join(TABLES[key].splitlines(keepends=True)[:2]))
    line = f"expected a line for the {key} of each file, found none for x/IM1; add them, save leading zeros as text"
    assert line in refused(taken, source, table)
    (source / "x/IM1").write_bytes(ct.shipped("MR_small.dcm"))
    assert refused(taken, source, table) == f"{source}: expected CT slices of each class, found none of Stone"
    table.write_text(TABLES[key])
    assert f"expected each {key} to be in data.source, found none for line 3" in refused(taken, source, table)


def test_labels_of_pictures(tmp_path):
    """However a name's accents are written."""
    source = ct.put(tmp_path / "in", {"x/\xe9.png": b"1", "y/b.jpg": b"2", "masks/Cyst/a.png": b"3"})
    (tmp_path / "labels.csv").write_text("file,label\nx/e\u0301.png,Ni\xe8r\ny/b.jpg,Stone\n")
    assert taken(source, tmp_path / "labels.csv", ["Nie\u0300r", "Stone"]) == (
        {"Nie\u0300r/\xe9.png": b"1", "Stone/b.jpg": b"2"},
        {"masks/Cyst/a.png": b"3"},
    )
    (tmp_path / "labels.csv").write_text("patient,label\nP1,Cyst\n")
    for path, line in (
        ("labels.csv", "expected a column file, as only DICOM files know their patient"),
        ("", "a CSV file"),
    ):
        assert line in refused(taken, source, tmp_path / path)


@pytest.mark.parametrize(
    ("patients", "line"),
    [
        (["ANONYMOUS"] * 4, "4 of one PatientID in several studies and all classes; if it is not one patient's, set"),
        (["P1", "p1", "07", "7"], "4 whose PatientID differs from another's in capitals or leading zeros alone, taken"),
    ],
)
def test_what_a_patients_name_may_hide_is_told(tmp_path, capsys, patients, line):
    files = [ct.file(ct.RAMP + n, PatientID=name, StudyInstanceUID=f"1.{n}") for n, name in enumerate(patients)]
    taken(ct.put(tmp_path, dict(zip(("Cyst/a", "Cyst/b", "Stone/c", "Stone/d"), files, strict=True))))
    assert f"{tmp_path}: {line}" in capsys.readouterr().out


def test_what_is_left_out_or_worth_knowing_of_slices_is_told(tmp_path, capsys):
    seen = {"WindowCenter": 40, "WindowWidth": 400}
    files = {
        "Cyst/a": ct.file(ImageOrientationPatient=[-1, 0, 0, 0, -1, 0], **seen),
        "Cyst/b": ct.file(ct.RAMP + 1, PhotometricInterpretation="MONOCHROME1", **seen),
        "Cyst/c": ct.file(RescaleSlope=100),
        "Cyst/scout": ct.file(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        "Cyst/mr": ct.shipped("MR_small.dcm"),
        "preview.png": b"x",
        "out": ct.file(),
    }
    pictures, _ = taken(ct.put(tmp_path, files | STONE))
    assert len(pictures) == 4
    assert [line.removeprefix(f"{tmp_path}: ") for line in capsys.readouterr().out.splitlines()] == [
        "1 left out, a localizer (ImageType): Cyst/scout",
        "1 left out, a picture among DICOM files: preview.png",
        "1 left out, no CT image but MR Image Storage: Cyst/mr",
        "1 left out, outside the class folders: out",
        "4 CT slices of 2 patients, by PatientID",
        "1 of MONOCHROME1, whose Hounsfield units are taken as they are, not inverted: Cyst/b",
        "1 stored turned or mirrored (ImageOrientationPatient), taken as stored: Cyst/a",
        "2 without a window; preprocess.window: file takes 40, 400: Cyst/c, Stone/z",
        "1 clipped to -32768 to 32767 Hounsfield units: Cyst/c",
    ]


def test_nobody_is_named_in_what_download_and_preprocess_write(tmp_path):
    """Nor by file names, folders, tables or masks, nor as a digest; the whole pipeline has a test with more tags."""
    mask, note, said = io.BytesIO(), PngInfo(), {"PatientName": "SECRET", "StudyDate": "19770707"}
    note.add_text("Title", "SECRET mask")
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(mask, "PNG", pnginfo=note)
    scans = [ct.file(ct.RAMP + n, PatientID=f"SECRETID{n}", StudyInstanceUID=f"1.2.77.{n}", **said) for n in (0, 1)]
    files = {
        "SECRET/Cyst/SECRET0/SECRETfile0.dcm": b"SECRET START" + scans[0][12:],
        "SECRET/Stone/SECRET1/SECRETfile1.dcm": scans[1],
        "SECRET/masks/Cyst/SECRET0/SECRETfile0.png": mask.getvalue(),
        "SECRET/patients.csv": b"image,series\nSECRET,SECRETID0\n",
        "SECRET/kidneyData.csv": b"SECRET",
        "SECRET/report.dcm": ct.shipped("test-SR.dcm"),
    }
    ct.put(tmp_path / "in", files)
    out = tmp_path / "out"
    out.mkdir()
    archive.write(out / "archive.zip", user_images.members(str(tmp_path / "in"), CLASSES))
    entries = archive.images(out / "archive.zip", CLASSES)
    decoding.preprocess(out / "archive.zip", entries, 32, 0, out)
    assert masks.check(out / "archive.zip", entries) == 1
    contents = {path.name: path.read_bytes() for path in out.iterdir()}
    with zipfile.ZipFile(out / "archive.zip") as opened:
        contents |= {name: opened.read(name) for name in opened.namelist()}
    assert len(contents) == 5 + 4
    digests = [made(f"SECRETID{n}".encode()).hexdigest()[:12] for n in (0, 1) for made in (hashlib.md5, hashlib.sha256)]
    for name, content in contents.items():
        if name.endswith(".png"):
            assert set(Image.open(io.BytesIO(content)).info) <= {"HounsfieldOffset", "WindowCentre", "WindowWidth"}
        for word in ("SECRET", "1977", "1.2.77", "PYDICOM", *digests):
            assert word.lower().encode() not in content.lower(), (name, word)
            assert word.lower() not in name.lower()


def test_the_phantom_is_the_same_through_dicom(tmp_path):
    """Its Hounsfield units exactly; its greys but for what rounding to these, the formula, and JPEG's loss change."""
    assert phantom.write_scans(tmp_path / "scans", phantom.CLASSES, 1, 2, seed=3) == 8
    archive.write(tmp_path / "a.zip", user_images.members(str(tmp_path / "scans"), phantom.CLASSES))
    entries = archive.images(tmp_path / "a.zip", phantom.CLASSES)
    decoding.preprocess(tmp_path / "a.zip", entries, 512, 0, tmp_path)
    table, tensors = index.read(tmp_path / "index.csv"), arrays.images(tmp_path / "images.npy")
    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        patients = pd.read_csv(opened.open("patients.csv"))
    assert patients["image"].tolist() == table["image"].tolist()
    assert sorted(patients["series"].value_counts()) == [2, 2, 2, 2]
    drawn = masks.read(tmp_path / "a.zip", table["image"])
    for label in phantom.CLASSES:
        rows = np.flatnonzero(table["label"] == label)
        for row, one in zip(rows, phantom.patient(label, 1, 2, seed=3), strict=True):
            expected = window.linear(one.hounsfield, phantom.WINDOW_CENTRE, phantom.WINDOW_WIDTH)
            np.testing.assert_array_equal(tensors[row], np.repeat(expected[..., None], 3, axis=2))
            np.testing.assert_array_equal(drawn[row], one.mask)
            assert np.abs(tensors[row][..., 0].astype(int) - one.image).max() <= 1
            with Image.open(io.BytesIO(phantom.files(one)[0])) as jpeg:
                loss = np.abs(np.asarray(jpeg).astype(int) - tensors[row])
            assert loss.mean() < 2


THREE = ["Cyst", "Normal", "Stone"]


def external(source):
    return list(user_images.members(str(source), THREE, key="data.external", some=True))


def test_a_class_may_be_missing(tmp_path):
    source = ct.put(tmp_path / "theirs", {"deep/Stone/b.png": b"1", "deep/Cyst/a.jpg": b"2", "masks/Cyst/a.png": b"3"})
    archive.write(tmp_path / "a.zip", external(source))
    found = archive.images(tmp_path / "a.zip", THREE, some=True)
    assert [entry.image for entry in found] == ["Cyst/a.jpg", "Stone/b.png"]
    with container.opened(tmp_path / "a.zip") as opened:
        assert opened.read(found[1].member) == b"1"


def test_an_unknown_folder_may_be_what_is_missing(tmp_path):
    ct.put(tmp_path / "pictures", dict.fromkeys(("Cyst/a.jpg", "normal/b.jpg", "Normal/x.txt"), b""))
    ct.put(tmp_path / "scans", {"Cyst/a": ct.file(), "normal/b": ct.file(ct.RAMP + 1)})
    for source in ("pictures", "scans"):
        assert refused(external, tmp_path / source) == (
            f"{tmp_path / source}: expected folders with the names of data.classes, found normal and none of Normal, "
            "Stone; rename each to the class that it holds, or take it out"
        )
    (tmp_path / "scans/normal/b").unlink()
    members = [name for name, _ in external(tmp_path / "scans")]
    assert [name.split("/")[-2:] for name in members[:-1]] == [["Cyst", "patient-0001-0001.png"]]


SOME = "expected some of the folders Cyst, Normal, Stone with images (.jfif, .jpeg, .jpg, .png) directly in them"


@pytest.mark.parametrize(
    ("read", "files", "line"),
    [
        (taken, {"Cyst/a": ct.file(), "Other/b": ct.file()}, "expected folders Cyst, Stone with DICOM files side by"),
        (taken, {"Cyst/a": ct.shipped("MR_small.dcm")}, "CT slices, found none in 1 files; change data.source"),
        (taken, {"Cyst/a": ct.file(), "Cyst/b.png": b"", "Stone/c.jpg": b""}, "found both in the class folders"),
        (external, {"Other/a.jpg": b""}, SOME),
        (external, {"Other/a.jpg": b""}, "Cyst, Normal, Stone missing or empty; change data.classes or data.external"),
        (external, dict.fromkeys(("a/Cyst/b.jpg", "c/Stone/d.jpg"), b""), "them in a, c; give the path of one as data"),
        (external, {}, "data.external: expected none or the path of a folder or zip, found nothing at "),
    ],
)
def test_class_folders_that_are_not_there(tmp_path, read, files, line):
    assert line in refused(read, ct.put(tmp_path / "in", files))


def table(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode())
    return labels.read(str(path), CLASSES)


def test_a_table_as_spreadsheets_write_it(tmp_path):
    found = table(tmp_path, '\ufeffpatient,note,label\r\n" P,1 ",x,Cyst\r\n\r\n007,,Stone\r\n')
    assert (found.key, found.lines) == ("patient", {"P,1": ("Cyst", 2), "007": ("Stone", 4)})
    assert labels.of_files(found, {"a": "P,1", "b": "007", "c": "P,1"}) == {"a": "Cyst", "b": "Stone", "c": "Cyst"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "expected a column label and one of file, series, patient, found columns none; rename or remove"),
        ("file,series,label\n", "found columns file, series, label;"),
        ("file,label\nP1,Tumor\n", "line 2 has the class Tumor, not one of Cyst, Stone; mend the table"),
        ("file,label\nP1,Cyst\nP1,Stone\n", "line 3 names the file of line 2 again; mend the table"),
        ("file,label\n ,Cyst\n", "line 2 names no file; mend"),
        ('file,label\n"P1,Cyst\n', "not a CSV file in UTF-8 (unexpected end of data); save it again"),
    ],
)
def test_a_mistake_in_a_table_is_one_line_with_its_number(tmp_path, text, line):
    found_line = refused(table, tmp_path, text)
    assert found_line.startswith(f"data.labels: {tmp_path}/labels.csv: ")
    assert line in found_line
    assert "P1" not in found_line
