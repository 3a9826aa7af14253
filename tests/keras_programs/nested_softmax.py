"""Clothes in pictures: logits are trained, and a model around the model gives probabilities."""

import keras
import numpy as np
from synthetic import fill, images, numbers

train_images, train_labels = images(400, seed=3)
test_images, test_labels = images(100, seed=4)
train_images = train_images / 255.0
test_images = test_images / 255.0

model = keras.Sequential(
    [
        keras.layers.Flatten(input_shape=(28, 28)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(10),
    ]
)
fill(model)
model.compile(
    optimizer="adam",
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(train_images, train_labels, epochs=4, shuffle=False, verbose=0)
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)

probability_model = keras.Sequential([model, keras.layers.Softmax()])
predictions = probability_model.predict(test_images, verbose=0)
first = np.expand_dims(test_images[0], 0)
single = probability_model.predict(first, verbose=0)
called = numbers(probability_model(test_images[:5]))

# Training goes on in the model inside, which the outer one sees.
model.fit(train_images, train_labels, epochs=1, shuffle=False, verbose=0)

results = {
    "loss": history.history["loss"],
    "test": [test_loss, test_acc],
    "predictions": predictions[:3],
    "label": int(np.argmax(predictions[0])),
    "single": single,
    "called": called,
    "later": probability_model.predict(test_images, verbose=0)[:3],
    "is the model": probability_model.layers[0] is model,
    "layers": [type(layer).__name__ for layer in probability_model.layers],
    "parameters": probability_model.count_params(),
    "weights": len(probability_model.trainable_weights),
}
