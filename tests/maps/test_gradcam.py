"""Grad-CAM and Grad-CAM++, worked out by hand."""

import keras
import numpy as np
import pytest

from kidneyct.backbone import vgg
from kidneyct.classifier import classifier
from kidneyct.maps import explainer, gradcam


def grad_cam(network, image, code):
    return explainer.explainer(network, ("gradcam",), batch_size=4)(image, np.array([code]), seed=0)["gradcam"]


def test_grad_cams_steps_by_hand():
    gradient = np.array([[[[1.0, -2.0], [3.0, 0.0]], [[5.0, -2.0], [-1.0, 0.0]]]])
    weights = gradcam.channel_weights(gradient)
    assert weights.tolist() == [[2.0, -1.0]]  # (1 + 3 + 5 - 1) / 4 and (-2 + 0 - 2 + 0) / 4
    activations = np.array([[[[1.0, 0.0], [0.0, 3.0]], [[2.0, 1.0], [1.0, 2.0]]]])
    # 2·1 - 0 = 2, 0 - 3 = -3, 4 - 1 = 3, 2 - 2 = 0; the negative one becomes 0.
    assert gradcam.weighted_sum(activations, weights).tolist() == [[[2.0, 0.0], [3.0, 0.0]]]


def test_grad_cam_of_a_network_worked_out_by_hand():
    """A 1×1 convolution with kernels (1, -1, 0) and (0, 1, 0), ReLU; score 0 = 4·ΣA0 - 8·ΣA1."""
    convolution = keras.layers.Conv2D(2, 1, use_bias=False, activation="relu", name=vgg.LAST_CONVOLUTION)
    scores = keras.layers.Dense(2, use_bias=False, name=classifier.SCORES)
    layers = [convolution, keras.layers.Flatten(), scores, keras.layers.Softmax()]
    network = vgg.chain((2, 2, 3), layers, "tiny")
    convolution.set_weights([np.array([[1, 0], [-1, 1], [0, 0]], "float32").reshape(1, 1, 3, 2)])
    scores.set_weights([np.tile(np.array([[4, 0], [-8, 1]], "float32"), (4, 1))])
    image = np.zeros((1, 2, 2, 3), "float32")
    image[0, 0, 0], image[0, 0, 1], image[0, 1, 0] = (5, 0, 9), (5, 2, 9), (0, 3, 9)
    # A0: 5, 5 - 2 = 3, 0 (from -3), 0. A1: 0, 2, 3, 0. The gradients are 4 and -8 everywhere.
    # 4·5 = 20; 4·3 - 8·2 = -4, so 0; -8·3, so 0; 0.
    assert grad_cam(network, image, 0).tolist() == [[[20, 0], [0, 0]]]
    # Class 1's score is ΣA1: its map is A1.
    assert grad_cam(network, image, 1).tolist() == [[[0, 2], [3, 0]]]


def test_grad_cam_plus_plus_by_hand():
    """One channel of four positions: activations 1, 2, 0, 3, so ΣA = 6; gradients 1, 0, -1, 0.5."""
    activations = np.array([1.0, 2.0, 0.0, 3.0]).reshape(1, 2, 2, 1)
    gradient = np.array([1.0, 0.0, -1.0, 0.5]).reshape(1, 2, 2, 1)
    alphas = gradcam.plus_alphas(activations, gradient)
    # g² / (2 g² + 6 g³): 1 / 8; none; 1 / (2 - 6); 0.25 / (0.5 + 0.75).
    assert alphas.ravel().tolist() == pytest.approx([0.125, 0, -0.25, 0.2])
    # 0.125·1 + 0.2·0.5 = 0.225; the negative gradient adds nothing.
    assert gradcam.plus_weights(gradient, alphas).item() == pytest.approx(0.225)
    expected = [0.225, 0.45, 0, 0.675]
    assert gradcam.plus_from_gradient(activations, gradient).ravel().tolist() == pytest.approx(expected)
