"""Two models side by side: pure functions of what was measured for each."""

import numpy as np
from sklearn.metrics import confusion_matrix

COMPARED = ("accuracy", "macro_f1")


def compare(candidate, control):
    """Accuracy and macro F1 of both roles, from their `evaluation.json`, and candidate minus control."""
    return {
        metric: {
            "candidate": candidate[metric],
            "control": control[metric],
            "gap": round(candidate[metric] - control[metric], 6),
        }
        for metric in COMPARED
    }


def confusion(predictions, classes):
    """Counts (classes, classes): rows the actual class, columns the predicted one."""
    return np.asarray(confusion_matrix(predictions["label"], predictions["predicted"], labels=classes))
