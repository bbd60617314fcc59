"""Training what is not frozen: what is added lest images be learned by heart, one fit, a search over rates."""

import contextlib
import itertools
import sys

import keras
import numpy as np
import pandas as pd

from kidneyct.backbone import vgg
from kidneyct.classifier.batches import Batches
from kidneyct.classifier.classifier import SCORES
from kidneyct.files import tables
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.progress import Lines

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
HEAD_RATE = 0.001  # while the head trains alone; Keras's default
STATE = "training"  # the name under which the state of an unfinished training is kept
# What alters slices, as far as a scan of another patient differs; a mirrored one would have its liver on the left.
TURN = 10 / 360  # of a full turn, either way
SHIFT, ZOOM = 0.05, 0.1  # of the side
CONTRAST, BRIGHTNESS, NOISE = 0.15, 0.06, 0.015  # of the range of grey values


def regularized(model, augment, dropout, seed):
    """The model to be trained: it shares the layers of `model`, which is what is kept and what others run.

    `augment` "ct" has the slices altered before they enter, so `model` must run on pixels, 0..255; `dropout` is the
    share of the units before the scores that a step leaves out. All is drawn from the seed, and nothing of it is done
    outside training. `model` itself where neither is asked for.
    """
    layers = model.layers[1:]
    if dropout:
        place = [layer.name for layer in layers].index(SCORES)
        layers.insert(place, keras.layers.Dropout(dropout, seed=_drawn(seed, 0)))
    if augment == "ct":
        layers = augmentation(seed) + layers
    return vgg.chain(model.input.shape[1:], layers, "regularized") if layers != model.layers[1:] else model


def augmentation(seed):
    """The layers that alter slices (n, h, w, 3) of 0..255: geometry first, so that what comes in is black as air is."""
    black = {"fill_mode": "constant", "fill_value": 0.0}
    # Grey values in 32 bits, whatever the precision: 16 of them have steps of one grey value.
    own = ({"dtype": "float32", "seed": _drawn(seed, number)} for number in itertools.count(1))
    layers = [
        keras.layers.RandomRotation(TURN, **black, **next(own)),
        keras.layers.RandomTranslation(SHIFT, SHIFT, **black, **next(own)),
        keras.layers.RandomZoom(ZOOM, **black, **next(own)),
        keras.layers.RandomContrast((CONTRAST, CONTRAST), **next(own)),
        keras.layers.RandomBrightness(BRIGHTNESS, **next(own)),
        GreyNoise(NOISE, **next(own)),
    ]
    for layer in layers:
        layer.supports_jit = True  # Keras denies it for TensorFlow's sake, and would not compile the step on JAX
    return layers


class GreyNoise(keras.layers.GaussianNoise):
    """Gaussian noise on pixels 0..255, the same in all channels as in a grey picture; `stddev` is a share of 255."""

    def call(self, images, training=False):
        return images + 255 * super().call(keras.ops.zeros_like(images[..., :1]), training=training)


