"""Focus, localisation, randomisation and their summary, on maps and networks whose right answer is known."""

import keras
import numpy as np
import pandas as pd
import pytest

from kidneyct.maps import explainer
from kidneyct.measures import faithfulness, focus, localization, measure, randomization
from kidneyct.network import devices, vgg

# Focus.


def test_gini_and_entropy_by_hand():
    single = np.array([[0.0, 0.0], [0.0, 7.0]])
    assert (focus.gini(single), focus.entropy(single)) == (0.75, 0)
    uniform = np.full((2, 2), 3.0)
    assert (focus.gini(uniform), focus.entropy(uniform)) == (0, 1)
    # Shares 0, 0, ½, ½: 1 - 2·(½·1.5/4 + ½·0.5/4) = 0.5; log 2 / log 4.
    half = np.array([[2.0, 0.0], [2.0, 0.0]])
    assert (focus.gini(half), focus.entropy(half)) == pytest.approx((0.5, 0.5))


def test_gini_is_half_the_relative_mean_difference():
    values = np.random.default_rng(0).exponential(size=(9, 9))
    pairs = np.abs(values.ravel()[:, None] - values.ravel()).mean()
    assert focus.gini(values) == pytest.approx(pairs / (2 * values.mean()))


def test_a_map_of_zeros_counts_as_uniform():
    zeros, mask = np.zeros((4, 4)), np.zeros((4, 4), bool)
    mask[0] = True
    assert (focus.gini(zeros), focus.entropy(zeros), focus.energy(zeros, mask)) == pytest.approx((0, 1, 0.25))
    assert localization.pointing(zeros, mask) == 0.25


def test_the_body_is_the_largest_bright_part_with_its_gaps_and_without_the_table():
    image = np.zeros((100, 100, 3), np.uint8)
    image[10:60, 10:90] = 120
    image[20:40, 30:60] = 0  # gas inside
    image[10:60, 47:50] = 0  # dark fat from edge to edge
    image[70, :] = 90  # a thin table, nearer than the gaps that are closed
    image[85:95, 10:20] = 200  # something smaller
    expected = np.zeros((100, 100), bool)
    expected[10:60, 10:90] = True
    found = focus.body(image)
    assert not found[~expected].any()
    # The opening takes off corners, and the closing leaves a notch at the mouths of the dark fat.
    rows, columns = np.nonzero(expected & ~found)
    assert set(rows) <= {10, 59}
    assert set(columns) - set(range(46, 51)) == {10, 89}


def test_a_body_that_fills_the_picture_is_all_of_it():
    assert focus.body(np.full((50, 50, 3), 100, np.uint8)).all()


def test_a_black_pictures_body_is_the_whole_picture():
    assert focus.body(np.zeros((8, 8, 3), np.uint8)).all()


# Localisation.


def test_pointing_hits_the_lesion_and_three_percent_around_it():
    mask = np.zeros((100, 100), bool)
    mask[50, 50] = True
    for distance, hit in ((0, 1), (3, 1), (4, 0)):
        relevance = np.zeros((100, 100))
        relevance[50, 50 + distance] = 1
        assert localization.pointing(relevance, mask) == hit
    assert localization.enlarged(mask).sum() == 29  # whole-numbered points within a distance of 3


def test_a_mask_made_smaller_keeps_what_is_half_covered_or_else_the_most_covered():
    mask = np.zeros((8, 8), bool)
    mask[:4, :6] = True  # pixels of 4×4: fully, half
    assert localization.resize(mask, (2, 2)).tolist() == [[True, True], [False, False]]
    mask[:, 5] = False  # a quarter
    assert localization.resize(mask, (2, 2)).tolist() == [[True, False], [False, False]]
    speck = np.zeros((8, 8), bool)
    speck[6, 1] = True
    assert localization.resize(speck, (2, 2)).tolist() == [[False, False], [True, False]]
    assert not localization.resize(np.zeros((8, 8), bool), (2, 2)).any()


def test_localisation_against_size_by_hand():
    """Four lesions of 1 to 4 of 100 pixels; the maps have 0.1, 0.2, 0.3 and 0.4 of their energy on them."""
    masks, relevance = np.zeros((5, 10, 10), bool), np.zeros((5, 10, 10))
    for number in range(4):
        size = number + 1
        masks[number, 0, :size] = True
        relevance[number, 0, :size] = 0.1
        relevance[number, 9, 9] = 1 - 0.1 * size
    found = explanations.localized({"map": relevance}, masks)["map"]
    assert found["images"] == 4  # the fifth has no lesion
    assert found["energy"]["value"] == 0.25
    assert found["energy"]["chance"] == 0.025
    assert found["ratio"] == 10
    assert found["pointing"]["value"] == 0
    assert found["smaller_lesions"]["energy"]["value"] == 0.15
    assert found["larger_lesions"]["energy"]["value"] == 0.35
    assert explanations.localized({"map": relevance}, np.zeros((5, 10, 10), bool)) == {}


# Randomisation.


