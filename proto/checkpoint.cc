#include "proto/checkpoint.h"

#include "proto/crypto/hash.h"

namespace proto {

Digest CheckpointDigest(const Digest& chain, std::uint64_t epoch, std::uint64_t index,
                        const Digest& block) {
  return Hasher("waxseal/checkpoint")
      .Add(chain.span())
      .Add(epoch)
      .Add(index)
      .Add(block.span())
      .Finish();
}

}  // namespace proto
