"""LeNet-5 on images of digits."""

import keras
import numpy as np
from keras.layers import AveragePooling2D, Conv2D, Dense, Flatten, MaxPooling2D
from synthetic import fill, images, numbers

x, y = images(160, seed=10)
x = np.expand_dims(x.astype("float32") / 255.0, -1)

model = keras.models.Sequential()
model.add(Conv2D(6, kernel_size=(5, 5), activation="tanh", padding="same", input_shape=(28, 28, 1)))
model.add(AveragePooling2D(pool_size=(2, 2), strides=2))
model.add(Conv2D(16, kernel_size=5, activation="tanh"))
model.add(MaxPooling2D())
model.add(Flatten())
model.add(Dense(120, activation="tanh"))
model.add(Dense(84, activation="tanh"))
model.add(Dense(10, activation="softmax"))
fill(model)
lines = []
model.summary(print_fn=lambda line, **_: lines.append(line))
model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=0.05, momentum=0.9),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
history = model.fit(x, y, batch_size=32, epochs=3, shuffle=False, verbose=0)
first = model.get_layer(index=0)

results = {
    "history": history.history,
    "shapes": [list(weight.shape) for weight in model.get_weights()],
    "output": model.output_shape[-1],
    "parameters": model.count_params(),
    "predictions": model.predict(x[:3], verbose=0),
    "kernel": np.asarray(first.kernel)[2, 2, 0],
    "feature maps": numbers(first(x[:1]))[0, :2, :2, 0],
    "summary": any("conv2d_1" in line for line in lines),
}