@pytest.fixture(scope="module")
def small():
    """Two blocks and a head, on pictures of 32×32, with weights as Keras draws them."""
    devices.prepare(seed=0)
    layers = [
        vgg.PixelScaling("unit", name="pixel_scaling"),
        keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="block1_conv1"),
        keras.layers.MaxPooling2D(name="block1_pool"),
        keras.layers.Conv2D(8, 3, padding="same", activation="relu", name=vgg.LAST_CONVOLUTION),
        keras.layers.Flatten(),
        keras.layers.Dense(16, activation="relu", name="dense"),
        keras.layers.Dense(2, name=vgg.SCORES),
        keras.layers.Softmax(),
    ]
    return vgg.chain((32, 32, 3), layers, "small")


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(2).integers(0, 256, (4, 32, 32, 3), np.uint8)


def test_rank_correlation_by_hand():
    one = np.array([[[1.0, 2.0, 3.0, 4.0]]] * 3 + [[[0.0] * 4]])
    others = np.array([[[2.0, 4.0, 6.0, 9.0]], [[1.0, 3.0, 2.0, -4.0]], [[0.0] * 4], [[1.0, 2.0, 3.0, 4.0]]])
    # Same order; two neighbours swapped: 1 - 6·2 / (4·15); the order is lost; there was none.
    expected = [1, 0.8, 0, np.nan]
    assert randomization.correlation(one, others).tolist() == pytest.approx(expected, nan_ok=True)


def test_a_map_without_evidence_neither_survives_nor_falls(small):
    """The mean is over the images with a map; without any, nothing is said."""
    full = np.arange(8.0).reshape(2, 2, 2)
    half = full * [[[1.0]], [[0.0]]]
    table = randomization.cascade(small, lambda: {"half": half, "empty": np.zeros((1, 2, 2))}, seed=0)
    of_half = table[table["method"] == "half"]
    assert of_half[of_half["image"] == 0]["correlation"].tolist() == [1] * 5
    assert of_half[of_half["image"] == 1]["correlation"].isna().all()
    assert table[table["method"] == "empty"]["correlation"].isna().all()
    assert randomization.uninformative(table) == {"half": True, "empty": False}


def test_blocks_from_the_scores_down(small):
    assert list(randomization.blocks(small)) == ["scores", "dense", "block5", "block1"]
    network = vgg.network(vgg.base(32), 4, 2, "unit", seed=0)
    found = randomization.blocks(network)
    assert list(found) == ["scores", "dense", "block5", "block4", "block3", "block2", "block1"]
    assert [len(layers) for layers in found.values()] == [1, 1, 3, 3, 3, 2, 2]


def test_the_cascade_randomises_from_the_top_and_restores(small):
    before = [weight.copy() for weight in small.get_weights()]
    seen = []

    def explain():
        seen.append(
            [layer.get_weights()[0].copy() for layers in randomization.blocks(small).values() for layer in layers]
        )
        return {"constant": np.arange(4.0).reshape(1, 2, 2)}

    table = randomization.cascade(small, explain, seed=0)
    changed = [[not np.array_equal(*pair) for pair in zip(seen[0], now, strict=True)] for now in seen]
    assert changed == [[place < step for place in range(4)] for step in range(5)]
    assert all(np.array_equal(*pair) for pair in zip(before, small.get_weights(), strict=True))
    assert table["step"].tolist() == ["trained", "scores", "dense", "block5", "block1"]
    assert table["image"].tolist() == [0] * 5
    # A map that never looks at the weights is found out.
    assert table["correlation"].tolist() == pytest.approx([1] * 5)
    assert randomization.uninformative(table) == {"constant": True}


def test_the_weights_come_back_after_an_error(small):
    before = [weight.copy() for weight in small.get_weights()]
    calls = []

    def explain():
        calls.append(0)
        if len(calls) > 2:
            raise RuntimeError
        return {"map": np.zeros((1, 2, 2))}

    with pytest.raises(RuntimeError):
        randomization.cascade(small, explain, seed=0)
    assert all(np.array_equal(*pair) for pair in zip(before, small.get_weights(), strict=True))


def test_a_random_kernel_has_kerass_default_spread_and_no_bias(small):
    layer = keras.layers.Dense(300)
    layer.build((None, 200))
    layer.set_weights([np.full((200, 300), 9.0), np.full(300, 9.0)])
    randomization.randomize(layer, seed=0)
    kernel, bias = layer.get_weights()
    assert not bias.any()
    assert np.abs(kernel).max() == pytest.approx(np.sqrt(6 / 500), rel=0.01)


