#include "callbacks.h"

#include <atomic>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace fastnet {
namespace {

std::atomic<unsigned long> main_thread{0};

}  // namespace

bool in_main_thread() { return PyThread_get_thread_ident() == main_thread.load(std::memory_order_relaxed); }

void check_signals() {
    if (PyErr_CheckSignals() != 0)
        throw py::error_already_set();
}

void register_callbacks(py::module_&) {
    main_thread.store(py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>());
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { main_thread.store(PyThread_get_thread_ident()); });  // as Python sees it
#endif
}

}  // namespace fastnet
