// The caches of a core, for products whose operands would lie in a few of their sets.
#pragma once

#include "core/panels.h"

namespace fastnet {

// All zero where it is not known.
struct Cache {
    index way_bytes = 0;  // lines whose addresses differ by a multiple of it share a set
    index ways = 0;       // as many of them as a set holds

    index bytes() const { return way_bytes * ways; }
    // How many lines of a set so many rows take that are so far apart.
    index lines_in_a_set(index rows, index row_bytes) const;
};

const Cache& first_level_cache();  // of data
const Cache& second_level_cache();

}  // namespace fastnet
