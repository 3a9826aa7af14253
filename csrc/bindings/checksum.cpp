// The checksum of files, with the interface of hashlib.
#include "core/checksum.h"

#include <cstdio>
#include <mutex>

#include "arrays.h"
#include "lock.h"

namespace fastnet {
namespace {

class LockedChecksum {
  public:
    void update(const py::buffer& data) {
        const py::buffer_info info = data.request();
        if (PyBuffer_IsContiguous(info.view(), 'C') == 0)
            throw py::value_error("data must be contiguous");
        const WithoutGil gil;
        const std::lock_guard<Lock> use(lock_);
        checksum_.update(static_cast<const unsigned char*>(info.ptr), static_cast<std::size_t>(info.view()->len));
    }
    std::string hexdigest() {
        const WithoutGil gil;
        const std::lock_guard<Lock> use(lock_);
        std::array<char, 17> text{};
        std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(checksum_.value()));
        return text.data();
    }

  private:
    Checksum checksum_;
    Lock lock_{"the checksum is in use by this thread"};
};

}  // namespace

void register_checksum(py::module_& module) {
    py::class_<LockedChecksum>(module, "Checksum")
        .def(py::init<>())
        .def("update", &LockedChecksum::update, py::arg("data"))
        .def("hexdigest", &LockedChecksum::hexdigest);
}

}  // namespace fastnet
