// The layers. Each maps rows of input_size values to rows of output_size values. An activation may follow. The network
// passes it in as an epilogue, so that the layer can apply it while its result is still in cache.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/products/gemm.h"
#include "core/products/sparse.h"
#include "core/threads/parallel.h"
#include "specs.h"

namespace fastnet {

// A named array inside the flat vector of the layer's values. An array that is not trained, such as a moving average,
// is a statistic. The statistics of all layers lie behind the parameters of all layers.
struct ParameterSlot {
    std::string name;
    Index offset;
    std::vector<Index> shape;
    bool trainable = true;

    Index size() const {
        Index product = 1;
        for (Index n : shape)
            product *= n;
        return product;
    }
};

// A thread team and its GEMM workspace.
template <class T> struct Crew {
    Team& team;
    GemmWorkspace<T>& workspace;
};

// A step of the optimizer: its kernels and the arrays of the whole network.
template <class T> struct Optimization {
    const OptimizerKernels<T>& kernels;
    OptimizerArguments<T> arguments;

    // Updates the parameters of these gradients.
    void update(const T* gradients, Index count) const {
        kernels.update(arguments, gradients - arguments.gradients, count);
    }
};

// Everything a layer needs for one forward or backward pass over some rows: threads, parameters, scratch, random state.
template <class T> struct Pass {
    Crew<T> crew;
    Index rows;
    Index first_row;    // index of the first of these rows in the batch
    std::int64_t step;  // of training; 0 outside of training, when layers act as in prediction
    const T* parameters = nullptr;
    const T* statistics = nullptr;
    T* memory = nullptr;        // kept for these rows by the forward pass for the backward pass
    const T* skip = nullptr;    // the second operand of an addition, or where a shortcut begins
    Index gradients = 1;        // rows of the backward pass for each row of the forward pass
    const T* packed = nullptr;  // the layer's kernel as `pack` left it, or null
    bool fresh = true;          // see kept
    bool goes_back = true;      // whether a backward pass follows
    Index kept_offset = 0;

    bool training() const { return step != 0; }
    // Memory of this member of the team: scratch_size() values for the pass, and kept_size() values that it has filled
    // in an earlier pass with these parameters, unless the pass is `fresh`.
    T* scratch() const { return crew.workspace.scratch(crew.team.rank()); }
    T* kept() const { return scratch() + kept_offset; }
    // The row of the forward pass that row i of the backward pass belongs to.
    Index forward_row(Index i) const { return gradients == 1 ? i : i / gradients; }
};

template <class T> class Layer {
  public:
    Layer(Index input_size, Index output_size) : input_size(input_size), output_size(output_size) {}
    virtual ~Layer() = default;

    const Index input_size, output_size;
    // Set by make_layers: the activation that follows, its parameter and its rows, the index of the layer's description
    // and, for an addition or a shortcut, the layer whose output it takes.
    const ActivationKernels<T>* activation = nullptr;
    T alpha = 0;
    Index activation_rows = 1;  // of an output: the activation acts on each
    Index spec = 0;
    Index skip = -1;
    // Whether training leaves the layer's parameters and statistics as they are.
    bool frozen = false;

    // The layer's arrays, offsets counted from its first parameter or statistic.
    virtual std::vector<ParameterSlot> slots() const { return {}; }
    virtual Index parameter_count() const { return 0; }
    virtual Index statistic_count() const { return 0; }
    virtual double operations_per_row() const { return static_cast<double>(input_size + output_size); }
    // Size of the memory of a pass: per row, shared by all rows, or 0 for none.
    virtual Index memory_per_row() const { return 0; }
    virtual Index memory_per_batch() const { return 0; }
    // Computes the part of the shared memory that depends on the layer's arrays alone. Called before any rows.
    virtual void prepare(const T* /*parameters*/, const T* /*statistics*/, T* /*memory*/) const {}
    // Values of memory that each member of a team needs: during a pass, and between passes with the same parameters.
    virtual Index scratch_size() const { return 0; }
    virtual Index kept_size() const { return 0; }
    // Whether the layer computes images. Its parameter gradients are then summed in parts: parameter_gradients gets the
    // rows of one part, and a team of one.
    virtual bool computes_images() const { return false; }
    // For a layer that packs its kernel for GEMM. packed_size is the size of the whole packed kernel, or 0 where
    // products of this many rows read the kernel unpacked. With pack, the members of a team pack it once for many
    // products.
    virtual Index packed_size(Index /*rows*/) const { return 0; }
    virtual void pack(const Team&, const T* /*parameters*/, T* /*packed*/) const {}
    // Whether the layer needs all rows of a batch at once in training. A frozen layer does not.
    virtual bool needs_whole_batch() const { return false; }
    // Whether the map is x W + b in full precision, with W first among the parameters and b behind it.
    virtual bool is_full_product() const { return false; }
    // The seed of a layer that draws random numbers, or null.
    virtual std::uint64_t* seed() { return nullptr; }
    // Takes over the settings that may change while the layer is in use, from a description of the same kind.
    virtual void adopt(const LayerKind&) {}
    // Whether the layer has a backward pass.
    virtual bool has_backward() const { return true; }
    // Whether prediction may leave the layer out.
    virtual bool only_in_training() const { return false; }

    // The density up to which compressed input rows are faster than dense ones. Negative where the layer cannot read
    // compressed rows.
    virtual double densest_compressed() const { return -1; }

    // The bias, which the map adds to every row, or null. The epilogue of the forward product adds it on the way from
    // registers to C.
    virtual const T* bias(const T* /*parameters*/) const { return nullptr; }

    // y = epilogue(map(x)), with the bias in the epilogue. Each member of the team writes its share of y. The barrier
    // is left to the caller.
    virtual void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const = 0;
    // The work that the two gradients of a layer that needs the whole batch have in common. dy is the gradient with
    // respect to the map's output.
    virtual void prepare_backward(const Pass<T>&, const Input<T>& /*x*/, const T* /*dy*/) const {}
    // dx = epilogue(gradient with respect to the map's input); no epilogue if null. Outside of training it follows the
    // forward pass of a prediction. It may then have several rows of gradients for each row of x and of the memory: see
    // forward_row.
    virtual void backward(const Pass<T>& pass, const Input<T>& x, const T* dy, T* dx,
                          const Epilogue<T>* epilogue) const = 0;
    // The gradient with respect to the parameters of these inputs, summed over the rows. Parameters that belong to no
    // input count as the first one's. With `accumulate` the sums of earlier calls are added. With an optimizer, each
    // member of the team also updates the parameters whose gradients it has computed.
    virtual void parameter_gradients(const Pass<T>&, Range /*inputs*/, const Input<T>& /*x*/, const T* /*dy*/,
                                     T* /*gradients*/, bool /*accumulate*/,
                                     const Optimization<T>* /*optimization*/) const {}
    // Updates the statistics from a batch that was trained on.
    virtual void learn_statistics(const Pass<T>&, T* /*statistics*/) const {}

    // The map may be a sum over stretches of its input, each of which one thread can compute. forward_stretch writes to
    // `sums` what the inputs of one stretch contribute. finish_sum(parts, y) gives y = epilogue(map(x)) of these rows,
    // with the same bits as forward.
    virtual Panels stretches() const { return Panels::whole(input_size); }
    virtual void forward_stretch(const Pass<T>&, Index /*stretch*/, const Input<T>& /*x*/, T* /*sums*/) const {}
    virtual void finish_sum(const T* /*sums*/, Index /*stride*/, T* /*y*/, Index /*rows*/,
                            const Epilogue<T>& /*epilogue*/) const {}
};

// The layers of all descriptions from `first` on. Throws std::invalid_argument if a description is invalid or does not
// fit.
template <class T>
std::vector<std::unique_ptr<Layer<T>>> make_layers(Index input_size, const std::vector<LayerSpec>& specs, Index first);

// The entry with this name in a list that ends with a null name. Throws std::invalid_argument that lists the known
// names.
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
