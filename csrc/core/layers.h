// The layers. Each maps rows of input_size values to rows of output_size values; an activation follows it, which the
// network hands in as an epilogue so that the layer can apply it while its result is still in cache.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "gemm.h"
#include "kernels.h"
#include "parallel.h"
#include "sparse.h"

namespace fastnet {

// A layer as the outside describes it.
struct LayerSpec {
    std::string type;                       // "dense", "activation" or "rescaling"
    index units = 0;                        // dense
    bool use_bias = true;                   // dense
    std::string activation = "linear";      // dense, activation
    double alpha = 0;                       // the activation's parameter
    double scale = 1, offset = 0;           // rescaling
    Precision precision = Precision::full;  // dense
};

// A named array inside the flat vector of parameters.
struct ParameterSlot {
    std::string name;
    index offset;
    std::vector<index> shape;
};

// Who computes: a team, and where its members keep packed operands.
template <class T> struct Crew {
    Team& team;
    GemmWorkspace<T>& workspace;
};

// A step of the optimizer: its kernels and the arrays of the whole network.
template <class T> struct Optimization {
    const OptimizerKernels<T>& kernels;
    OptimizerArguments<T> arguments;
};

template <class T> class Layer {
  public:
    Layer(index input_size, index output_size) : input_size(input_size), output_size(output_size) {}
    virtual ~Layer() = default;

    const index input_size, output_size;
    // Set by make_layers: what follows the map, and which description the layer was made from.
    const ActivationKernels<T>* activation = nullptr;
    T alpha = 0;
    index spec = 0;

    // The layer's arrays, offsets counted from its first parameter.
    virtual std::vector<ParameterSlot> slots() const { return {}; }
    virtual index parameter_count() const { return 0; }
    virtual double operations_per_row() const { return static_cast<double>(input_size + output_size); }

    // The density up to which compressed rows of input are faster than rows as they are; negative where the layer
    // cannot read them.
    virtual double densest_compressed() const { return -1; }

    // What the map adds to every row, or null. The epilogue of a forward product brings it, from registers to C.
    virtual const T* bias(const T* /*parameters*/) const { return nullptr; }

    // y = epilogue(map(x)), the bias in the epilogue. Members of the team write shares of y; a barrier is the caller's
    // business.
    virtual void forward(Crew<T> crew, const T* parameters, const Input<T>& x, T* y, index rows,
                         const Epilogue<T>& epilogue) const = 0;
    // dx = epilogue(gradient of the map's input), from dy, the gradient of the map's output; null for no epilogue.
    virtual void backward(Crew<T> crew, const T* parameters, const T* dy, T* dx, index rows,
                          const Epilogue<T>* epilogue) const = 0;
    // The gradient of the parameters that belong to these inputs (the bias to the first), summed over the rows, and, to
    // accumulate, over those of earlier calls. With an optimizer each member of the team goes on to update the
    // parameters whose gradients it has computed.
    virtual void parameter_gradients(Crew<T>, Range /*inputs*/, const Input<T>& /*x*/, const T* /*dy*/,
                                     T* /*gradients*/, index /*rows*/, bool /*accumulate*/,
                                     const Optimization<T>* /*optimization*/) const {}

    // The map may be a sum over stretches of its input, each of which one thread can compute: sums = what the inputs of
    // a stretch add. finish_sum(parts, y) gives y = epilogue(map(x)) of these rows, with the same bits as forward.
    virtual Panels stretches() const { return Panels::whole(input_size); }
    virtual void forward_stretch(Crew<T>, const T* /*parameters*/, index /*stretch*/, const Input<T>& /*x*/,
                                 T* /*sums*/, index /*rows*/) const {}
    virtual void finish_sum(const T* /*sums*/, index /*stride*/, T* /*y*/, index /*rows*/,
                            const Epilogue<T>& /*epilogue*/) const {}
};

// Throws std::invalid_argument for what does not exist or does not fit.
template <class T> std::vector<std::unique_ptr<Layer<T>>> make_layers(index input_size,
                                                                      const std::vector<LayerSpec>& specs);

// The entry with this name in a list that ends with a null name. Throws std::invalid_argument naming what there is.
template <class Entry> const Entry& find_kernel(const Entry* list, const std::string& name, const char* what) {
    std::string known;
    for (const Entry* entry = list; entry->name; ++entry) {
        if (name == entry->name)
            return *entry;
        known += (known.empty() ? "" : ", ") + std::string(entry->name);
    }
    throw std::invalid_argument(std::string(what) + " must be one of " + known + "; got '" + name + "'");
}

}  // namespace fastnet
