"""Two kinds of texts as rows that say which words occur."""

import numpy as np
from keras import Input, Sequential, layers, losses, metrics, optimizers
from synthetic import fill, multi_hot, texts

sequences, labels = texts(400, 200, 2, seed=6)
x = multi_hot(sequences, dimension=200)
y = np.asarray(labels).astype("float32")
x_val, partial_x_train = x[:100], x[100:]
y_val, partial_y_train = y[:100], y[100:]

model = Sequential(
    [
        Input((200,)),
        layers.Dense(16, activation="relu"),
        layers.Dense(16, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
fill(model)
model.compile(
    optimizer=optimizers.RMSprop(learning_rate=0.003),
    loss=losses.BinaryCrossentropy(),
    metrics=[metrics.BinaryAccuracy(name="right")],
)
history = model.fit(
    partial_x_train, partial_y_train, epochs=6, batch_size=64, shuffle=False, validation_data=(x_val, y_val), verbose=0
)
scores = model.evaluate(x_val, y_val, verbose=0)

results = {
    "history": history.history,
    "keys": list(history.history.keys()),
    "scores": scores,
    "predictions": model.predict(x_val[:10], verbose=0),
    "names": [layer.name for layer in model.layers],
}
