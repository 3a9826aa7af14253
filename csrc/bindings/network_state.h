// The persistent state of a network: weights, the state of the optimizer, the seeds of random layers. Each function
// reads or writes its part as a whole, so that no other thread sees half of it.
#pragma once

#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "locked_network.h"

namespace fastnet {

template <class T> using Values = py::array_t<T, py::array::c_style>;

// Arrays of values, each with its offset in the network's flat values.
template <class T> using Pieces = std::vector<std::pair<Index, Values<T>>>;

using Seeds = std::vector<std::uint64_t>;

template <class T> Seeds seeds_of(Network<T>& network) {
    Seeds seeds;
    for (const std::uint64_t* seed : network.seeds())
        seeds.push_back(*seed);
    return seeds;
}

template <class T> void require_seeds(Network<T>& network, const Seeds& seeds) {
    if (const std::size_t count = network.seeds().size(); seeds.size() != count)
        throw std::invalid_argument("seeds must have " + std::to_string(count) + " values, got " +
                                    std::to_string(seeds.size()));
}

template <class T> void write_seeds(Network<T>& network, const Seeds& seeds) {
    const auto places = network.seeds();
    for (std::size_t i = 0; i < seeds.size(); ++i)
        *places[i] = seeds[i];
}

template <class T> Values<T> get_parameters(LockedNetwork<T>& self) {
    const Index size = self.shape().value_count();
    Values<T> result(size);
    T* const out = result.mutable_data();
    self.at_once([&](Network<T>& network) { std::copy_n(network.values(), size, out); });
    return result;
}

template <class T> void set_pieces(LockedNetwork<T>& self, const Pieces<T>& pieces) {
    const Index size = self.shape().value_count();
    for (const auto& [offset, values] : pieces) {
        if (offset < 0 || offset > size)
            throw py::value_error("offset must be in 0.." + std::to_string(size) + ", got " + std::to_string(offset));
        if (values.ndim() != 1 || values.size() > size - offset)
            throw py::value_error("values must be flat with at most " + std::to_string(size - offset) +
                                  " values, got a " + describe(values));
    }
    self.at_once([&](Network<T>& network) {
        for (const auto& [offset, values] : pieces)
            std::copy_n(values.data(), values.size(), network.values_to_change() + offset);
    });
}

// The state of the optimizer with the number of its steps, and the result of `more`, read from the network at the same
// moment.
template <class T, class More> std::pair<std::int64_t, Values<T>> optimizer_state(LockedNetwork<T>& self, More more) {
    for (;;) {  // repeated if the network is compiled anew between the two reads
        const Index size = self.at_once([](Network<T>& network) { return network.state_size(); });
        Values<T> state(size);
        T* const out = state.mutable_data();
        const std::int64_t steps = self.at_once([&](Network<T>& network) -> std::int64_t {
            if (network.state_size() != size)
                return -1;
            std::copy_n(network.state(), size, out);
            more(network);
            return network.finished_steps();
        });
        if (steps >= 0)
            return {steps, state};
    }
}

template <class T, class More>
void set_optimizer_state(LockedNetwork<T>& self, std::int64_t steps, const Values<T>& state, More more) {
    if (steps < 0)
        throw py::value_error("step must not be negative, got " + std::to_string(steps));
    if (state.ndim() != 1)
        throw py::value_error("state must be flat, got a " + describe(state));
    const T* const from = state.data();
    const Index size = state.size();
    self.at_once([&](Network<T>& network) {
        if (size != network.state_size())
            throw std::invalid_argument("state must have " + std::to_string(network.state_size()) + " values, got " +
                                        std::to_string(size));
        more(network);
        std::copy_n(from, size, network.state());
        network.set_finished_steps(steps);
    });
}

template <class T> py::tuple get_state(LockedNetwork<T>& self) {
    const Index size = self.shape().value_count();
    Values<T> values(size);
    T* const out = values.mutable_data();
    Seeds seeds;
    const auto [steps, state] = optimizer_state(self, [&](Network<T>& network) {
        std::copy_n(network.values(), size, out);
        seeds = seeds_of(network);
    });
    return py::make_tuple(values, steps, state, seeds);
}

template <class T>
void set_state(LockedNetwork<T>& self, const Values<T>& values, std::int64_t steps, const Values<T>& state,
               const Seeds& seeds) {
    const Index size = self.shape().value_count();
    if (values.ndim() != 1 || values.size() != size)
        throw py::value_error("values must be flat with " + std::to_string(size) + " values, got a " +
                              describe(values));
    const T* const from = values.data();
    set_optimizer_state(self, steps, state, [&](Network<T>& network) {
        require_seeds(network, seeds);
        write_seeds(network, seeds);
        std::copy_n(from, size, network.values_to_change());
    });
}

template <class T> void define_state(py::class_<LockedNetwork<T>>& network) {
    using Self = LockedNetwork<T>;
    network
        .def_property_readonly("values",
                               [](const py::object& self) {
                                   Network<T>& network = self.cast<Self&>().unlocked();
                                   return Values<T>(network.value_count(), network.live_values(), self);
                               })
        .def("get_parameters", &get_parameters<T>)
        .def(
            "set_parameters",
            [](Self& self, const Values<T>& values, Index offset) { set_pieces<T>(self, {{offset, values}}); },
            py::arg("values").noconvert(), py::arg("offset") = 0)
        .def("set_pieces", &set_pieces<T>, py::arg("pieces").noconvert())
        .def("get_seeds", [](Self& self) { return self.at_once(seeds_of<T>); })
        .def(
            "set_seeds",
            [](Self& self, const Seeds& seeds) {
                self.at_once([&](Network<T>& network) {
                    require_seeds(network, seeds);
                    write_seeds(network, seeds);
                });
            },
            py::arg("seeds"))
        .def("use_average", [](Self& self) { self.at_once([](Network<T>& network) { network.use_average(); }); })
        .def_property_readonly(
            "finished_steps",
            [](Self& self) { return self.at_once([](Network<T>& network) { return network.finished_steps(); }); })
        .def("get_optimizer_state", [](Self& self) { return optimizer_state(self, [](Network<T>&) {}); })
        .def(
            "set_optimizer_state",
            [](Self& self, std::int64_t step, const Values<T>& state) {
                set_optimizer_state(self, step, state, [](Network<T>&) {});
            },
            py::arg("step"), py::arg("state").noconvert())
        .def("get_state", &get_state<T>)
        .def("set_state", &set_state<T>, py::arg("values").noconvert(), py::arg("steps"), py::arg("state").noconvert(),
             py::arg("seeds"));
}

}  // namespace fastnet
