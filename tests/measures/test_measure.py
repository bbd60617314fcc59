"""All measures of a network's maps, and what they are summed up to."""

import keras
import numpy as np
import pandas as pd
import pytest

from kidneyct.backbone import vgg
from kidneyct.classifier import classifier
from kidneyct.files import checkpoint
from kidneyct.maps import explainer
from kidneyct.maps.methods import METHODS
from kidneyct.measures import evaluation, faithfulness


def test_localisation_against_size_by_hand():
    """Four lesions of 1 to 4 of 100 pixels; the maps have 0.1, 0.2, 0.3 and 0.4 of their energy on them."""
    masks, relevance = np.zeros((5, 10, 10), bool), np.zeros((5, 10, 10))
    for number in range(4):
        size = number + 1
        masks[number, 0, :size] = True
        relevance[number, 0, :size] = 0.1
        relevance[number, 9, 9] = 1 - 0.1 * size
    found = evaluation.localized({"map": relevance}, masks)["map"]
    assert found["images"] == 4  # the fifth has no lesion
    assert found["energy"]["value"] == 0.25
    assert found["energy"]["chance"] == 0.025
    assert found["ratio"] == 10
    assert found["pointing"]["value"] == 0
    assert found["smaller_lesions"]["energy"]["value"] == 0.15
    assert found["larger_lesions"]["energy"]["value"] == 0.35
    assert evaluation.localized({"map": relevance}, np.zeros((5, 10, 10), bool)) == {}


def maps_of(network, batch_size=8):
    return explainer.explainer(network, batch_size=batch_size)


def test_maps_of_a_network_depend_on_its_weights(small, pictures):
    table, found = evaluation.randomized(small, maps_of(small), pictures, np.array([0, 1, 0, 1]), seed=0)
    assert table[table["step"] == "trained"]["correlation"].tolist() == pytest.approx([1] * 4 * 5)
    for method in METHODS:
        assert list(found[method]) == ["images", "steps", "chance", "uninformative"]
        assert list(found[method]["steps"]) == ["scores", "dense", "block5", "block1"]
        assert found[method]["images"] == 4
        assert abs(found[method]["chance"]) < 0.2
        last = table[(table["method"] == method) & (table["step"] == "block1")]["correlation"]
        assert found[method]["steps"]["block1"]["value"] == pytest.approx(last.mean(), abs=1e-4)
        # t(0.975, 3) = 3.1824
        assert found[method]["steps"]["block1"]["high"] == pytest.approx(
            last.mean() + 3.1824 * last.std() / 2, abs=2e-4
        )
    assert abs(found["saliency"]["steps"]["block1"]["value"]) < 0.2
    assert not found["saliency"]["uninformative"]


def test_summary_by_hand():
    # Mean 2, standard deviation 1, t(0.975, 2) = 4.3027: 2 ± 4.3027 / √3.
    found = evaluation.summary([1, 2, 3], [0.5, 0.5, 0.8])
    assert {key: found[key] for key in ("value", "low", "high", "chance")} == {
        "value": 2,
        "low": -0.4841,
        "high": 4.4841,
        "chance": 0.6,
    }
    # Gains 0.5, 1.5 and 2.2: mean 1.4, variance (0.81 + 0.01 + 0.64) / 2 = 0.73.
    assert found["gain"] == 1.4
    assert [found["gain_low"], found["gain_high"]] == pytest.approx(
        [1.4 - 4.3027 * np.sqrt(0.73 / 3), 1.4 + 4.3027 * np.sqrt(0.73 / 3)], abs=1e-4
    )
    assert evaluation.summary([1], [0.5]) == {"value": 1, "chance": 0.5, "gain": 0.5}


def test_no_hit_among_few_is_no_certainty():
    # Wilson's bounds for 0 of 4: 0 and z² / (n + z²) = 3.8415 / 7.8415.
    expected = {"value": 0, "low": 0, "high": 0.4899, "chance": 0.01, "gain": -0.01}
    assert evaluation.proportion([0, 0, 0, 0], [0.01, 0.02, 0.005, 0.005]) == expected
    assert evaluation.proportion([1], [0.25]) == {"value": 1, "chance": 0.25, "gain": 0.75}


def sigmoid(score):
    return 1 / (1 + np.exp(-score))