def _drawn(seed, number):
    """A seed for each layer: layers of one seed would turn, shift and zoom alike."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)


def search(build, codes, rows, settings, seed, weights=None, checkpoint=None, write=None):
    """Train a fresh model at each learning rate; keep the one of the lowest validation loss, the first of equals.

    `build()` gives (network, model, inputs): the whole network as if nothing had been trained before, what of it
    trains, and what that runs on; the others are `fit`'s. Returns the kept network, its history, and a table of the
    trials with a line for each rate: learning_rate, epochs, kept_epoch, val_loss, val_accuracy, stopped (0 where the
    last epoch came before `patience` epochs without a lower loss), edge (by `tables.edge`) and kept. A rate at which
    the loss is not a number is left out and named; InputError where that befalls all.
    """
    best, trials, failure = None, [], None
    rates = np.atleast_1d(settings.learning_rate).astype(float).tolist()
    for number, rate in enumerate(rates, 1):
        # Build also for a rate done before: Keras numbers its layers, and the numbers reach the file.
        network, model, inputs = build()
        result = checkpoint.load(f"rate {number}") if checkpoint else None
        if result:
            checkpoint.say(f"learning rate {rate:g} was done before the interruption")
        else:
            try:
                history = fit(model, inputs, codes, rows, settings, rate, seed, weights, checkpoint, write)
                result = {name: column.to_numpy() for name, column in history.items()}
                result |= _named("weight", model.get_weights())
            except InputError as error:
                result = {"failure": str(error)}
            if checkpoint and number < len(rates):
                checkpoint.save(f"rate {number}", **result)
                checkpoint.forget(STATE)
        if "failure" in result:
            failure = InputError(str(result["failure"]))
            print(f"{failure}; this rate is left out", flush=True)
            continue
        history = pd.DataFrame({name: result[name] for name in tables.HISTORY})
        kept = tables.kept(history)
        trial = {"learning_rate": rate, "epochs": len(history), "kept_epoch": int(kept["epoch"])}
        trial |= {name: kept[name] for name in ("val_loss", "val_accuracy")}
        trial |= {"stopped": int(len(history) - kept["epoch"] >= settings.patience), "edge": tables.edge(rate, rates)}
        trials.append(trial)
        if best is None or kept["val_loss"] < best[0]:
            model.set_weights(_numbered(result, "weight"))
            best = kept["val_loss"], network, history, rate
    if best is None:
        for number in range(1, len(rates) if checkpoint else 0):
            checkpoint.forget(f"rate {number}")  # a run that failed is tried again
        raise failure
    _, network, history, rate = best
    trials = pd.DataFrame(trials)
    trials["kept"] = (trials["learning_rate"] == rate).astype(int)
    return network, history, trials


def fit(model, inputs, codes, rows, settings, learning_rate, seed, weights=None, checkpoint=None, write=None):
    """Train `model` on the categorical cross-entropy; stop early on the validation loss.

    `rows` are those to train on and those to validate on, `settings` the section `train` of params.yaml. In its first
    `head_epochs` the blocks of convolutions keep still and the rate is HEAD_RATE; then all layers that are
    trainable train, with an optimizer and a schedule of their own. Of these later epochs the weights of the one with
    the lowest validation loss are restored; after `patience` of them without a lower one training stops. `weights`
    (n,) are what each row counts in both losses. Returns the history: epoch (from 1), loss, accuracy, val_loss,
    val_accuracy and kept, 1 for the epoch whose weights are kept and 0 for the others. InputError as soon as a loss is
    not a number. `checkpoint`, a `Checkpoint`, keeps the state of the training for a run after an interruption, which
    goes on from there and ends as if nothing had happened. `write(history)` is called after each epoch.
    """
    classes, epochs, head_epochs = model.output.shape[-1], settings.epochs, settings.head_epochs
    options = {"restore_best_weights": True, "start_from_epoch": head_epochs}
    stop = keras.callbacks.EarlyStopping("val_loss", patience=settings.patience, **options)
    progress = Progress(stop, learning_rate, checkpoint, write)
    done = len(progress.history)
    if done:
        checkpoint.say(f"goes on at epoch {done + 1} of {epochs}, learning rate {learning_rate:g}")
    train, validation = rows
    steps, served = -(-len(train) // settings.batch_size), (settings.batch_size, codes, classes)
    at_terminal = sys.stdout.isatty()
    if not at_terminal:
        progress.lines = Lines(desc="train", unit="batch", total=epochs * steps, initial=done * steps)
    rate = _scheduled(learning_rate, settings.schedule, (epochs - head_epochs) * steps, settings.warmup_epochs * steps)
    blocks = [layer for layer in model.layers if layer.trainable and vgg.block(layer)]
    for end, phase_rate in ((head_epochs, HEAD_RATE), (epochs, rate)):
        if done >= end:
            continue
        for layer in blocks:
            layer.trainable = end == epochs
        model.compile(
            optimizer=keras.optimizers.AdamW(phase_rate, weight_decay=settings.weight_decay)
            if settings.optimizer == "adamw"
            else keras.optimizers.Adam(phase_rate),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
            metrics=["accuracy"],
        )
        model.fit(
            Batches(inputs, train, *served, seed, done, weights),
            validation_data=Batches(inputs, validation, *served, weights=weights),
            epochs=end,
            initial_epoch=done,
            callbacks=[stop, progress],
            shuffle=False,
            verbose="auto" if at_terminal else 0,
        )
        done = end
    return _table(progress.history, stop.best_epoch)


def _scheduled(rate, schedule, steps, warmup):
    """The rate of each of so many steps: the same, or falling to 0 along a cosine after it has risen to its height."""
    if schedule == "constant":
        return rate
    rise = {"warmup_target": rate, "warmup_steps": warmup} if warmup else {}
    return keras.optimizers.schedules.CosineDecay(0.0 if warmup else rate, steps - warmup, **rise)


class Progress(keras.callbacks.Callback):
    """How far a training has come: METRICS of each epoch in `history`; now and then the whole state, in `checkpoint`.

    It stands behind `stop`, the early stopping, whose state is a part of it.
    """

    def __init__(self, stop, learning_rate, checkpoint, write):
        super().__init__()
        self.stop, self.learning_rate, self.checkpoint, self.write = stop, learning_rate, checkpoint, write
        state = checkpoint.load(STATE) if checkpoint else None
        self.state = state if state and state["learning_rate"] == learning_rate else None
        self.history = self.state["history"].tolist() if self.state else []
        self.lines = None  # where they are to be told of every batch

    def on_train_begin(self, logs=None):
        state, self.state = self.state, None
        if not state:
            return
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        for name, variables in self._variables().items():
            for variable, value in zip(variables, _numbered(state, name), strict=True):
                variable.assign(value)
        if "best" in state:  # it has none while the head trains alone
            self.stop.wait, self.stop.best_epoch = int(state["wait"]), int(state["best_epoch"])
            self.stop.best = float(state["best"])
            self.stop.best_weights = _numbered(state, "best_weight") or self.model.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            self._diverged("loss")
        if self.lines:
            self.lines.update()

    def on_epoch_end(self, epoch, logs=None):
        self.history.append([logs[name] for name in METRICS])
        if not np.isfinite(logs["val_loss"]):
            self._diverged("validation loss")
        if self.write:
            with contextlib.suppress(InputError):  # a full disk fails no rate
                self.write(_table(self.history, -1 if self.stop.best is None else self.stop.best_epoch))
        over = self.model.stop_training or len(self.history) == self.params["epochs"]
        if self.checkpoint and not over:
            self.checkpoint.now_and_then(self._save)

    def _variables(self):
        """All that training changes: weights, the states of random layers, the optimizer's moments and counters."""
        return {"model": self.model.variables, "optimizer": self.model.optimizer.variables}

    def _save(self):
        stop, arrays = self.stop, {}
        if stop.best is not None:
            last = stop.best_epoch == len(self.history) - 1  # its weights are the model's, so they are not saved twice
            arrays |= {"wait": stop.wait, "best": stop.best, "best_epoch": stop.best_epoch}
            arrays |= _named("best_weight", [] if last else stop.best_weights)
        for name, variables in self._variables().items():
            arrays |= _named(name, [keras.ops.convert_to_numpy(variable) for variable in variables])
        self.checkpoint.save(STATE, learning_rate=self.learning_rate, history=np.array(self.history), **arrays)

    def _diverged(self, loss):
        if self.checkpoint:
            self.checkpoint.forget(STATE)
        epoch = len(self.history) + (loss == "loss")
        raise InputError(
            f"train: the {loss} was not a number in epoch {epoch}; lower train.learning_rate "
            f"(now {self.learning_rate:g}) or set train.precision to float32"
        )


def _table(history, best_epoch):
    """METRICS of each epoch (epochs, 4) as the table that `fit` returns; `best_epoch` counts from 0."""
    epochs = np.arange(len(history))
    ends = {"epoch": epochs + 1, "kept": (epochs == best_epoch).astype(int)}
    return pd.DataFrame(history, columns=METRICS).assign(**ends)[list(tables.HISTORY)]


def _named(name, arrays):
    return {f"{name} {number}": values for number, values in enumerate(arrays)}


def _numbered(arrays, name):
    """The arrays that `_named` gave a name, in their order."""
    count = sum(key.startswith(f"{name} ") for key in arrays)
    return [arrays[f"{name} {number}"] for number in range(count)]
