// The sharding of an epoch from Python, with memory that Python owns.
#pragma once

#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <tuple>

#include "callbacks.h"
#include "core/network/sharding.h"

namespace fastnet {

// The number of shards, the first and the last (excluded) of this process, and the exchange with the others or None.
using GivenSharding = std::tuple<Index, Index, Index, py::object>;
// What begins the exchange of some parameters, and how many at least.
using GivenEarly = std::tuple<py::object, Index>;

// Makes a Sharding whose exchange is a function of (sums, figures), which returns whether training goes on. The
// function sees the core's memory through arrays that own it, so that it may keep them.
template <class T> class PythonSharding {
  public:
    PythonSharding(const std::optional<GivenSharding>& given, const std::optional<GivenEarly>& early, Index values,
                   Index batch_size, Callbacks& callbacks) {
        if (early && (!given || std::get<3>(*given).is_none() || std::get<1>(*early) < 1))
            throw py::value_error("early needs a sharding with an exchange, and at least 1 parameter");
        if (!given)
            return;
        const auto& [shards, first, last, exchange] = *given;
        constexpr Index most = 1 << 16;
        if (shards < 1 || shards > most || first < 0 || first >= last || last > shards)
            throw py::value_error("sharding must have 1.." + std::to_string(most) +
                                  " shards and 0 <= first < last <= shards, got " + std::to_string(shards) +
                                  " shards, first " + std::to_string(first) + " and last " + std::to_string(last));
        ShardTree tree(shards, {first, last});
        sums_ = py::array_t<T>({tree.memory(), values});
        figures_ = py::array_t<double>({batch_size, Index{2}});
        std::fill_n(sums_.mutable_data(), sums_.size(), T(0));
        std::fill_n(figures_.mutable_data(), figures_.size(), 0.0);
        sharding_.emplace(Sharding<T>{std::move(tree), sums_.mutable_data(), figures_.mutable_data(), {}, {}});
        if (!exchange.is_none())
            sharding_->exchange = [this, exchange = py::handle(exchange), &callbacks](Index blocks, Index rows) {
                AfterStep after = AfterStep::fails;
                callbacks.guard([&] {
                    const FlushSubnormals flush;  // sums of several processes are added up as those of one are
                    const py::object answer = called(py::reinterpret_borrow<py::object>(exchange),
                                                     rows_of_array(sums_, blocks), rows_of_array(figures_, rows));
                    after = answer.is(py::bool_(false)) ? AfterStep::ends : AfterStep::goes_on;
                    return true;
                });
                return after;
            };
        if (!early)
            return;
        const auto& [begin, least] = *early;
        sharding_->least = least;
        sharding_->begin = [this, begin = py::handle(begin), &callbacks](Index blocks, Range parameters) {
            return callbacks.guard([&] {
                called(py::reinterpret_borrow<py::object>(begin), rows_of_array(sums_, blocks),
                       py::int_(parameters.begin), py::int_(parameters.end));
                return true;
            });
        };
    }
    const Sharding<T>* get() const { return sharding_ ? &*sharding_ : nullptr; }

  private:
    // The first rows of an array, as a view.
    template <class Value> static py::object rows_of_array(const py::array_t<Value>& array, Index rows) {
        return py::array_t<Value>({rows, static_cast<Index>(array.shape(1))}, array.data(), array);
    }

    py::array_t<T> sums_;
    py::array_t<double> figures_;
    std::optional<Sharding<T>> sharding_;
};

}  // namespace fastnet
