// Calls of Python in the middle of the core's work: losses, metrics, progress, and signal handlers.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "arrays.h"
#include "core/interruption.h"
#include "core/threads/float_mode.h"

namespace fastnet {

// Calls of Python during one call of the core, with the GIL and in the floating-point mode of the caller. No exception
// passes through the core: it is thrown when the core has returned.
class Callbacks {
  public:
    // Calls f. Returns false if it raised, which ends the work.
    template <class F> bool guard(F f) {
        const FloatModeScope callers(callers_);
        const WithGil gil;
        try {
            return f();
        } catch (py::error_already_set& error) {
            error_.emplace(std::move(error));
        } catch (const std::exception&) {
            other_ = std::current_exception();
        }
        return false;
    }
    void rethrow() {
        if (error_)
            throw std::move(*error_);
        if (other_)
            std::rethrow_exception(other_);
    }

  private:
    const FloatMode callers_ = float_mode();
    std::optional<py::error_already_set> error_;
    std::exception_ptr other_;
};

// Returns the result of a Python function.
template <class... Arguments> py::object called(const py::object& function, const Arguments&... arguments) {
    const py::tuple tuple = py::make_tuple(arguments...);
    return checked_object([&] { return PyObject_CallObject(function.ptr(), tuple.ptr()); });
}

// Whether this is the thread in which Python runs signal handlers.
bool in_main_thread();

// Runs signal handlers. Throws the exception that one raises.
void check_signals();

// Thrown by work that was broken off before it began. The handler's exception is thrown in its place.
struct BrokenOff {};

// Calls work(interruption) without the GIL. Meanwhile signal handlers run. One that raises breaks off the work, and its
// exception is thrown. Other threads than the main one have no signal handlers, and there the interruption is null.
template <class Work> auto interruptibly(Work work) {
    Callbacks callbacks;
    const auto run_handlers = [] {
        check_signals();
        return true;
    };
    std::optional<Interruption> interruption;
    if (in_main_thread())
        interruption.emplace([&] { return callbacks.guard(run_handlers); });
    const auto call = [&] {
        const WithoutGil gil;
        return work(interruption ? &*interruption : nullptr);
    };
    try {
        if constexpr (std::is_void_v<decltype(call())>) {
            call();
            callbacks.rethrow();
        } else {
            auto result = call();
            callbacks.rethrow();
            return result;
        }
    } catch (const BrokenOff&) {
        callbacks.rethrow();
        throw;
    }
}

// The same for work of this many operations. Brief work keeps the GIL: others would not notice that they could run.
template <class Work> auto interruptibly(double operations, Work work) {
    return operations < brief_operations ? work(nullptr) : interruptibly(work);
}

}  // namespace fastnet