def test_maps_of_a_network_depend_on_its_weights(small, pictures):
    table, found = explanations.randomized(small, pictures, np.array([0, 1, 0, 1]), seed=0, batch_size=8)
    assert table[table["step"] == "trained"]["correlation"].tolist() == pytest.approx([1] * 4 * 5)
    for method in maps.METHODS:
        assert list(found[method]) == ["images", "scores", "dense", "block5", "block1", "chance", "uninformative"]
        assert found[method]["images"] == 4
        assert abs(found[method]["chance"]) < 0.2
        last = table[(table["method"] == method) & (table["step"] == "block1")]["correlation"]
        assert found[method]["block1"]["value"] == pytest.approx(last.mean(), abs=1e-4)
        # t(0.975, 3) = 3.1824
        assert found[method]["block1"]["high"] == pytest.approx(last.mean() + 3.1824 * last.std() / 2, abs=2e-4)
    assert abs(found["saliency"]["block1"]["value"]) < 0.2
    assert not found["saliency"]["uninformative"]


# All together.


def test_summary_by_hand():
    # Mean 2, standard deviation 1, t(0.975, 2) = 4.3027: 2 ± 4.3027 / √3.
    found = explanations.summary([1, 2, 3], [0.5, 0.5, 0.8])
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
    assert explanations.summary([1], [0.5]) == {"value": 1, "chance": 0.5, "gain": 0.5}


def test_no_hit_among_few_is_no_certainty():
    # Wilson's bounds for 0 of 4: 0 and z² / (n + z²) = 3.8415 / 7.8415.
    expected = {"value": 0, "low": 0, "high": 0.4899, "chance": 0.01, "gain": -0.01}
    assert explanations.proportion([0, 0, 0, 0], [0.01, 0.02, 0.005, 0.005]) == expected
    assert explanations.proportion([1], [0.25]) == {"value": 1, "chance": 0.25, "gain": 0.75}


def sigmoid(score):
    return 1 / (1 + np.exp(-score))


def quadrant_network():
    """Class 0's score is the brightness of the upper left quarter, class 1's is 0.

    A 1×1 convolution takes the mean of the channels; the scores see its upper left quarter alone.
    """
    convolution = keras.layers.Conv2D(1, 1, activation="relu", name=vgg.LAST_CONVOLUTION)
    scores = keras.layers.Dense(2, name=vgg.SCORES)
    flat = keras.layers.Flatten()
    network = vgg.chain((32, 32, 3), [convolution, flat, scores, keras.layers.Softmax()], "quadrant")
    convolution.set_weights([np.full((1, 1, 3, 1), 1 / 3), np.zeros(1)])
    kernel = np.zeros((32, 32, 2))
    kernel[:16, :16, 0] = 8 / 256 / 200  # 8 where the quarter is 200 throughout
    scores.set_weights([kernel.reshape(-1, 2), np.array([-4, 0])])
    return network


def test_a_network_that_looks_at_one_quadrant():
    network = quadrant_network()
    images = np.full((2, 32, 32, 3), 200, np.uint8)
    masks = np.zeros((2, 64, 64), bool)
    masks[:, :32, :32] = True
    results, table = explanations.measure(network, images, np.array([0, 0]), masks, seed=0)
    for method in ("saliency", "smoothgrad", "integrated_gradients"):
        found = results[method]
        assert found["localisation"]["energy"] == explanations.summary([1, 1], [0.25, 0.25])
        assert found["localisation"]["ratio"] == 4
        assert found["localisation"]["pointing"]["value"] == 1
        # A quarter of the pixels share everything: 1 - 1/4; log(N/4) / log N with N = 1024.
        assert found["focus"]["gini"]["value"] == 0.75
        assert found["focus"]["entropy"]["value"] == pytest.approx(0.8)
        assert found["focus"]["body"] == explanations.summary([1, 1], [1, 1])
        # Deleted: all, 102 of 256 seen pixels gone, none left from 0.3 on.
        curve = sigmoid(np.array([4, 8 * (1 - 102 / 256) - 4, -4, -4, -4]))
        assert found["deletion"]["value"] == pytest.approx(np.trapezoid(curve, (0, *faithfulness.SHARES, 1)), abs=1e-3)
        assert found["deletion"]["value"] < found["deletion"]["chance"]
        # Blurring a uniform picture changes nothing, nor does imputation.
        assert found["insertion"]["value"] == pytest.approx(sigmoid(4), abs=1e-4)
        assert abs(found["road"]["value"]) < 1e-3
        assert found["road"]["chance"] == 0
    # Grad-CAM's channel weight is one number for the whole map: it can't tell the quadrant.
    assert results["gradcam"]["localisation"]["energy"]["value"] == 0.25
    assert results["images"] == 2
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["method", "step", "image", "correlation", "chance"]


def numbers(tree):
    return [leaf for value in tree.values() for leaf in (numbers(value) if isinstance(value, dict) else [value])]


def test_results_are_plain_and_the_same_twice(small, pictures):
    results, _ = explanations.measure(small, pictures, np.array([0, 1, 0, 1]), None, seed=0)
    assert "localisation" not in results["saliency"]
    assert {type(leaf) for leaf in numbers(results)} == {float, int, bool}
    assert np.isfinite(numbers(results)).all()
    assert results == explanations.measure(small, pictures, np.array([0, 1, 0, 1]), None, seed=0)[0]
