#include "mpc/preprocessing/fixed_layers.h"

#include <utility>

#include "proto/attempt.h"
#include "proto/base/check.h"
#include "proto/crypto/merkle.h"

namespace mpc {

FixedLayers::FixedLayers(std::vector<std::size_t> sizes, std::vector<bool> needed)
    : sizes_(std::move(sizes)),
      needed_(std::move(needed)),
      transcripts_(1),
      opened_(sizes_.size()) {
  needed_.resize(sizes_.size(), needed_.empty());
}

void FixedLayers::Fix(const proto::Digest& root) {
  CHECK(fixed() < count());
  transcripts_.push_back(proto::ExtendTranscript(transcripts_.back(), fixed(), root));
  roots_.push_back(root);
}

bool FixedLayers::Adopt(std::uint32_t layer, proto::ByteSpan values) {
  CHECK(layer < fixed());
  if (values.size() != bytes(layer) || proto::MerkleRootOfBytes(values) != roots_[layer]) {
    return false;
  }
  auto elements = DecodeElements(values);
  if (!elements) return false;
  Hold(layer, std::move(*elements));
  return true;
}

void FixedLayers::Hold(std::uint32_t layer, std::vector<Fp> values) {
  CHECK(values.size() == sizes_[layer]);
  opened_[layer] = std::move(values);
}

std::uint32_t FixedLayers::held() const {
  std::uint32_t layer = 0;
  while (layer < fixed() && !Lacks(layer)) ++layer;
  return layer;
}

}  // namespace mpc
