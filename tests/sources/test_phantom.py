"""The phantom: what is known of its patients and lesions by construction."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from kidneyct.images import archive, decoding
from kidneyct.sources import phantom

SLICES = 3


@pytest.fixture(scope="module")
def patients():
    """Two patients a class, three slices each."""
    return {
        (label, number): list(phantom.patient(label, number, SLICES, seed=0))
        for label in phantom.CLASSES
        for number in (1, 2)
    }


def of(patients, label):
    return [one for (other, _), series in patients.items() if other == label for one in series]


def to_hu(grey):
    """Back from the soft-tissue window of 45 ± 190 HU."""
    return grey / 255 * 380 + 45 - 190


def test_slices_are_what_a_scanner_exports_with_a_lesion_or_none(patients):
    for (label, _), series in patients.items():
        for one in series:
            assert (one.image.shape, one.image.dtype) == ((512, 512), np.uint8)
            assert (one.mask.shape, one.mask.dtype) == ((512, 512), bool)
            assert ndimage.label(one.mask)[1] == (label != "Normal")
            assert one.image[:20].max() < 40  # air above the patient, black in the window but for noise
            assert one.image.max() == 255  # bone is beyond the window


def test_the_same_seed_gives_the_same_patient_whatever_the_others(patients):
    again = list(phantom.patient("Cyst", 2, SLICES, seed=0))
    for one, other in zip(again, patients["Cyst", 2], strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.mask, other.mask)
    longer = next(phantom.patient("Normal", 1, 9, seed=0))  # without a lesion nothing follows from the series' length
    np.testing.assert_array_equal(longer.image, patients["Normal", 1][0].image)
    other_seed = next(phantom.patient("Cyst", 2, SLICES, seed=1))
    assert (other_seed.image != again[0].image).mean() > 0.1


def correlation(one, other):
    thumbnails = [decoding.thumbnail(Image.fromarray(each.image).convert("RGB")).ravel() for each in (one, other)]
    return np.corrcoef(*thumbnails)[0, 1]


def test_neighbours_are_near_duplicates_and_patients_are_not(patients):
    """As in the real data: thumbnails of neighbouring slices correlate at 0.999 in the median."""
    neighbours = [correlation(series[i], series[i + 1]) for series in patients.values() for i in range(SLICES - 1)]
    assert np.median(neighbours) > 0.998
    assert min(neighbours) > 0.99
    first = [series[0] for series in patients.values()]
    strangers = [correlation(one, other) for number, one in enumerate(first) for other in first[:number]]
    assert max(strangers) < 0.98


def test_a_cyst_is_round_sharp_and_water_dense(patients):
    shares = []  # round where the body's wall does not cut it off: it fills π/4 = 0.785 of its bounding box
    for one in of(patients, "Cyst"):
        hu = to_hu(one.image[ndimage.binary_erosion(one.mask, iterations=3)].astype(float))
        assert -5 < hu.mean() < 20  # water is 0, simple cysts are below 20
        assert hu.std() < 17  # the scanner's noise alone, 9 to 15
        shares.append(np.mean(one.mask[ndimage.find_objects(one.mask.astype(int))[0]]))
    assert np.median(shares) == pytest.approx(np.pi / 4, abs=0.03)


def test_a_stone_is_small_and_dense(patients):
    for one in of(patients, "Stone"):
        assert 3 < 2 * np.sqrt(one.mask.sum() / np.pi) * phantom.PIXEL < 11  # mm
        assert to_hu(one.image[ndimage.binary_erosion(one.mask)].astype(float)).min() > 200


def test_a_tumour_is_larger_heterogeneous_and_denser_than_water(patients):
    areas = {label: np.mean([one.mask.sum() for one in of(patients, label)]) for label in ("Cyst", "Stone", "Tumor")}
    assert areas["Tumor"] > areas["Cyst"] > 10 * areas["Stone"]
    for one in of(patients, "Tumor"):
        inside = ndimage.binary_erosion(one.mask, iterations=6)  # away from the fat around
        smooth = ndimage.gaussian_filter(to_hu(one.image.astype(float)), 3)[inside]
        assert smooth.mean() > 20  # HU; simple cysts are below
        assert smooth.std() > 6  # beyond what noise leaves after smoothing


def test_the_archive_is_laid_out_as_kaggles_with_masks(tmp_path):
    archive.write(tmp_path / "a.zip", phantom.members(["Cyst", "Normal"], 2, 2, seed=3))
    found = archive.images(tmp_path / "a.zip", ["Cyst", "Normal"])
    names = [f"{label}/{label}- ({count}).jpg" for label in ("Cyst", "Normal") for count in (1, 2, 3, 4)]
    assert [entry.image for entry in found] == names
    with zipfile.ZipFile(tmp_path / "a.zip") as container:
        picture = Image.open(io.BytesIO(container.read(found[0].member)))
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (512, 512))
        mask = Image.open(io.BytesIO(container.read("masks/Cyst/Cyst- (3).png")))
        np.testing.assert_array_equal(np.asarray(mask) > 0, next(phantom.patient("Cyst", 2, 2, seed=3)).mask)
        listed = pd.read_csv(container.open("kidneyData.csv"))
        patients = pd.read_csv(container.open("patients.csv"))
    assert listed["Class"].value_counts().to_dict() == {"Cyst": 4, "Normal": 4}
    assert patients["image"].tolist() == names
    assert patients["series"].tolist() == [f"{label}-{n}" for label in ("Cyst", "Normal") for n in (1, 1, 2, 2)]


def test_a_series_as_long_as_is_allowed_shows_its_lesion_to_the_end():
    for label in ("Cyst", "Stone", "Tumor"):
        body = phantom.Body(np.random.default_rng(0))
        lesion = phantom.Lesion(np.random.default_rng(1), label, body, body.start + 99 / 2)
        x, y = phantom.grid()
        for z in (body.start, body.start + 99):
            hu, cavity = phantom.draw_body(body, x, y, z)
            assert lesion.draw(hu, cavity, x, y, z).any()


def test_patches_give_what_the_whole_picture_would(patients, monkeypatch):
    monkeypatch.setattr(phantom, "nearby", lambda x, y, centre, reach: (slice(None), slice(None)))
    for own, whole in zip(patients["Tumor", 1], phantom.patient("Tumor", 1, SLICES, seed=0), strict=True):
        assert np.array_equal(own.hounsfield, whole.hounsfield)
        assert np.array_equal(own.mask, whole.mask)
