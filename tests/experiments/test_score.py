"""Predictions of others on the published series: what is refused, and what is measured."""

import numpy as np
import pandas as pd
import pytest

from kidneyct.experiments import score
from kidneyct.pipeline.errors import InputError

CLASSES = ["Cyst", "Normal"]
PUBLISHED = pd.DataFrame(
    [(f"Cyst/{n}.jpg", "Cyst", f"cyst-{n // 2}", "open") for n in range(6)]
    + [(f"Normal/{n}.jpg", "Normal", f"normal-{n // 2}", "open") for n in range(4)]
    + [("Normal/9.jpg", "Normal", "normal-9", "locked")],
    columns=["image", "class", "series", "use"],
)
OPEN = PUBLISHED[PUBLISHED["use"] == "open"]


def written(path, **columns):
    pd.DataFrame({"image": OPEN["image"]} | columns).to_csv(path, index=False)
    return path


def test_measures_by_hand(tmp_path):
    cyst = np.array([0.9, 0.2, 0.6, 0.7, 0.3, 0.1, 0.4, 0.1, 0.3, 0.9])
    path = written(tmp_path / "p.csv", Cyst=cyst, Normal=1 - cyst)
    found = score.score(*score.read(path, PUBLISHED, CLASSES), CLASSES)
    # Slices right: 0, 2, 3 of the cysts, 6, 7, 8 of the normal ones.
    assert found["slices"]["accuracy"]["value"] == 0.6
    assert found["slices"]["recall of Cyst"]["value"] == 0.5
    # Series: cysts 0.55, 0.65, 0.2, normal ones 0.25, 0.6: two and one are right.
    of_series = {name: estimate["value"] for name, estimate in found["of_series"].items()}
    assert of_series["accuracy"] == 0.6
    assert of_series["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-6)
    # Pairs cyst, normal: 0.55 beats 0.25; 0.65 beats both; 0.2 none: 3 of 6.
    assert of_series["macro_auroc"] == pytest.approx(0.5, abs=1e-6)
    assert (found["images"], found["series"]) == (10, 5)


def test_classes_alone_of_some_images_of_every_series_have_no_auroc(tmp_path):
    path = tmp_path / "p.csv"
    OPEN.iloc[::2][["image"]].assign(predicted=OPEN["class"]).to_csv(path, index=False)
    found = score.score(*score.read(path, PUBLISHED, CLASSES), CLASSES)
    assert (found["images"], found["slices"]["accuracy"]["value"]) == (5, 1)
    assert set(found["of_series"]) == {"accuracy", "balanced_accuracy"}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda t: t.drop(columns="Normal"), "expected a column image and a column for each of Cyst, Normal, or predi"),
        (lambda t: t.assign(image=t["image"].str.lower()), "10 images that benchmark/series.csv does not have: cyst/"),
        (lambda t: pd.concat([t, t[:1]]), "1 images twice or more: Cyst/0.jpg"),
        (lambda t: t[:5], "2 open series without an image: normal-0, normal-1"),
        (lambda t: pd.concat([t, t[:1].assign(image="Normal/9.jpg")]), "1 images of other than the open series: Norm"),
        (lambda t: t.assign(Cyst=0.7), "10 images whose probabilities do not sum to 1: "),
        (lambda t: t.assign(Cyst=[np.nan] + [0.5] * 9), "1 images with a probability that is no number from 0 to 1: "),
        (lambda t: t.assign(Cyst=1.5, Normal=-0.5), "10 images with a probability that is no number from 0 to 1: "),
        (lambda t: t[["image"]].assign(predicted="cyst"), "10 images predicted as none of Cyst, Normal: Cyst/0.jpg,"),
    ],
)
def test_a_fault_is_one_line(tmp_path, change, line):
    path = written(tmp_path / "p.csv", Cyst=np.full(10, 0.5), Normal=np.full(10, 0.5))
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(InputError) as caught:
        score.read(path, PUBLISHED, CLASSES)
    assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1 + ("does not have" in line)


def test_the_final_test_wants_the_locked_series_alone_and_reads_this_projects_own_columns(tmp_path):
    path = tmp_path / "p.csv"
    own = pd.DataFrame({"image": ["Normal/9.jpg"], "probability of Cyst": [0.1], "probability of Normal": [0.9]})
    own.to_csv(path, index=False)
    codes, series, probabilities, scored = score.read(path, PUBLISHED, CLASSES, use="locked")
    assert (codes.tolist(), series.tolist(), probabilities.tolist(), scored) == ([1], ["normal-9"], [[0.1, 0.9]], True)
    pd.concat([own, own.assign(image="Cyst/0.jpg")]).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"1 images of other than the locked series: Cyst/0\.jpg"):
        score.read(path, PUBLISHED, CLASSES, use="locked")
