"""A multilayer perceptron on images of digits."""

import keras
import numpy as np
from keras import layers
from keras.utils import to_categorical
from synthetic import fill, images

x_train, y_train = images(512, seed=1)
x_test, y_test = images(128, seed=2)
x_train = x_train.reshape((512, 28 * 28)).astype("float32") / 255
x_test = x_test.reshape((128, 28 * 28)).astype("float32") / 255
y_train, y_test = to_categorical(y_train), to_categorical(y_test, num_classes=10)

model = keras.Sequential(
    [keras.Input(shape=(784,)), layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax")], name="mlp"
)
fill(model)
model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    x_train, y_train, epochs=3, batch_size=128, shuffle=False, verbose=0, validation_data=(x_test, y_test)
)
test_loss, test_acc = model.evaluate(x_test, y_test, verbose=0)
predictions = model.predict(x_test, verbose=0)

results = {
    "history": history.history,
    "epochs": history.epoch,
    "test": [test_loss, test_acc],
    "classes": np.argmax(predictions, axis=1),
    "probabilities": predictions[:4],
    "parameters": model.count_params(),
    "shapes": [list(weight.shape) for weight in model.weights],
    "names": [layer.name for layer in model.layers],
}
