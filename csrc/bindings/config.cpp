// The running configuration: version, instruction set, compiler, threads.
#include <omp.h>

#include "arrays.h"
#include "core/machine/cpu.h"
#include "core/threads/float_mode.h"
#include "core/threads/pace.h"

#define FASTNET_TEXT_OF(x) #x
#define FASTNET_TEXT(x) FASTNET_TEXT_OF(x)

namespace fastnet {
namespace {

std::string compiler() {
#if defined(__clang__)
    return "clang " FASTNET_TEXT(__clang_major__) "." FASTNET_TEXT(__clang_minor__);
#elif defined(__GNUC__)
    return "gcc " FASTNET_TEXT(__GNUC__) "." FASTNET_TEXT(__GNUC_MINOR__);
#else
    return "unknown";
#endif
}

py::dict build_config() {
    py::list available;
    for (const InstructionSet* set : available_instruction_sets())
        available.append(set->name);
    py::dict config;
    config["isa"] = instruction_set().name;
    config["available_isas"] = available;
    config["bfloat16"] = multiplies_bfloat16() ? "native" : "emulated";
    config["amx"] = use_of_amx();
    const ThreadCount count = thread_count();
    config["num_threads"] = count.threads;
    config["num_threads_source"] = count.source;
    config["compiler"] = compiler();
    config["openmp"] = _OPENMP;
    return config;
}

}  // namespace

void register_config(py::module_& module) {
    // An unusable FASTNET_ISA raises an error at import, not at the first product. The tables are initialized before
    // any fork.
    kernels<float>(), kernels<double>();
    module.attr("__version__") = FASTNET_VERSION;
    module.def("build_config", &build_config);
    module.def("get_num_threads", [] { return thread_count().threads; });
    module.def("recent_num_threads", [] { return threads_for(1e30); });
    module.def("set_num_threads", &set_num_threads, py::arg("n"));
    module.def("rest_teams", &rest_teams, py::arg("may_rest"));
    module.def("team_barriers", &team_barriers);
    module.def("flush_subnormals", [] { set_float_mode(float_mode() | flushes_subnormals); });
    py::class_<Pace>(module, "Pace")
        .def(py::init())
        .def("begin", &Pace::begin, py::arg("rows"), py::arg("threads"))
        .def("threads", &Pace::threads, py::arg("most"))
        .def(
            "record",
            [](Pace& pace, Index steps, double seconds) {
                pace.record(steps, std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
            },
            py::arg("steps"), py::arg("seconds"));
    module.def("cgroup_quota", &cgroup_quota, py::arg("root"));
}

}  // namespace fastnet
