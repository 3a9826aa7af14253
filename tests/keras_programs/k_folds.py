"""House prices with few rows: validation by k folds."""

import numpy as np
from keras import layers, models
from synthetic import fill, houses

train_data, train_targets = houses(120, seed=5)
mean = train_data.mean(axis=0)
train_data -= mean
std = train_data.std(axis=0)
train_data /= std


def build_model():
    model = models.Sequential()
    model.add(layers.Dense(16, activation="relu", input_shape=(train_data.shape[1],)))
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dense(1))
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    return fill(model)


k = 4
num_val_samples = len(train_data) // k
all_scores = []
all_mae_histories = []
for i in range(k):
    val_data = train_data[i * num_val_samples : (i + 1) * num_val_samples]
    val_targets = train_targets[i * num_val_samples : (i + 1) * num_val_samples]
    partial_train_data = np.concatenate(
        [train_data[: i * num_val_samples], train_data[(i + 1) * num_val_samples :]], axis=0
    )
    partial_train_targets = np.concatenate(
        [train_targets[: i * num_val_samples], train_targets[(i + 1) * num_val_samples :]], axis=0
    )
    model = build_model()
    history = model.fit(
        partial_train_data,
        partial_train_targets,
        validation_data=(val_data, val_targets),
        epochs=5,
        batch_size=16,
        shuffle=False,
        verbose=0,
    )
    val_mse, val_mae = model.evaluate(val_data, val_targets, verbose=0)
    all_scores.append(val_mae)
    all_mae_histories.append(history.history["val_mae"])

results = {
    "scores": all_scores,
    "mean": float(np.mean(all_scores)),
    "average": [float(np.mean([x[i] for x in all_mae_histories])) for i in range(5)],
    "keys": sorted(history.history),
    "predictions": model.predict(train_data[:5], verbose=0),
}
