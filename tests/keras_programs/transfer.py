"""A network for five classes becomes one for five others: the base is frozen, then tuned."""

import keras
import numpy as np
from keras import layers
from synthetic import fill, images

x, y = images(240, seed=11)
x = x[..., np.newaxis].astype("float32") / 255
low = y < 5

base_model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(4, 3, strides=2, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.GlobalAveragePooling2D(),
    ],
    name="base",
)
first = keras.Sequential([base_model, layers.Dense(5)])
fill(first)
first.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
first_history = first.fit(x[low], y[low], batch_size=60, epochs=3, shuffle=False, verbose=0)
weights_before = [np.array(weight) for weight in base_model.get_weights()]

base_model.trainable = False
model = keras.Sequential([keras.Input((28, 28, 1)), base_model, layers.Dense(5, name="head")], name="transfer")
model.get_layer("head").set_weights([np.linspace(-1, 1, 20).reshape(4, 5), np.zeros(5)])
frozen = len(model.trainable_weights), len(model.non_trainable_weights)
model.compile(
    keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)
history = model.fit(x[~low], y[~low] - 5, batch_size=60, epochs=3, shuffle=False, verbose=0)
unchanged = all((np.array(a) == b).all() for a, b in zip(base_model.get_weights(), weights_before, strict=True))

base_model.trainable = True
for layer in base_model.layers:
    if layer.name.startswith("batch_normalization"):
        layer.trainable = False
tuned = len(model.trainable_weights), len(model.non_trainable_weights)
model.compile(
    keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)
fine_history = model.fit(x[~low], y[~low] - 5, batch_size=60, epochs=2, shuffle=False, verbose=0)

feature_extractor = keras.Sequential(base_model.layers)
features = np.asarray(feature_extractor.predict(x[:4], verbose=0))

results = {
    "first": first_history.history,
    "history": history.history,
    "fine": fine_history.history,
    "frozen": frozen,
    "tuned": tuned,
    "unchanged": unchanged,
    "names": [layer.name for layer in model.layers],
    "base": model.get_layer("base") is base_model,
    "features": features,
    "same features": bool(np.allclose(features, base_model.predict(x[:4], verbose=0), atol=1e-6)),
    "moving mean": np.asarray(base_model.layers[1].moving_mean),
    "gamma": np.asarray(base_model.layers[1].gamma),
    "training": base_model(x[:4], training=False).shape,
}
