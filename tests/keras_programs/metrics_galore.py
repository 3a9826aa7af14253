"""Rare cases: many metrics, weights of classes and a bias to begin with."""

import keras
import numpy as np
from synthetic import fill, fraud

x, y = fraud(500, seed=14)
x_train, y_train, x_val, y_val = x[:400], y[:400], x[400:], y[400:]
pos, neg = int(y_train.sum()), int((1 - y_train).sum())
initial_bias = float(np.log([pos / neg])[0])


def metrics():
    return [
        keras.metrics.MeanSquaredError(name="Brier score"),
        keras.metrics.BinaryAccuracy(name="accuracy"),
        keras.metrics.Precision(name="precision"),
        keras.metrics.Recall(name="recall"),
        keras.metrics.AUC(name="auc"),
        keras.metrics.AUC(name="prc", curve="PR"),
        keras.metrics.F1Score(threshold=0.5, average="micro", name="f1"),
        keras.metrics.RootMeanSquaredError(name="rmse"),
        keras.metrics.MeanAbsoluteError(name="mae"),
    ]


def make_model(output_bias=None):
    if output_bias is not None:
        output_bias = keras.initializers.Constant(output_bias)
    model = keras.Sequential(
        [
            keras.layers.Dense(16, activation="relu", input_shape=(x_train.shape[-1],)),
            keras.layers.Dense(1, activation="sigmoid", bias_initializer=output_bias or "zeros"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=1e-2),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=metrics(),
    )
    return fill(model)


model = make_model(output_bias=initial_bias)
bias = float(np.asarray(model.layers[-1].bias)[0])
initial = model.evaluate(x_train, y_train[:, None], batch_size=100, verbose=0, return_dict=True)
baseline_history = model.fit(
    x_train,
    y_train[:, None],
    batch_size=100,
    epochs=4,
    shuffle=False,
    verbose=0,
    validation_data=(x_val, y_val[:, None]),
)
evaluated = model.evaluate(x_val, y_val[:, None], verbose=0, return_dict=True)

weight_for_0 = (1 / neg) * (len(y_train) / 2.0)
weight_for_1 = (1 / pos) * (len(y_train) / 2.0)
weighted = make_model()
weighted_history = weighted.fit(
    x_train,
    y_train[:, None],
    batch_size=100,
    epochs=3,
    shuffle=False,
    verbose=0,
    class_weight={0: weight_for_0, 1: weight_for_1},
)

results = {
    "bias": bias,
    "initial": initial,
    "history": baseline_history.history,
    "evaluated": evaluated,
    "weighted": weighted_history.history,
}
