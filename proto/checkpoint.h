// What a validator signs of each block: its own header of the DAG carries the signature, and n - f
// of them make the finality proof that a light client checks.
//
// Two conflicting checkpoints of one index need more than f validators that signed both: each such
// pair of signatures is evidence by itself.
#pragma once

#include <cstdint>

#include "proto/base/bytes.h"

namespace proto {

// `index` counts commits from 1; `block` is the digest of the block made from that commit.
Digest CheckpointDigest(const Digest& chain, std::uint64_t epoch, std::uint64_t index,
                        const Digest& block);

}  // namespace proto
