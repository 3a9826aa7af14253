#include "layer_specs.h"

#include <algorithm>
#include <string>

#include "core/layers/layers.h"
#include "items.h"
#include "quantized.h"

namespace fastnet {
namespace {

// A description that is being read. It learns the settings of its kind from the reads, so that nothing is listed twice.
class Description {
  public:
    explicit Description(const py::dict& dict) : dict_(dict) {}

    const py::dict& dict() const { return dict_; }
    void take(const char* key) { taken_.push_back(key); }
    // Overwrites the value, unless the description omits the key.
    template <class Value> void read(const char* key, Value& value) {
        take(key);
        value = item_or<Value>(dict_, key, value);
    }

    // A key that nobody reads has no effect, so it is an error.
    void refuse_others(const std::string& type) const {
        for (const auto& item : dict_) {
            const py::handle key = item.first;
            if (std::none_of(taken_.begin(), taken_.end(), [&](const auto& one) { return key.equal(py::str(one)); }))
                throw py::value_error("a layer of the type '" + type + "' does not take " +
                                      py::repr(key).cast<std::string>() + "; it takes " + list_of(taken_));
        }
    }

  private:
    static std::string list_of(const std::vector<std::string>& keys) {
        std::string list;
        for (const std::string& key : keys)
            list += (list.empty() ? "'" : ", '") + key + "'";
        return list;
    }
    const py::dict& dict_;
    std::vector<std::string> taken_;
};

template <class Kind> void read(Description& from, Kind& kind) {
    kind.keys([&](const char* key, auto& value) { from.read(key, value); });
}

template <class Kind>
    requires requires(Kind kind) { kind.weights; }
void read(Description& from, Kind& kind) {
    kind.keys([&](const char* key, auto& value) { from.read(key, value); });
    for (const char* const key : {"kernel", "kernel_scale", "input_scale", "zero_point"})
        from.take(key);
    kind.weights = quantized_kernel(from.dict());
}

// A type of layers with its name.
struct Reader {
    const char* name;
    LayerKind (*read)(Description&);
};

template <class Kind> LayerKind read_as(Description& from) {
    Kind kind;
    read(from, kind);
    return kind;
}

template <class Kinds> struct Readers;
template <class... Kinds> struct Readers<std::variant<Kinds...>> {
    static constexpr Reader list[] = {{Kinds::type, read_as<Kinds>}..., {}};
};

LayerSpec layer_spec(const py::dict& dict) {
    Description description(dict);
    std::string type;
    description.read("type", type);
    LayerSpec spec;
    spec.kind = find_kernel(Readers<LayerKind>::list, type, "layer type").read(description);
    description.read("trainable", spec.trainable);
    description.refuse_others(type);
    return spec;
}

}  // namespace

std::vector<LayerSpec> layer_specs(const std::vector<py::dict>& descriptions) {
    std::vector<LayerSpec> specs;
    for (const py::dict& description : descriptions)
        specs.push_back(layer_spec(description));
    return specs;
}

}  // namespace fastnet
