#include "mpc/online/client.h"

#include <string>

#include "proto/base/check.h"

namespace mpc {

using proto::ErrorCode;

std::vector<Fp> ClientMaskShares(const Plan& plan, const Bundle& bundle) {
  CHECK(bundle.slots.size() == plan.ops.size());
  const std::span<const Fp> embed = bundle.Slot(0);
  const std::span<const Fp> output = bundle.Slot(static_cast<TensorId>(plan.ops.size() - 1));
  CHECK(embed.size() == SlotSize(plan, 0) && output.size() == plan.ops.back().size());
  std::vector<Fp> shares(embed.end() - plan.tokens, embed.end());
  shares.insert(shares.end(), output.begin(), output.end());
  return shares;
}

proto::Result<std::vector<std::uint32_t>> MaskTokens(std::span<const std::uint32_t> ids,
                                                     std::span<const Fp> masks,
                                                     std::uint64_t vocabulary_padded) {
  CHECK(ids.size() == masks.size());
  std::vector<std::uint32_t> masked;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= vocabulary_padded) {
      return proto::Fail(ErrorCode::kInvalidArgument,
                         "token " + std::to_string(ids[i]) + " is not in the vocabulary");
    }
    if (masks[i].value() >= vocabulary_padded) {
      return proto::Fail(ErrorCode::kCorrupt, "a token mask is larger than the vocabulary");
    }
    masked.push_back(static_cast<std::uint32_t>((ids[i] + masks[i].value()) % vocabulary_padded));
  }
  return masked;
}

std::vector<Int128> UnmaskOutput(std::span<const Fp> masked, std::span<const Fp> masks) {
  CHECK(masked.size() == masks.size());
  std::vector<Int128> values;
  for (std::size_t i = 0; i < masked.size(); ++i) {
    values.push_back((masked[i] - masks[i]).ToSigned());
  }
  return values;
}

}  // namespace mpc
