// How the batches of a training are shared among processes. A batch is cut into shards. Every process computes the
// gradients of some, and the sum of all shards has a fixed order, so that its bits do not depend on the number of
// processes.
#pragma once

#include <functional>
#include <vector>

#include "core/threads/parallel.h"

namespace fastnet {

// The order of the sum over the shards: a binary tree over aligned blocks. Block i of level l covers the shards
// i 2^l to (i + 1) 2^l, as far as they exist. It is the sum of the blocks 2 i and 2 i + 1 of the level below, or the
// former if the latter has no shards. A process that computes the shards of a range adds up the largest blocks that lie
// in it, and needs memory for a few of them.
class ShardTree {
  public:
    // A shard's place among the sums in memory, and how many times the last two of them are added up after it.
    struct Place {
        Index sum = 0;
        Index additions = 0;
    };

    ShardTree(Index shards, Range mine) : shards_(shards), mine_(mine) {
        std::vector<Block> sums;
        for (Index shard = mine.begin; shard < mine.end; ++shard) {
            Place place{static_cast<Index>(sums.size()), 0};
            sums.push_back({0, shard});
            memory_ = std::max(memory_, static_cast<Index>(sums.size()));
            while (rises(sums, place.additions)) {
            }
            places_.push_back(place);
        }
        blocks_ = static_cast<Index>(sums.size());
    }

    Index shards() const { return shards_; }
    Range mine() const { return mine_; }
    const Place& place(Index shard) const { return places_[static_cast<std::size_t>(shard - mine_.begin)]; }
    // The sums that must fit into memory, and those that are left at the end, from left to right.
    Index memory() const { return memory_; }
    Index blocks() const { return blocks_; }

  private:
    struct Block {
        int level;
        Index index;
    };
    // Turns the last sum into that of the block above it, if its sibling is the sum before it or has no shards.
    bool rises(std::vector<Block>& sums, Index& additions) const {
        Block& last = sums.back();
        if (last.index % 2 != 0) {
            if (sums.size() < 2 || sums[sums.size() - 2].level != last.level)
                return false;
            sums.pop_back();
            ++additions;
        } else if (last.index == 0 || (last.index + 1) << last.level < shards_) {
            return false;
        }
        Block& above = sums.back();
        ++above.level;
        above.index /= 2;
        return true;
    }

    const Index shards_;
    const Range mine_;
    std::vector<Place> places_;
    Index memory_ = 0, blocks_ = 0;
};

// What follows a step in which the processes have exchanged their sums.
enum class AfterStep { goes_on, ends, fails };

// The shards of this process, and the exchange with the others.
template <class T> struct Sharding {
    ShardTree tree;
    T* sums;          // tree.memory() rows of value_count() values, all 0 before the first step
    double* figures;  // loss and metric of every sample of a batch
    // Called once a step on the calling thread with the sums of `blocks` blocks and the figures of this process's rows.
    // The first sum must become that over all shards, and all figures must be filled in. With AfterStep::fails the step
    // changes no weight. None where this process computes all shards.
    std::function<AfterStep(Index blocks, Index rows)> exchange;
    // Called on the calling thread, while gradients are still computed, with a range of parameters whose sums are
    // complete, so that the processes can exchange them meanwhile. The ranges of a step ascend; `exchange` follows and
    // takes care of the rest. Returns false where it fails, which fails the step. None where nothing is gained.
    std::function<bool(Index blocks, Range parameters)> begin;
    Index least = 0;  // parameters of such a range
};

}  // namespace fastnet
