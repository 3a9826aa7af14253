#include "sparse_rows.h"

PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
    module.doc() = "The compiled core of fastnet: thin bindings, no logic.";
    fastnet::register_callbacks(module);
    fastnet::register_checksum(module);
    fastnet::register_config(module);
    fastnet::register_functional(module);
    fastnet::register_lock(module);
    fastnet::register_sparse_rows(module);
    fastnet::register_network(module);
    fastnet::register_repack(module);
}
