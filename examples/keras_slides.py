"""The Keras program of the lecture slides: only the import lines are changed.

usage: python examples/keras_slides.py

The program is written for Keras and its `mnist` package, which cannot be downloaded any more. Its network of 64 and 64
units reaches 95.4 to 96.8% of the test images after 5 epochs, depending on the seed, 96.3% in the mean of 20 seeds; the
same program run with Keras 3.15 gave 95.5 to 97.0%, 96.3% in the mean of 8 seeds.
"""

import numpy as np

from fastnet.datasets import mnist
from fastnet.layers import Dense
from fastnet.models import Sequential
from fastnet.utils import to_categorical

train_images = mnist.train_images()
train_labels = mnist.train_labels()
test_images = mnist.test_images()
test_labels = mnist.test_labels()

# Normalize the images.
train_images = (train_images / 255) - 0.5
test_images = (test_images / 255) - 0.5

# Flatten the images.
train_images = train_images.reshape((-1, 784))
test_images = test_images.reshape((-1, 784))

# Build the model.
model = Sequential(
    [
        Dense(64, activation="relu", input_shape=(784,)),
        Dense(64, activation="relu"),
        Dense(10, activation="softmax"),
    ]
)

# Compile the model.
model.compile(
    optimizer="adam",
    loss="categorical_crossentropy",
    metrics=["accuracy"],
)

# Train the model.
model.fit(
    train_images,
    to_categorical(train_labels),
    epochs=5,
    batch_size=32,
)

# Evaluate the model.
model.evaluate(test_images, to_categorical(test_labels))

# Predict on the first 5 test images.
predictions = model.predict(test_images[:5])

# Print our model's predictions.
print(np.argmax(predictions, axis=1))

# Check our predictions against the ground truths.
print(test_labels[:5])
