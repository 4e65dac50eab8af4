#include "mpc/preprocessing/bundle.h"

#include <algorithm>
#include <string_view>

#include "proto/base/check.h"
#include "proto/crypto/hash.h"

namespace mpc {
namespace {

using proto::ErrorCode;
using proto::Fail;

// format:  name and version (8), epoch (8), attempt (8), plan (32), zeros (8), elements by slot (16
//          each), hash of all that (32). Little-endian. The slots' sizes follow from the plan.
constexpr std::string_view kMagic = "wxbndl02";
constexpr std::size_t kHeaderBytes = 8 + 8 + 8 + 32 + 8;
static_assert(kHeaderBytes % alignof(Fp) == 0);
constexpr std::size_t kChecksumBytes = 32;

proto::Digest Checksum(proto::ByteSpan bytes) {
  return proto::Hash("waxseal/mpc/bundle", {bytes});
}

class SlotsInParts : public SlotStore {
 public:
  explicit SlotsInParts(std::size_t operations) : slots_(operations) {}

  proto::Result<> Add(const Plan& plan, const BundlePart& part) {
    const auto end =
        static_cast<TensorId>(std::min<std::size_t>(part.segment.end, plan.ops.size()));
    std::size_t elements = 0;
    for (TensorId id = part.segment.begin; id < end; ++id) elements += SlotSize(plan, id);
    const proto::ByteSpan bytes = part.bytes.span();
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
    CHECK(reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(Fp) == 0);
    const std::span all(reinterpret_cast<const Fp*>(bytes.data() + kHeaderBytes), elements);
    if (!std::ranges::all_of(all, [](Fp x) { return x.value() < Fp::kModulus; })) {
      return Fail(ErrorCode::kCorrupt, "the bundle holds what is no field element");
    }
    std::size_t next = 0;
    for (TensorId id = part.segment.begin; id < end; ++id) {
      const std::size_t size = SlotSize(plan, id);
      slots_[id] = all.subspan(next, size);
      next += size;
    }
    owners_.push_back(part.bytes);
    return {};
  }
  std::span<const Fp> Slot(TensorId op) const override { return slots_[op]; }

 private:
  std::vector<std::span<const Fp>> slots_;  // By operation.
  std::vector<proto::SharedBytes> owners_;
};

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
  proto::Bytes bytes(kMagic.begin(), kMagic.end());
  bytes.reserve(kHeaderBytes + elements * Fp::kBytes + kChecksumBytes);
  proto::PutU64(bytes, bundle.epoch);
  proto::PutU64(bytes, bundle.attempt);
  bytes.insert(bytes.end(), bundle.plan.bytes.begin(), bundle.plan.bytes.end());
  proto::PutU64(bytes, 0);
  for (const auto& slot : bundle.slots) {
    proto::Bytes encoded = EncodeElements(slot);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    proto::SecureErase(encoded.data(), encoded.size());
  }
  const proto::Digest checksum = Checksum(bytes);
  bytes.insert(bytes.end(), checksum.bytes.begin(), checksum.bytes.end());
  return bytes;
}

proto::Result<Bundle> OpenBundle(const Plan& plan, std::span<const BundlePart> parts) {
  Bundle bundle;
  bundle.slots.resize(plan.ops.size());
  const auto slots = std::make_shared<SlotsInParts>(plan.ops.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const proto::ByteSpan bytes = parts[i].bytes.span();
    if (auto found = slots->Add(plan, parts[i]); !found) return tl::unexpected(found.error());
    Bundle head;
    head.epoch = proto::GetU64(bytes.subspan(8).first(8));
    head.attempt = proto::GetU64(bytes.subspan(16).first(8));
    std::copy_n(bytes.begin() + 24, head.plan.bytes.size(), head.plan.bytes.begin());
    if (i == 0) {
      bundle.epoch = head.epoch;
      bundle.attempt = head.attempt;
      bundle.plan = head.plan;
    } else if (head.epoch != bundle.epoch || head.plan != bundle.plan) {
      return Fail(ErrorCode::kCorrupt, "the bundle's parts are of different plans or epochs");
    }
  }
  bundle.store = slots;
  return bundle;
}

}  // namespace mpc
