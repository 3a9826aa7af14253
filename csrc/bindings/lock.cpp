#include "lock.h"

#include <chrono>
#include <memory>
#include <stdexcept>

#include "arrays.h"

namespace fastnet {

Lock::~Lock() {
    if (Room* const room = room_.load(); room && room->generation == fork_generation())
        delete room;
}

bool Lock::free() const {
    const std::uint64_t user = user_.load();
    return user == 0 || left_behind(user);
}

bool Lock::try_lock() {
    const std::uint64_t self = thread_number();
    std::uint64_t user = user_.load();
    if (user == self)
        throw std::runtime_error(nested_);
    return (user == 0 || left_behind(user)) && user_.compare_exchange_strong(user, self);
}

void Lock::lock() {
    while (!try_lock()) {
        wait_briefly();
        if (free())
            continue;
        const WithGil gil;
        if (PyErr_CheckSignals() != 0)
            throw py::error_already_set();
        if (interpreter_ends())  // and with it the thread that has the lock
            throw std::runtime_error("a thread that the end of the interpreter has stopped is in the way");
    }
}

void Lock::unlock() {
    user_.store(0);
    // A thread that does not see this announced its room before, in the single order of these accesses.
    if (Room* const room = room_.load(); room && room->generation == fork_generation()) {
        {
            const std::lock_guard guard(room->mutex);
        }
        room->freed.notify_one();
    }
}

Lock::Room& Lock::room() {
    Room* known = room_.load();
    if (known && known->generation == fork_generation())
        return *known;
    auto made = std::make_unique<Room>();
    return room_.compare_exchange_strong(known, made.get()) ? *made.release() : *known;
}

void Lock::wait_briefly() {
    Room& room = this->room();
    std::unique_lock guard(room.mutex);
    if (!free())
        room.freed.wait_for(guard, std::chrono::milliseconds(50));
}

void register_lock(py::module_& module) {
    py::class_<Lock>(module, "Lock")
        .def(py::init([] { return std::make_unique<Lock>("this thread has the lock already"); }))
        .def("__enter__",
             [](Lock& self) {
                 if (self.try_lock())
                     return;
                 const WithoutGil gil;
                 self.lock();
             })
        .def("__exit__", [](Lock& self, const py::args&) { self.unlock(); });
}

}  // namespace fastnet