def test_a_network_that_looks_at_one_quadrant():
    """Class 0's score is the brightness of the upper left quarter, 8 where it is 200, less 4; class 1's is 0."""
    convolution = keras.layers.Conv2D(1, 1, activation="relu", name=vgg.LAST_CONVOLUTION)  # the channels' mean
    scores = keras.layers.Dense(2, name=classifier.SCORES)
    layers = [convolution, keras.layers.Flatten(), scores, keras.layers.Softmax()]
    network = vgg.chain((32, 32, 3), layers, "quadrant")
    convolution.set_weights([np.full((1, 1, 3, 1), 1 / 3), np.zeros(1)])
    kernel = np.zeros((32, 32, 2))
    kernel[:16, :16, 0] = 8 / 256 / 200
    scores.set_weights([kernel.reshape(-1, 2), np.array([-4, 0])])
    images = np.full((2, 32, 32, 3), 200, np.uint8)
    masks = np.zeros((2, 64, 64), bool)
    masks[:, :32, :32] = True
    results, table = evaluation.evaluate_maps(network, maps_of(network), images, np.array([0, 0]), masks, seed=0)
    for method in ("saliency", "smoothgrad", "integrated_gradients"):
        found = results["maps"][method]
        energy = evaluation.summary([1, 1], [0.25, 0.25])
        assert found["localisation"]["energy"] == energy | {"verdict": "better"}
        assert found["localisation"]["ratio"] == 4
        assert found["localisation"]["pointing"]["value"] == 1
        # A quarter of the pixels share everything: 1 - 1/4; log(N/4) / log N with N = 1024.
        assert found["focus"]["gini"]["value"] == 0.75
        assert found["focus"]["entropy"]["value"] == pytest.approx(0.8)
        assert found["focus"]["body"] == evaluation.summary([1, 1], [1, 1])
        # Deleted: all, 102 of 256 seen pixels gone, none left from 0.3 on.
        curve = sigmoid(np.array([4, 8 * (1 - 102 / 256) - 4, -4, -4, -4]))
        assert found["deletion"]["value"] == pytest.approx(np.trapezoid(curve, (0, *faithfulness.SHARES, 1)), abs=1e-3)
        assert found["deletion"]["value"] < found["deletion"]["chance"]
        # Blurring a uniform picture changes nothing, nor does imputation.
        assert found["insertion"]["value"] == pytest.approx(sigmoid(4), abs=1e-4)
        assert abs(found["road"]["value"]) < 1e-3
        assert found["road"]["chance"] == 0
    # Grad-CAM's channel weight is one number for the whole map: it can't tell the quadrant.
    assert results["maps"]["gradcam"]["localisation"]["energy"]["value"] == 0.25
    assert results["images"] == 2
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["method", "step", "image", "correlation", "chance"]


def leaves(tree):
    return [leaf for value in tree.values() for leaf in (leaves(value) if isinstance(value, dict) else [value])]


def test_results_are_plain_and_an_interruption_changes_none(small, pictures, tmp_path, capsys):
    given = (small, maps_of(small, 2), pictures, np.array([0, 1, 0, 1]), None, 0, 2)
    results, table = evaluation.evaluate_maps(*given)
    assert "localisation" not in results["maps"]["saliency"]
    assert {type(leaf) for leaf in leaves(results)} == {float, int, bool, str}
    assert np.isfinite([leaf for leaf in leaves(results) if not isinstance(leaf, str)]).all()

    def interrupted(after):
        work, calls = checkpoint.Checkpoint(tmp_path, "maps"), []

        def kept(name, compute):
            calls.append(name)
            if len(calls) > after:
                raise KeyboardInterrupt
            return work.kept(name, compute)

        return kept

    for after in (1, 8):  # two batches of maps, four images, five steps of the randomisation
        with pytest.raises(KeyboardInterrupt):
            evaluation.evaluate_maps(*given, interrupted(after))
    again, its_table = evaluation.evaluate_maps(*given, checkpoint.Checkpoint(tmp_path, "maps").kept)
    assert again == results
    assert its_table.equals(table)
    lines = ["maps of images from 3 of 4", "randomisation after 2 blocks"]
    assert capsys.readouterr().out.splitlines() == [f"maps: goes on at {line}" for line in lines]


GAIN = {"value": 0.5, "gain": 0.2, "gain_low": 0.1, "gain_high": 0.3}
LOSS = {"value": 0.5, "gain": -0.4, "gain_low": -0.5, "gain_high": -0.3}


@pytest.mark.parametrize(
    ("name", "cell", "verdict"),
    [
        ("insertion", GAIN, "better"),
        ("deletion", GAIN, "worse"),  # lower would be better
        ("energy", LOSS, "worse"),
        ("road", GAIN | {"gain_low": -0.1}, "level"),
        ("gini", GAIN, None),  # neither direction is the good one
        ("road", {"value": 0.5, "gain": 0.2}, None),  # a single image
    ],
)
def test_a_measure_is_judged_by_the_interval_of_its_gain(name, cell, verdict):
    assert evaluation.judged(name, cell).get("verdict") == verdict
