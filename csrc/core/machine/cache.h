// The caches of a core, for products whose operands would lie in a few of their sets.
#pragma once

#include "core/panels.h"

namespace fastnet {

// All zero where the cache is not known.
struct Cache {
    Index way_bytes = 0;  // lines whose addresses differ by a multiple of this share a set
    Index ways = 0;       // the lines that a set holds

    Index bytes() const { return way_bytes * ways; }
    // The number of lines of a set taken by `rows` rows that are row_bytes apart.
    Index lines_in_a_set(Index rows, Index row_bytes) const;
};

const Cache& first_level_cache();  // of data
const Cache& second_level_cache();

}  // namespace fastnet
