"""Fuel consumption: a linear model of one feature, one of all and a network, with the scaling in the model."""

import keras
import numpy as np
from keras import layers
from synthetic import fill, houses, numbers

features, labels = houses(240, seed=8)
train_features, test_features = features[:200], features[200:]
train_labels, test_labels = labels[:200], labels[200:]
test_results = {}

normalizer = layers.Normalization(axis=-1)
normalizer.adapt(np.array(train_features))
mean = np.asarray(normalizer.mean).reshape(-1)
variance = np.asarray(normalizer.variance).reshape(-1)
first = np.array(train_features[:1])
normalized = numbers(normalizer(first))

horsepower = np.array(train_features[:, 1])
horsepower_normalizer = layers.Normalization(input_shape=[1], axis=None)
horsepower_normalizer.adapt(horsepower.reshape(-1, 1))
horsepower_model = keras.Sequential([horsepower_normalizer, layers.Dense(units=1)])
horsepower_model.layers[1].set_weights([np.array([[0.5]]), np.array([0.1])])
horsepower_model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.1), loss="mean_absolute_error")
history = horsepower_model.fit(
    horsepower.reshape(-1, 1), train_labels, epochs=10, shuffle=False, verbose=0, validation_split=0.2
)
test_results["horsepower_model"] = horsepower_model.evaluate(test_features[:, 1:2], test_labels, verbose=0)

linear_model = keras.Sequential([normalizer, layers.Dense(units=1)])
untrained = linear_model.predict(train_features[:10], verbose=0).shape
kernel_shape = linear_model.layers[1].kernel.shape
linear_model.layers[1].set_weights([np.full((6, 1), 0.1), np.zeros(1)])
linear_model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.1), loss="mean_absolute_error")
linear_history = linear_model.fit(
    train_features, train_labels, epochs=10, shuffle=False, verbose=0, validation_split=0.2
)
test_results["linear_model"] = linear_model.evaluate(test_features, test_labels, verbose=0)


def build_and_compile_model(norm):
    model = keras.Sequential(
        [norm, layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(1)]
    )
    model.compile(loss="mean_absolute_error", optimizer=keras.optimizers.Adam(0.001))
    return model


scaled = keras.layers.Normalization(axis=-1)
scaled.adapt(train_features)
dnn_model = build_and_compile_model(scaled)
dnn_model.build((None, 6))
head = keras.Sequential([keras.Input((6,)), *[layers.Dense(n) for n in (64, 64, 1)]])
fill(head)
for layer, source in zip(dnn_model.layers[1:], head.layers, strict=True):
    layer.set_weights(source.get_weights())
dnn_history = dnn_model.fit(train_features, train_labels, validation_split=0.2, shuffle=False, verbose=0, epochs=10)
test_results["dnn_model"] = dnn_model.evaluate(test_features, test_labels, verbose=0)

results = {
    "mean": mean,
    "variance": variance,
    "normalized": normalized,
    "one number": [float(np.asarray(horsepower_normalizer.mean).reshape(-1)[0])],
    "history": history.history,
    "linear": linear_history.history,
    "network": dnn_history.history,
    "test": test_results,
    "untrained": untrained,
    "kernel": kernel_shape,
    "trained kernel": np.asarray(linear_model.layers[1].kernel),
    "trained bias": np.asarray(linear_model.layers[1].bias),
    "predictions": dnn_model.predict(test_features, verbose=0).flatten()[:10],
}
