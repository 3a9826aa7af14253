"""Checkpoints in folders that are made, whole models, weights and architectures as text."""

import json
from pathlib import Path

import keras
import numpy as np
from synthetic import fill, images

train_images, train_labels = images(200, seed=13)
train_images = train_images.reshape(-1, 28 * 28) / 255.0


def create_model():
    model = keras.models.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dropout(0.0),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["sparse_categorical_accuracy"],
    )
    return model


checkpoint_path = "training_1/runs/cp-{epoch:04d}.weights.h5"
cp_callback = keras.callbacks.ModelCheckpoint(filepath=checkpoint_path, save_weights_only=True, verbose=0)
model = fill(create_model())
history = model.fit(
    train_images, train_labels, batch_size=50, epochs=3, shuffle=False, verbose=0, callbacks=[cp_callback]
)
files = sorted(path.name for path in Path("training_1/runs").iterdir())
trained = model.evaluate(train_images, train_labels, verbose=0)

again = create_model()
again.load_weights("training_1/runs/cp-0003.weights.h5")
loaded = again.evaluate(train_images, train_labels, verbose=0)
again.load_weights("training_1/runs/cp-0001.weights.h5")
first = again.evaluate(train_images, train_labels, verbose=0)

best_path = "best/models/best.keras"
best = keras.callbacks.ModelCheckpoint(best_path, monitor="loss", save_best_only=True)
again.fit(train_images, train_labels, batch_size=50, epochs=2, shuffle=False, verbose=0, callbacks=[best])

model.save("my_model.keras")
new_model = keras.models.load_model("my_model.keras")
whole = new_model.evaluate(train_images, train_labels, verbose=0)

json_string = model.to_json()
from_text = keras.models.model_from_json(json_string)
from_text.set_weights(model.get_weights())
from_config = keras.Sequential.from_config(model.get_config())
clone = keras.models.clone_model(model)
clone.set_weights(model.get_weights())
same = [
    bool(np.allclose(one.predict(train_images[:9], verbose=0), model.predict(train_images[:9], verbose=0), atol=1e-6))
    for one in (new_model, from_text, clone)
]
layer = keras.layers.Dense.from_config(model.layers[0].get_config())

results = {
    "loss": history.history["loss"],
    "files": files,
    "trained": trained,
    "loaded": loaded,
    "first": first,
    "whole": whole,
    "best": Path(best_path).exists(),
    "same": same,
    "class": json.loads(json_string)["class_name"],
    "config": [len(from_config.layers), from_config.count_params()],
    "layer": [layer.units, layer.use_bias],
}
