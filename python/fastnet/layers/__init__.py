"""The layers of a model, with Keras's names and defaults.

Shapes are those of one sample, without the batch dimension. A layer describes itself to the compiled core, which does
the arithmetic of the whole network in one place.
"""

from fastnet.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from fastnet.layers.augmentation import RandomCrop, RandomFlip, RandomRotation, RandomTranslation, RandomZoom
from fastnet.layers.base import Layer
from fastnet.layers.base import layers as _layers
from fastnet.layers.convolution import Conv1D, Conv2D, Convolution1D, Convolution2D
from fastnet.layers.core import Dense, Input, InputLayer
from fastnet.layers.distortion import RandomBrightness, RandomContrast, RandomElasticTransform
from fastnet.layers.merging import Residual
from fastnet.layers.normalization import BatchNormalization, LayerNormalization
from fastnet.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AvgPool1D,
    AvgPool2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPool1D,
    MaxPool2D,
    MaxPooling1D,
    MaxPooling2D,
)
from fastnet.layers.preprocessing import Normalization, Rescaling
from fastnet.layers.regularization import Dropout, GaussianNoise, SpatialDropout1D, SpatialDropout2D
from fastnet.layers.reshaping import Flatten, Permute, Reshape
from fastnet.layers.resizing import Cropping1D, Cropping2D, UpSampling1D, UpSampling2D, ZeroPadding1D, ZeroPadding2D
from fastnet.layers.separable import DepthwiseConv2D, SeparableConv2D, SeparableConvolution2D
from fastnet.layers.transposed import Conv1DTranspose, Conv2DTranspose, Convolution1DTranspose, Convolution2DTranspose
from fastnet.support.missing_names import explain_missing

__all__ = [
    "ELU",
    "Activation",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNormalization",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "Normalization",
    "PReLU",
    "Permute",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Residual",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "deserialize",
    "get",
    "serialize",
]

explain_missing(__name__)

get = _layers.get
serialize = _layers.serialize
deserialize = _layers.deserialize
