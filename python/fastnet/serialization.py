"""Model files: plain safetensors, with the architecture as JSON in their metadata.

The tensors are ``layers.<i>.<layer name>.kernel`` and ``layers.<i>.<layer name>.bias``, where ``i`` counts
`Sequential.layers` from 0. Kernels have shape (inputs, units). The metadata are strings:

=================== ================================================================
``format``          ``fastnet``
``format_version``  ``1``
``fastnet_version`` the version of the package that wrote the file
``config``          `Sequential.get_config()` as JSON
``compile``         `Sequential.get_compile_config()` as JSON; absent when not compiled
``class_names``     the class of each output, a JSON list of strings; absent when None
``feature_names``   the name of each input, a JSON list of strings; absent when None
``feature_ranges``  `Sequential.feature_ranges` as JSON: minimum, median and maximum of each
                    input in the training data; absent when None
``operations``      of quantized models only, whose files `QuantizedModel.save` writes: see `fastnet.quantization`
``checksum``        16 hexadecimal digits: the XXH64 of the file with zeros in their place
``metrics``         `Sequential.figures` as JSON; absent when there are none
``history``         the learning curves of the last `fit`, `Sequential.history`, as JSON;
                    absent before the first one
``receipt``         `Sequential.receipt` as JSON, without ``config`` and without what equal
                    training need not share, threads and times; absent before the first `fit`
=================== ================================================================

The optimizer state is not part of a model file: further training of a loaded model starts with a fresh state.

**Compatibility.** Every release of fastnet reads the files of every format version that was ever released, and a model
read from one predicts what it predicted when it was written, up to rounding. The format version changes when an older
release could not read a file, or would read it wrongly; it then says so. A release keeps its files in its tests.
A later release may add entries to the metadata without another format version; an earlier one ignores unknown
entries, because the known ones have their meaning without them. It refuses unknown tensors.
"""

from fastnet.models.loading import load_model
from fastnet.models.model_file import FORMAT_VERSION, read_metadata
from fastnet.models.saving import load_weights, save_model, save_weights

__all__ = ["FORMAT_VERSION", "load_model", "load_weights", "read_metadata", "save_model", "save_weights"]
