"""Callbacks of one's own, and those that change the learning rate."""

import keras
from keras import layers
from synthetic import fill, houses

x, y = houses(96, seed=12)
x = (x - x.mean(axis=0)) / x.std(axis=0)


class LossHistory(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.losses = []
        self.events = ["begin"]
        self.epochs = self.params["epochs"]

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])

    def on_epoch_begin(self, epoch, logs=None):
        self.events.append(f"epoch {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(sorted(logs or {}))

    def on_test_begin(self, logs=None):
        self.events.append("test")

    def on_train_end(self, logs=None):
        self.events.append("end")


class EarlyStoppingAtLoss(keras.callbacks.Callback):
    def __init__(self, loss):
        super().__init__()
        self.wanted = loss
        self.stopped_epoch = 0

    def on_epoch_end(self, epoch, logs=None):
        if logs["loss"] < self.wanted:
            self.stopped_epoch = epoch
            self.model.stop_training = True


def network():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(1)])
    fill(model)
    model.compile(keras.optimizers.SGD(learning_rate=0.01), "mse", metrics=["mae"])
    return model


model = network()
recorder, stopper = LossHistory(), EarlyStoppingAtLoss(30.0)
history = model.fit(
    x[:64],
    y[:64],
    batch_size=16,
    epochs=20,
    shuffle=False,
    verbose=0,
    validation_data=(x[64:], y[64:]),
    callbacks=[recorder, stopper],
)


def scheduler(epoch, lr):
    return lr if epoch < 2 else lr * 0.5


scheduled = network()
lines = []
scheduled_history = scheduled.fit(
    x,
    y,
    batch_size=96,
    epochs=4,
    shuffle=False,
    verbose=0,
    callbacks=[
        keras.callbacks.LearningRateScheduler(scheduler),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: lines.append(epoch)),
    ],
)
plateau = network()
plateau_history = plateau.fit(
    x,
    y,
    batch_size=96,
    epochs=6,
    shuffle=False,
    verbose=0,
    callbacks=[keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=50.0)],
)

results = {
    "losses": recorder.losses,
    "events": recorder.events,
    "epochs": recorder.epochs,
    "stopped": stopper.stopped_epoch,
    "history": history.history,
    "scheduled": scheduled_history.history["loss"],
    "rates": scheduled_history.history["learning_rate"],
    "lines": lines,
    "plateau": plateau_history.history["loss"],
    "rate": float(plateau.optimizer.learning_rate),
}
