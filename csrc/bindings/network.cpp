// The network's Python interface: argument checks, one user at a time, the GIL released around the work.
#include <pybind11/stl.h>

#include <optional>
#include <tuple>

#include "callbacks.h"
#include "checked_samples.h"
#include "items.h"
#include "layer_specs.h"
#include "locked_network.h"
#include "network_state.h"
#include "prediction.h"
#include "quantized.h"
#include "sharding.h"

namespace fastnet {
namespace {

Metric metric_named(const std::string& name) {
    if (name.empty())
        return Metric::none;
    if (name == "categorical_accuracy")
        return Metric::categorical_accuracy;
    if (name == "binary_accuracy")
        return Metric::binary_accuracy;
    throw py::value_error("metric must be one of '', 'categorical_accuracy', 'binary_accuracy'; got '" + name + "'");
}

// The reduction with this Keras name.
Reduction reduction_named(const std::string& name) {
    if (name == "sum_over_batch_size" || name == "mean")
        return Reduction::mean;
    if (name == "mean_with_sample_weight")
        return Reduction::weighted_mean;
    if (name == "sum")
        return Reduction::sum;
    throw py::value_error(
        "reduction must be one of 'sum_over_batch_size', 'mean', 'mean_with_sample_weight', 'sum'; got '" + name + "'");
}

InputForm input_form_named(const std::string& name) {
    if (name == "automatic")
        return InputForm::automatic;
    if (name == "dense")
        return InputForm::dense;
    if (name == "compressed")
        return InputForm::compressed;
    throw py::value_error("form must be one of 'automatic', 'dense', 'compressed'; got '" + name + "'");
}

Derivative derivative_named(const std::string& name) {
    if (name == "outputs")
        return Derivative::outputs;
    if (name == "weighted_outputs")
        return Derivative::weighted_outputs;
    if (name == "loss")
        return Derivative::loss;
    throw py::value_error("of must be one of 'outputs', 'weighted_outputs', 'loss'; got '" + name + "'");
}

std::vector<double> ordered_hyperparameters(const char* const* names, const py::dict& given) {
    std::vector<double> values;
    for (; *names; ++names) {
        if (!given.contains(*names))
            throw py::value_error(std::string("hyperparameters must have '") + *names + "'");
        values.push_back(item_or<double>(given, *names, 0));
    }
    if (values.size() != given.size())
        throw py::value_error("hyperparameters has " + std::to_string(given.size()) + " entries, the optimizer takes " +
                              std::to_string(values.size()));
    return values;
}

// Checked as far as the core relies on it. User settings are validated in Python.
template <class T> OptimizerOptions optimizer_options(const py::dict& given, const Network<T>& network) {
    OptimizerOptions options;
    options.weight_decay = item_or<double>(given, "weight_decay", 0);
    options.clipvalue = item_or<double>(given, "clipvalue", 0);
    options.clipnorm = item_or<double>(given, "clipnorm", 0);
    options.global_clipnorm = item_or<double>(given, "global_clipnorm", 0);
    options.accumulation_steps = item_or<Index>(given, "gradient_accumulation_steps", 1);
    options.use_ema = item_or<bool>(given, "use_ema", false);
    options.ema_momentum = item_or<double>(given, "ema_momentum", 0);
    options.ema_overwrite_frequency = options.use_ema ? item_or<Index>(given, "ema_overwrite_frequency", 0) : 0;
    require_positive(options.accumulation_steps, "gradient_accumulation_steps");
    options.undecayed = item_or<std::vector<Index>>(given, "undecayed", {});
    for (const Index offset : item_or<std::vector<Index>>(given, "matrices", {}))
        for (const auto& [layer, slot] : network.slots())
            if (slot.trainable && slot.offset == offset && slot.shape.size() == 2)
                options.matrices.push_back({slot.offset, slot.shape[0], slot.shape[1]});
    return options;
}

using LearningRates = py::array_t<double, py::array::c_style | py::array::forcecast>;

std::vector<double> learning_rates(const std::optional<LearningRates>& given, Index samples, Index batch_size) {
    if (!given)
        return {};
    const Index steps = (samples - 1) / batch_size + 1;
    if (given->ndim() > 1 || (given->ndim() == 1 && given->size() != steps))
        throw py::value_error("learning_rate must be a number or have " + std::to_string(steps) +
                              " values, one for each step, got a " + describe(*given));
    return {given->data(), given->data() + given->size()};
}

// A hook from a function of (first row, outputs), which returns (loss, gradient) where the core asks for them.
template <class T> BatchHook<T> batch_hook(const py::object& function, Index outputs, Callbacks& callbacks) {
    if (function.is_none())
        return {};
    return [&function, outputs, &callbacks](Index first, Index rows, const T* values, double* loss, T* gradient) {
        return callbacks.guard([&] {
            py::array_t<T> of_batch({rows, outputs});
            std::copy_n(values, rows * outputs, of_batch.mutable_data());
            const py::object answer = called(function, first, of_batch);
            if (!loss)
                return true;
            const auto [value, gradients] = answer.cast<std::pair<double, py::object>>();
            const auto by_output = converted<T>(gradients);
            if (by_output.ndim() != 2 || by_output.shape(0) != rows || by_output.shape(1) != outputs)
                throw py::value_error("the gradient of the loss must have shape (" + std::to_string(rows) + ", " +
                                      std::to_string(outputs) + "), got a " + describe(by_output));
            *loss = value;
            std::copy_n(by_output.data(), rows * outputs, gradient);
            return true;
        });
    };
}

// Steps, sums of the loss and the metric, and the first step that was not finite, as returned by an earlier call.
using Done = std::tuple<Index, double, double, Index>;
// The step that begins with the first sample, and the number of samples in the epoch.
using Window = std::pair<Index, Index>;

EpochPart epoch_part(const std::optional<Done>& done, const std::optional<Index>& end,
                     const std::optional<Window>& window, Index samples, Index batch_size) {
    EpochPart part;
    if (end)
        part.end = *end;
    if (window) {
        std::tie(part.first, part.rows) = *window;
        const Index begin = part.first * batch_size, end = begin + ((samples - 1) / batch_size + 1) * batch_size;
        const Index from = done ? std::get<0>(*done) : 0;
        if (part.rows <= begin || part.first > from || std::min(end, part.rows) - begin > samples)
            throw py::value_error("window must be a step and the samples of an epoch that has " +
                                  std::to_string(samples) + " from there on, got " + std::to_string(part.first) +
                                  " and " + std::to_string(part.rows));
        samples = part.rows;
    }
    if (!done)
        return part;
    EpochResult& before = part.done;
    std::tie(before.steps, before.loss_sum, before.metric_sum, before.first_nonfinite) = *done;
    if (const Index steps = (samples - 1) / batch_size + 1; before.steps < 0 || before.steps > steps)
        throw py::value_error("done must have 0.." + std::to_string(steps) + " steps, got " +
                              std::to_string(before.steps));
    return part;
}

template <class T> py::tuple train_epoch(LockedNetwork<T>& self, const py::object& x, const py::array& y,
                                         const OptionalArray& order, Index batch_size,
                                         const OptionalArray& sample_weight, const py::object& progress,
                                         const std::optional<LearningRates>& learning_rate, double interval,
                                         const py::object& hook, const std::optional<Done>& done,
                                         const std::optional<Index>& end, const std::optional<GivenSharding>& sharding,
                                         const std::optional<Window>& window, const std::optional<GivenEarly>& early) {
    require_positive(batch_size, "batch_size");
    const CheckedSamples checked(self.shape().input_size(), self.shape().output_size(), x, y, order, sample_weight);
    const EpochPart part = epoch_part(done, end, window, checked.samples.count, batch_size);
    const std::vector<double> rates = learning_rates(learning_rate, checked.samples.count, batch_size);
    Callbacks callbacks;
    const Index samples = part.rows > 0 ? part.rows : checked.samples.count;
    const PythonSharding<T> shards(sharding, early, self.shape().value_count(), std::min(batch_size, samples),
                                   callbacks);
    const auto report = [&](const EpochResult& result, Index total) {
        return callbacks.guard([&] {
            check_signals();
            return progress.is_none() ||
                   !called(progress, result.steps, total, result.loss, result.metric).is(py::bool_(false));
        });
    };
    const BatchHook<T> on_batch = batch_hook<T>(hook, self.shape().output_size(), callbacks);
    const EpochResult result = self.with([&](Network<T>& network) {
        return network.train_epoch(checked.samples, batch_size, rates, {report, interval}, on_batch, part,
                                   shards.get());
    });
    callbacks.rethrow();
    return py::make_tuple(result.steps, result.loss, result.metric, result.first_nonfinite,
                          py::make_tuple(result.loss_sum, result.metric_sum));
}

// Some of the rows to evaluate, from the first to the last (excluded), and what fills in the figures of the others.
using GivenPart = std::tuple<Index, Index, py::object>;

// Returns the mean loss and metric of samples. With a part, a function gets the losses and metrics of all of them,
// shape (2, n), of which the columns of the part are there.
template <class T> py::tuple evaluated(LockedNetwork<T>& self, const Samples& samples, Index batch_size,
                                       const std::optional<GivenPart>& part) {
    const Index count = samples.count;
    py::array_t<double> figures({Index{2}, count});
    std::fill_n(figures.mutable_data(), 2 * count, 0.0);
    double* const losses = figures.mutable_data();
    double* const metrics = losses + count;
    EpochResult result;
    if (!part) {
        result = self.with([&](Network<T>& network) {
            network.evaluate(samples, batch_size, {0, count}, losses, metrics);
            return network.mean_of(samples, losses, metrics);
        });
        return py::make_tuple(result.loss, result.metric);
    }
    const auto& [first, last, exchange] = *part;
    if (first < 0 || first > last || last > count)
        throw py::value_error("part must have 0 <= first <= last <= " + std::to_string(count) + ", got first " +
                              std::to_string(first) + " and last " + std::to_string(last));
    const Range rows{first, last};
    self.with([&](Network<T>& network) { network.evaluate(samples, batch_size, rows, losses, metrics); });
    called(exchange, figures);
    result = self.with([&](Network<T>& network) { return network.mean_of(samples, losses, metrics); });
    return py::make_tuple(result.loss, result.metric);
}

template <class T> py::array_t<T> differentiate(LockedNetwork<T>& self, const py::object& x, const std::string& name,
                                                const OptionalArray& y, const OptionalArray& sample_weight) {
    const Derivative of = derivative_named(name);
    if (!y == (of != Derivative::outputs))
        throw py::value_error("y must be there for the derivatives of weighted_outputs and loss alone");
    const Network<T>& shape = self.shape();
    const CheckedSamples checked(shape.input_size(), shape.output_size(), x, y, {}, sample_weight);
    const Index count = checked.samples.count, rows = of == Derivative::outputs ? shape.output_size() : 1;
    std::vector<Index> dimensions{count, rows, shape.input_size()};
    if (of != Derivative::outputs)
        dimensions.erase(dimensions.begin() + 1);
    py::array_t<T> result(dimensions);
    T* const out = result.mutable_data();
    const double operations =
        shape.operations_of_dense_row() * static_cast<double>(count) * static_cast<double>(1 + rows);
    if (count > 0)
        self.with([&](Network<T>& network) { network.differentiate(checked.samples, of, out); },
                  operations < brief_operations);
    return result;
}

template <class T> void register_class(py::module_& module, const char* name) {
    using Self = LockedNetwork<T>;
    py::class_<Self> network(module, name);
    define_state(network);
    network
        .def(py::init([](Index input_size, const std::vector<py::dict>& layers) {
                 return std::make_unique<Self>(input_size, layer_specs(layers));
             }),
             py::arg("input_size"), py::arg("layers"))
        .def_property_readonly("input_size", [](const Self& self) { return self.shape().input_size(); })
        .def_property_readonly("output_size", [](const Self& self) { return self.shape().output_size(); })
        .def_property_readonly("parameter_slots",
                               [](const Self& self) {
                                   py::list result;
                                   for (const auto& [layer, slot] : self.shape().slots())
                                       result.append(py::make_tuple(layer, slot.name, slot.offset,
                                                                    py::tuple(py::cast(slot.shape)), slot.trainable));
                                   return result;
                               })
        .def("quantized_kernels",
             [](const Self& self) {
                 py::dict result;
                 for (const auto& [layer, kernel] : self.shape().quantized_kernels())
                     result[py::int_(layer)] = quantized_kernel(*kernel);
                 return result;
             })
        .def(
            "set_input_form",
            [](Self& self, const std::string& form) {
                const InputForm chosen = input_form_named(form);
                self.at_once([&](Network<T>& network) { network.set_input_form(chosen); });
            },
            py::arg("form"))
        .def(
            "update_layers",
            [](Self& self, const std::vector<py::dict>& layers) {
                const std::vector<LayerSpec> specs = layer_specs(layers);
                self.at_once([&](Network<T>& network) { network.update_layers(specs); });
            },
            py::arg("layers"))
        .def(
            "set_penalties",
            [](Self& self, const std::vector<std::tuple<Index, Index, double, double>>& ranges, bool divided) {
                const Index limit = self.shape().parameter_count();
                std::vector<Penalty> penalties;
                for (const auto& [offset, size, l1, l2] : ranges) {
                    if (offset < 0 || size < 0 || size > limit || offset > limit - size)
                        throw py::value_error("a penalty must lie in 0.." + std::to_string(limit) + ", got offset " +
                                              std::to_string(offset) + " and size " + std::to_string(size));
                    penalties.push_back({offset, size, l1, l2});
                }
                self.at_once([&](Network<T>& network) { network.set_penalties(penalties, divided); });
            },
            py::arg("penalties"), py::arg("divided") = false)
        .def(
            "compile",
            [](Self& self, const std::string& loss, const std::string& metric, const std::string& optimizer,
               const py::dict& hyperparameters, const std::array<double, max_loss_parameters>& parameters,
               bool from_logits, const std::string& reduction, const py::dict& options) {
                const auto& kernel = find_kernel(kernels<T>().optimizers, optimizer, "optimizer");
                Training training;
                training.loss = loss, training.loss_parameters = parameters;
                training.from_logits = from_logits, training.reduction = reduction_named(reduction);
                training.metric = metric_named(metric), training.optimizer = optimizer;
                training.hyperparameters = ordered_hyperparameters(kernel.hyperparameters, hyperparameters);
                training.options = optimizer_options(options, self.shape());
                self.at_once([&](Network<T>& network) { network.compile(training); });
            },
            py::arg("loss"), py::arg("metric"), py::arg("optimizer"), py::arg("hyperparameters"),
            py::arg("loss_parameters") = std::array<double, max_loss_parameters>{}, py::arg("from_logits") = false,
            py::arg("reduction") = "sum_over_batch_size", py::arg("options") = py::dict())
        .def("train_epoch", &train_epoch<T>, py::arg("x"), py::arg("y"), py::arg("order").none(true),
             py::arg("batch_size"), py::arg("sample_weight").none(true), py::arg("progress").none(true),
             py::arg("learning_rate").none(true) = py::none(), py::arg("interval") = 0.05,
             py::arg("hook").none(true) = py::none(), py::arg("done").none(true) = py::none(),
             py::arg("end").none(true) = py::none(), py::arg("sharding").none(true) = py::none(),
             py::arg("window").none(true) = py::none(), py::arg("early").none(true) = py::none())
        .def(
            "loss_and_gradients",
            [](Self& self, const py::object& x, const py::array& y, const OptionalArray& sample_weight,
               const py::object& hook) {
                const CheckedSamples checked(self.shape().input_size(), self.shape().output_size(), x, y, {},
                                             sample_weight);
                Values<T> gradients(self.shape().parameter_count());
                T* out = gradients.mutable_data();
                Callbacks callbacks;
                const BatchHook<T> on_batch = batch_hook<T>(hook, self.shape().output_size(), callbacks);
                const double loss = self.with(
                    [&](Network<T>& network) { return network.loss_and_gradients(checked.samples, out, on_batch); });
                callbacks.rethrow();
                return py::make_tuple(loss, gradients);
            },
            py::arg("x"), py::arg("y"), py::arg("sample_weight").none(true), py::arg("hook").none(true) = py::none())
        .def(
            "evaluate",
            [](Self& self, const py::object& x, const py::array& y, Index batch_size,
               const OptionalArray& sample_weight, const std::optional<GivenPart>& part) {
                require_positive(batch_size, "batch_size");
                const CheckedSamples checked(self.shape().input_size(), self.shape().output_size(), x, y, {},
                                             sample_weight);
                return evaluated<T>(self, checked.samples, batch_size, part);
            },
            py::arg("x"), py::arg("y"), py::arg("batch_size"), py::arg("sample_weight").none(true),
            py::arg("part").none(true) = py::none())
        .def("differentiate", &differentiate<T>, py::arg("x"), py::arg("of"), py::arg("y").none(true) = py::none(),
             py::arg("sample_weight").none(true) = py::none());
    define_prediction<T>(network);
}

}  // namespace

void register_network(py::module_& module) {
    register_class<float>(module, "Network32");
    register_class<double>(module, "Network64");
}

}  // namespace fastnet
