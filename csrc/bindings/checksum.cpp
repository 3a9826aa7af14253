// The checksum of files, with the interface of hashlib's.
#include "../core/checksum.h"

#include <cstdio>
#include <mutex>

#include "arrays.h"

namespace fastnet {
namespace {

class LockedChecksum {
  public:
    void update(const py::buffer& data) {
        const py::buffer_info info = data.request();
        if (PyBuffer_IsContiguous(info.view(), 'C') == 0)
            throw py::value_error("data must be contiguous");
        const py::gil_scoped_release release;
        const std::lock_guard<std::mutex> lock(mutex_);
        checksum_.update(static_cast<const unsigned char*>(info.ptr), static_cast<std::size_t>(info.view()->len));
    }
    std::string hexdigest() {
        const std::lock_guard<std::mutex> lock(mutex_);
        std::array<char, 17> text{};
        std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(checksum_.value()));
        return text.data();
    }

  private:
    Checksum checksum_;
    std::mutex mutex_;
};

}  // namespace

void register_checksum(py::module_& module) {
    py::class_<LockedChecksum>(module, "Checksum")
        .def(py::init<>())
        .def("update", &LockedChecksum::update, py::arg("data"))
        .def("hexdigest", &LockedChecksum::hexdigest);
}

}  // namespace fastnet
