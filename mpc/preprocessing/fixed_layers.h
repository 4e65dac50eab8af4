// What the ledger has fixed of an attempt, and the opened values that this member holds.
#pragma once

#include <vector>

#include "mpc/preprocessing/reductions.h"
#include "proto/base/bytes.h"

namespace mpc {

class FixedLayers {
 public:
  // The number of values of each layer, and which of them this member needs: all, if empty.
  explicit FixedLayers(std::vector<std::size_t> sizes, std::vector<bool> needed = {});

  std::uint32_t count() const { return static_cast<std::uint32_t>(sizes_.size()); }
  std::size_t size(std::uint32_t layer) const { return sizes_[layer]; }
  std::size_t bytes(std::uint32_t layer) const { return sizes_[layer] * Fp::kBytes; }

  // Layers are fixed in order.
  void Fix(const proto::Digest& root);
  std::uint32_t fixed() const { return static_cast<std::uint32_t>(roots_.size()); }
  const proto::Digest& root(std::uint32_t layer) const { return roots_[layer]; }
  // Covers the layers below `layer`, which is at most fixed().
  const proto::Digest& transcript(std::uint32_t layer) const { return transcripts_[layer]; }

  // Takes a fixed layer's values if they have its root. A layer's values, decoded elsewhere from
  // bytes with that root, go to Hold.
  bool Adopt(std::uint32_t layer, proto::ByteSpan values);
  void Hold(std::uint32_t layer, std::vector<Fp> values);
  bool Holds(std::uint32_t layer) const { return !opened_[layer].empty(); }
  // Whether the layer is needed, fixed and not here.
  bool Lacks(std::uint32_t layer) const {
    return layer < fixed() && needed_[layer] && !Holds(layer);
  }
  // The first layer whose values it lacks; fixed() if there is none.
  std::uint32_t held() const;
  const OpenedLayers& opened() const { return opened_; }

 private:
  std::vector<std::size_t> sizes_;
  std::vector<bool> needed_;
  std::vector<proto::Digest> roots_;
  std::vector<proto::Digest> transcripts_;
  OpenedLayers opened_;
};

}  // namespace mpc
