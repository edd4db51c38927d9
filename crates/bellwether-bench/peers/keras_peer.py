"""Measures Keras as it comes, on TensorFlow: training, at one number of threads.

`fit` with a compiled step, as its users train; batches lie in memory.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy
import tensorflow

import shapes


def autoencoder(shape):
    """Windows `[batch, len, n_channels]` to reconstructions of the same shape."""
    layers = [keras.Input((shape.len, shape.n_channels))]
    for idx, size in enumerate(shape.encoder):
        layers.append(keras.layers.LSTM(size, return_sequences=idx + 1 < len(shape.encoder)))
    layers.append(keras.layers.RepeatVector(shape.len))
    layers += [keras.layers.LSTM(size, return_sequences=True) for size in shape.decoder]
    layers.append(keras.layers.TimeDistributed(keras.layers.Dense(shape.n_channels)))
    net = keras.Sequential(layers)
    net.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    return net


def open_shape(shape, _n_threads, _exchange):
    """The figures of one shape."""
    net = autoencoder(shape)
    n_windows = shape.batch * shapes.N_BATCHES
    random = numpy.random.default_rng(1)
    x = random.random((n_windows, shape.len, shape.n_channels), dtype=numpy.float32)
    epoch = lambda _: net.fit(x, x, batch_size=shape.batch, epochs=1, verbose=0)
    return {"train": lambda seconds: shapes.best_rate(epoch, n_windows, seconds)}


if __name__ == "__main__":
    tensorflow.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
    tensorflow.config.threading.set_inter_op_parallelism_threads(int(sys.argv[1]))
    shapes.serve("Keras", keras.__version__, open_shape)
