#include "mpc/sharing/replicated.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "mpc/sharing/shamir.h"
#include "proto/base/check.h"
#include "proto/crypto/hash.h"
#include "proto/crypto/prg.h"

namespace mpc {

using proto::PartyId;

namespace {

// The sum of all parts and a value of kOpenBits stays below p.
constexpr unsigned kMaskSumBits = 125;
// Elements expanded at a time: 64 kB, within the second-level cache.
constexpr std::size_t kBlock = 4096;
constexpr std::size_t kSeedSize = 32;

// The streams of one key: label fields of fixed width, so that no two labels have equal bytes.
proto::Prg Stream(const ReplicatedKeys::Key& key, const Label& label, std::uint16_t stream) {
  proto::Bytes bytes(proto::AsBytes("prss").begin(), proto::AsBytes("prss").end());
  proto::PutU64(bytes, label.epoch);
  proto::PutU64(bytes, label.attempt);
  proto::PutU32(bytes, label.operation);
  bytes.push_back(static_cast<std::uint8_t>(label.purpose));
  bytes.push_back(static_cast<std::uint8_t>(stream));
  bytes.push_back(static_cast<std::uint8_t>(stream >> 8));
  return proto::Prg(key, bytes);
}

// Calls visit(first, words) for consecutive blocks of `count` 128-bit words of the stream.
template <class Visit>
void ForEachBlock(proto::Prg prg, std::size_t count, Visit visit) {
  std::vector<UInt128> words(std::min(count, kBlock));
  for (std::size_t first = 0; first < count; first += kBlock) {
    const std::span block = std::span(words).first(std::min(kBlock, count - first));
    // Words are little-endian; so are all machines this runs on (static_assert below).
    prg.Fill({reinterpret_cast<std::uint8_t*>(block.data()), block.size_bytes()});
    visit(first, std::span<const UInt128>(block));
  }
  proto::SecureErase(words.data(), words.size() * sizeof(UInt128));
}
static_assert(std::endian::native == std::endian::little);

// out[i] += factor * (uniform element i of the stream).
void AddUniform(const ReplicatedKeys::Key& key, const Label& label, std::uint16_t stream, Fp factor,
                std::vector<Fp>& out) {
  ForEachBlock(Stream(key, label, stream), out.size(),
               [&](std::size_t first, std::span<const UInt128> words) {
                 for (std::size_t i = 0; i < words.size(); ++i) {
                   out[first + i] += factor * Fp::FromUniform(words[i]);
                 }
               });
}

}  // namespace

ReplicatedSets::ReplicatedSets(const proto::Committee& committee) : committee_(committee) {
  const std::size_t n = committee.size();
  CHECK(n <= kReplicatedPartiesMax);
  // The indicator of the excluded set, from the lexicographically first set to the last.
  std::vector<bool> out(n);
  std::fill_n(out.begin(), committee.max_faulty(), true);
  do {
    std::vector<PartyId> excluded;
    std::vector<Fp> points{Fp()};
    for (std::size_t i = 0; i < n; ++i) {
      if (!out[i]) continue;
      excluded.push_back(static_cast<PartyId>(i));
      points.push_back(Point(excluded.back()));
    }
    std::vector<Fp> factors;
    for (std::size_t i = 0; i < n; ++i) {
      // 1 at the point 0, 0 at the others: the first Lagrange polynomial.
      factors.push_back(LagrangeCoefficients(points, Point(static_cast<PartyId>(i))).front());
    }
    excluded_.push_back(std::move(excluded));
    factors_.push_back(std::move(factors));
  } while (std::prev_permutation(out.begin(), out.end()));
  mask_bits_ = kMaskSumBits - static_cast<unsigned>(std::bit_width(excluded_.size() - 1));
}

bool ReplicatedSets::Contains(SetIndex set, PartyId party) const {
  const auto& excluded = excluded_[set];
  return std::find(excluded.begin(), excluded.end(), party) == excluded.end();
}

proto::Result<ReplicatedKeys> ReplicatedKeys::From(const ReplicatedSets& sets, PartyId party,
                                                   std::vector<std::optional<Key>> keys) {
  using proto::ErrorCode;
  ReplicatedKeys result;
  result.party_ = party;
  result.keys_ = std::move(keys);
  if (Index(party) >= sets.committee().size()) {
    return proto::Fail(ErrorCode::kInvalidArgument, "replicated keys of a party that is no member");
  }
  if (result.keys_.size() != sets.count()) {
    return proto::Fail(ErrorCode::kInvalidArgument,
                       "there are " + std::to_string(sets.count()) + " replicated sets, but " +
                           std::to_string(result.keys_.size()) + " keys were given");
  }
  for (SetIndex set = 0; set < sets.count(); ++set) {
    if (result.keys_[set].has_value() != sets.Contains(set, party)) {
      return proto::Fail(ErrorCode::kInvalidArgument,
                         "replicated key " + std::to_string(set) +
                             (result.keys_[set] ? " is not this party's to hold" : " is missing"));
    }
  }
  return result;
}

ReplicatedKeys::ReplicatedKeys(ReplicatedKeys&& other) noexcept
    : party_(other.party_), keys_(std::exchange(other.keys_, {})) {}

ReplicatedKeys& ReplicatedKeys::operator=(ReplicatedKeys&& other) noexcept {
  std::swap(party_, other.party_);
  std::swap(keys_, other.keys_);
  return *this;
}

ReplicatedKeys::~ReplicatedKeys() {
  for (auto& key : keys_) {
    if (key) proto::SecureErase(key->data(), key->size());
  }
}

std::vector<ReplicatedKeys> DealReplicatedKeys(const ReplicatedSets& sets, proto::ByteSpan seed) {
  CHECK(seed.size() == kSeedSize);
  std::vector<ReplicatedKeys> result;
  for (std::uint16_t i = 0; i < sets.committee().size(); ++i) {
    const PartyId party{i};
    std::vector<std::optional<ReplicatedKeys::Key>> keys(sets.count());
    for (SetIndex set = 0; set < sets.count(); ++set) {
      if (!sets.Contains(set, party)) continue;
      keys[set] = proto::Hasher("waxseal/mpc/replicated-key")
                      .Add(seed)
                      .Add(std::uint64_t{sets.committee().size()})
                      .Add(std::uint64_t{set})
                      .Finish()
                      .bytes;
    }
    auto dealt = ReplicatedKeys::From(sets, party, std::move(keys));
    CHECK(dealt.has_value());
    result.push_back(std::move(*dealt));
  }
  return result;
}

std::vector<Fp> Prss::Random(const Label& label, std::size_t count) const {
  std::vector<Fp> shares(count);
  for (SetIndex set = 0; set < sets_.count(); ++set) {
    const auto& key = keys_.keys()[set];
    if (key) AddUniform(*key, label, 0, sets_.Factor(set, party()), shares);
  }
  return shares;
}

std::vector<Fp> Prss::Zero(const Label& label, std::size_t count) const {
  std::vector<Fp> shares(count);
  for (SetIndex set = 0; set < sets_.count(); ++set) {
    const auto& key = keys_.keys()[set];
    if (!key) continue;
    Fp factor = sets_.Factor(set, party());
    for (std::uint16_t j = 1; j <= sets_.committee().max_faulty(); ++j) {
      factor *= Point(party());
      AddUniform(*key, label, j, factor, shares);
    }
  }
  return shares;
}

MaskParts Prss::Bounded(const Label& label, std::size_t count) const {
  MaskParts masks{std::vector<UInt128>(sets_.count() * count), count};
  const UInt128 low_bits = (UInt128{1} << sets_.mask_bits()) - 1;
  for (SetIndex set = 0; set < sets_.count(); ++set) {
    const auto& key = keys_.keys()[set];
    if (!key) continue;
    UInt128* const parts = masks.parts.data() + set * count;
    ForEachBlock(Stream(*key, label, 0), count,
                 [&](std::size_t first, std::span<const UInt128> words) {
                   for (std::size_t i = 0; i < words.size(); ++i) {
                     parts[first + i] = words[i] & low_bits;
                   }
                 });
  }
  return masks;
}

std::vector<Fp> Prss::ShareOf(const MaskParts& masks, unsigned shift) const {
  CHECK(masks.parts.size() == sets_.count() * masks.count && shift < 128);
  std::vector<Fp> shares(masks.count);
  for (SetIndex set = 0; set < sets_.count(); ++set) {
    if (!keys_.keys()[set]) continue;
    const Fp factor = sets_.Factor(set, party());
    const UInt128* const parts = masks.parts.data() + set * masks.count;
    for (std::size_t i = 0; i < masks.count; ++i) {
      shares[i] += factor * Fp::FromUnsigned(parts[i] >> shift);
    }
  }
  return shares;
}

}  // namespace mpc
