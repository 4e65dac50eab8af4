#include "mpc/preprocessing/bundle.h"

#include <algorithm>
#include <string_view>

#include "proto/base/check.h"
#include "proto/crypto/hash.h"

namespace mpc {
namespace {

using proto::ErrorCode;
using proto::Fail;

// format:  name and version (8), epoch (8), attempt (8), plan (32), elements by slot (16 each),
//          hash of all that (32). Little-endian. The slots' sizes follow from the plan.
constexpr std::string_view kMagic = "wxbndl01";
constexpr std::size_t kHeaderBytes = 8 + 8 + 8 + 32;
constexpr std::size_t kChecksumBytes = 32;

proto::Digest Checksum(proto::ByteSpan bytes) {
  return proto::Hash("waxseal/mpc/bundle", {bytes});
}

std::size_t ProductSize(const Series& series, std::size_t size) {
  return (series.poly.size() > 2 ? size : 0) + 2 * size * series.cosine.size();
}

}  // namespace

std::size_t SlotSize(const Plan& plan, TensorId id) {
  CHECK(id < plan.ops.size());
  const Op& op = plan.ops[id];
  switch (op.kind) {
    case OpKind::kEmbed:
      return plan.tokens * (plan.vocabulary_padded() + 1);
    case OpKind::kOpen:
      return 2 * op.size();
    case OpKind::kCompare:
    case OpKind::kLookup:
      return plan.ops[op.inputs[0]].size() * ((std::size_t{op.digits} << op.digit_bits) + 1);
    case OpKind::kMul:
    case OpKind::kRowDot:
    case OpKind::kScores:
    case OpKind::kMix:
    case OpKind::kOutput:
    case OpKind::kNoise:
      return op.size();
    case OpKind::kSeries:
      return ProductSize(op.series, op.size());
    default:
      return 0;
  }
}

proto::Bytes EncodeBundle(const Bundle& bundle) {
  std::size_t elements = 0;
  for (const auto& slot : bundle.slots) elements += slot.size();
  proto::Bytes bytes;
  bytes.reserve(kHeaderBytes + elements * Fp::kBytes + kChecksumBytes);
  bytes.insert(bytes.end(), kMagic.begin(), kMagic.end());
  proto::PutU64(bytes, bundle.epoch);
  proto::PutU64(bytes, bundle.attempt);
  bytes.insert(bytes.end(), bundle.plan.bytes.begin(), bundle.plan.bytes.end());
  for (const auto& slot : bundle.slots) {
    proto::Bytes encoded = EncodeElements(slot);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    proto::SecureErase(encoded.data(), encoded.size());
  }
  const proto::Digest checksum = Checksum(bytes);
  bytes.insert(bytes.end(), checksum.bytes.begin(), checksum.bytes.end());
  return bytes;
}

proto::Result<Bundle> DecodeBundle(const Plan& plan, proto::ByteSpan bytes) {
  std::size_t elements = 0;
  for (TensorId id = 0; id < plan.ops.size(); ++id) elements += SlotSize(plan, id);
  if (bytes.size() != kHeaderBytes + elements * Fp::kBytes + kChecksumBytes) {
    return Fail(ErrorCode::kCorrupt, "the bundle's length is not the one its plan demands");
  }
  if (proto::AsText(bytes.first(kMagic.size())) != kMagic) {
    return Fail(ErrorCode::kCorrupt, "not a bundle, or one of another version");
  }
  const proto::ByteSpan body = bytes.first(bytes.size() - kChecksumBytes);
  if (!std::ranges::equal(Checksum(body).span(), bytes.subspan(body.size()))) {
    return Fail(ErrorCode::kCorrupt, "the bundle's checksum does not match");
  }
  Bundle bundle;
  bundle.epoch = proto::GetU64(bytes.subspan(8).first(8));
  bundle.attempt = proto::GetU64(bytes.subspan(16).first(8));
  std::copy_n(bytes.begin() + 24, bundle.plan.bytes.size(), bundle.plan.bytes.begin());
  proto::ByteSpan rest = body.subspan(kHeaderBytes);
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    const std::size_t size = SlotSize(plan, id) * Fp::kBytes;
    auto slot = DecodeElements(rest.first(size));
    if (!slot) return Fail(ErrorCode::kCorrupt, "the bundle holds what is no field element");
    bundle.slots.push_back(std::move(*slot));
    rest = rest.subspan(size);
  }
  return bundle;
}

}  // namespace mpc
