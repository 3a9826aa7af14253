// Python's GIL: the one place that releases and acquires it.
//
// A thread that tries to acquire the GIL while the interpreter ends does not get it. CPython before 3.14 ends such a
// thread by unwinding its stack. That aborts the process at the first function that may not throw, and on the way
// destroys Python objects without the GIL. CPython 3.14 lets the thread sleep until the process is gone; so do we.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

namespace fastnet {

namespace py = pybind11;

// Returns the result of a call of Python's C API that may release the GIL and acquire it again. Any call that runs
// Python code or copies a large array may do so. The call must not throw and must have nothing to destroy.
template <class Call> auto surviving(Call call) {
    try {
        return call();
    } catch (...) {  // the unwinding
        for (;;)
            std::this_thread::sleep_for(std::chrono::hours(1));
    }
}

// The owning object of the result of such a call.
template <class Call> py::object checked_object(Call call) {
    PyObject* const result = surviving(call);
    if (!result)
        throw py::error_already_set();
    return py::reinterpret_steal<py::object>(result);
}

// While one exists, this thread runs without the GIL.
class WithoutGil {
  public:
    WithoutGil() : outer_(innermost_), state_(PyEval_SaveThread()) { innermost_ = this; }
    ~WithoutGil() {
        innermost_ = outer_;
        retake();
    }
    WithoutGil(const WithoutGil&) = delete;
    WithoutGil& operator=(const WithoutGil&) = delete;

  private:
    friend class WithGil;
    void retake() {
        surviving([this] { PyEval_RestoreThread(state_); });
    }
    static inline thread_local WithoutGil* innermost_ = nullptr;
    WithoutGil* const outer_;
    PyThreadState* state_;
};

// Acquires the GIL again for a while, where the same thread runs without it.
class WithGil {
  public:
    WithGil() : lent_(*WithoutGil::innermost_) { lent_.retake(); }
    ~WithGil() { lent_.state_ = PyEval_SaveThread(); }
    WithGil(const WithGil&) = delete;
    WithGil& operator=(const WithGil&) = delete;

  private:
    WithoutGil& lent_;
};

// Whether the interpreter is ending, which is not visible to threads other than the one that ends it.
inline bool interpreter_ends() {
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing() != 0;
#else
    return _Py_IsFinalizing() != 0;
#endif
}

}  // namespace fastnet
