"""News of 46 topics: labels as rows and as numbers."""

import keras
import numpy as np
from keras import layers
from keras.utils import to_categorical
from synthetic import fill, multi_hot, texts

sequences, labels = texts(600, 300, 46, seed=7)
x = multi_hot(sequences, dimension=300)
one_hot = to_categorical(labels)


def network(loss, metrics):
    model = keras.Sequential()
    model.add(keras.Input(shape=(300,)))
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(46, activation="softmax"))
    fill(model)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss, metrics=metrics)
    return model


model = network("categorical_crossentropy", ["accuracy", keras.metrics.TopKCategoricalAccuracy(k=3, name="top")])
history = model.fit(x[100:], one_hot[100:], epochs=4, batch_size=100, shuffle=False, verbose=0)
scores = model.evaluate(x[:100], one_hot[:100], return_dict=True, verbose=0)

sparse = network("sparse_categorical_crossentropy", ["accuracy"])
sparse_history = sparse.fit(x[100:], labels[100:], epochs=4, batch_size=100, shuffle=False, verbose=0)
predictions = sparse.predict(x[:100], verbose=0)

results = {
    "one-hot": one_hot[:3].astype(int),
    "history": history.history,
    "scores": scores,
    "sparse": sparse_history.history,
    "shape": predictions[0].shape,
    "sum": float(predictions.sum()),
    "classes": np.argmax(predictions, axis=1),
}
