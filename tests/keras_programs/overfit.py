"""Networks of several sizes that overfit, and what is done about it."""

import keras
from keras import callbacks, layers, regularizers
from synthetic import fill, moons, numbers

x, y = moons(300, seed=9)
x_train, y_train, x_val, y_val = x[:200], y[:200], x[200:], y[200:]
STEPS_PER_EPOCH = 4

lr_schedule = keras.optimizers.schedules.InverseTimeDecay(
    0.01, decay_steps=STEPS_PER_EPOCH * 10, decay_rate=1, staircase=False
)


def get_callbacks():
    return [callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)]


def compile_and_fit(model, max_epochs):
    fill(model)
    model.compile(
        optimizer=keras.optimizers.Adam(lr_schedule),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
    )
    return model.fit(
        x_train,
        y_train,
        batch_size=50,
        epochs=max_epochs,
        validation_data=(x_val, y_val),
        callbacks=get_callbacks(),
        shuffle=False,
        verbose=0,
    )


tiny_model = keras.Sequential([keras.Input((28,)), layers.Dense(16, activation="elu"), layers.Dense(1)])
large_model = keras.Sequential(
    [keras.Input((28,)), *[layers.Dense(64, activation="elu") for _ in range(3)], layers.Dense(1)]
)
l2_model = keras.Sequential(
    [
        keras.Input((28,)),
        layers.Dense(64, activation="elu", kernel_regularizer=regularizers.L2(0.001)),
        layers.Dense(64, activation="elu", kernel_regularizer=regularizers.L1L2(l1=1e-4, l2=1e-3)),
        layers.Dense(1),
    ]
)
size_histories = {}
size_histories["tiny"] = compile_and_fit(tiny_model, 12)
size_histories["large"] = compile_and_fit(large_model, 12)
size_histories["l2"] = compile_and_fit(l2_model, 12)

dropout_model = keras.Sequential(
    [
        keras.Input((28,)),
        layers.Dense(64, activation="elu", kernel_regularizer=regularizers.L2(0.0001)),
        layers.Dropout(0.5),
        layers.Dense(64, activation="elu"),
        layers.Dropout(0.5),
        layers.Dense(1),
    ]
)
# What is dropped depends on the library: only where it is not dropped must results be the same.
fill(dropout_model)
in_prediction = numbers(dropout_model(x_val[:3], training=False))
in_training = numbers(dropout_model(x_val[:3], training=True))
dropout_history = compile_and_fit(dropout_model, 12)

results = {
    **{
        name: {key: history.history[key] for key in ("loss", "val_loss", "accuracy", "val_accuracy")}
        for name, history in size_histories.items()
    },
    "epochs": {name: len(history.epoch) for name, history in size_histories.items()},
    "prediction": in_prediction,
    "drops": bool((in_prediction != in_training).any()),
    "dropout learns": bool(dropout_history.history["loss"][-1] < dropout_history.history["loss"][0]),
    "rate": float(lr_schedule(40)),
}
