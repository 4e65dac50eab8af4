#include "mpc/sharing/replicated.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <string>
#include <utility>

#include "mpc/field/combine.h"
#include "mpc/field/small_combination.h"
#include "mpc/sharing/zero_sets.h"
#include "proto/base/check.h"
#include "proto/crypto/hash.h"
#include "proto/crypto/prg.h"

namespace mpc {

using proto::PartyId;

namespace {

// The sum of all parts and a value of kOpenBits stays below p.
constexpr unsigned kMaskSumBits = 125;
// Streams combined at a time: their blocks and the sums stay in the first-level cache.
constexpr std::size_t kStreams = 8;
constexpr std::size_t kSeedSize = 32;

std::int64_t IntegerPoint(PartyId party) {
  return static_cast<std::int64_t>(Index(party)) + 1;
}

// The streams of one key: label fields of fixed width, so that no two labels have equal bytes.
proto::Prg MakeStream(const ReplicatedKeys::Key& key, const Label& label, std::uint16_t stream) {
  proto::Bytes bytes(proto::AsBytes("prss").begin(), proto::AsBytes("prss").end());
  proto::PutU64(bytes, label.epoch);
  proto::PutU64(bytes, label.attempt);
  proto::PutU32(bytes, label.operation);
  bytes.push_back(static_cast<std::uint8_t>(label.purpose));
  bytes.push_back(static_cast<std::uint8_t>(stream));
  bytes.push_back(static_cast<std::uint8_t>(stream >> 8));
  return proto::Prg(key, bytes);
}

// Words are little-endian; so are the machines this runs on.
static_assert(std::endian::native == std::endian::little);
void Fill(proto::Prg& prg, std::span<UInt128> words) {
  prg.Fill({reinterpret_cast<std::uint8_t*>(words.data()), words.size_bytes()});
}

// The key of a set S: that of the set A that it is, or a hash of those of all A that contain it.
ReplicatedKeys::Key ZeroKey(const ReplicatedSets& sets, const ReplicatedKeys& keys,
                            PartySet zero_set) {
  std::vector<SetIndex> around;
  for (SetIndex set = 0; set < sets.count(); ++set) {
    bool contains = true;
    for (std::uint16_t i = 0; i < sets.committee().size(); ++i) {
      contains = contains && ((zero_set >> i & 1) == 0 || sets.Contains(set, PartyId{i}));
    }
    if (contains) around.push_back(set);
  }
  if (around.size() == 1) return *keys.keys()[around[0]];
  proto::Hasher hasher("waxseal/mpc/zero-key");
  hasher.Add(std::uint64_t{zero_set});
  for (const SetIndex set : around) hasher.Add(proto::ByteSpan(*keys.keys()[set]));
  return hasher.Finish().bytes;
}

// Adds to each of the sums, all equally long, the combination of the streams' bits that it says,
// times `scale`.
struct BitsSum {
  EntryBits bits;
  std::span<Fp> sum;
};
template <class Sources>
void AddStreams(const Sources& sources, const Label& label, std::uint16_t stream, Fp scale,
                std::span<const BitsSum> sums) {
  const std::size_t length = sums.front().sum.size();
  if (length == 0 || sources.empty()) return;
  std::vector<std::int64_t> factors;
  std::vector<proto::Prg> streams;
  for (const auto& [key, factor] : sources) {
    factors.push_back(factor);
    streams.push_back(MakeStream(key, label, stream));
  }
  std::vector<SmallCombination> combinations;
  for (const BitsSum& sum : sums) combinations.emplace_back(factors, sum.bits, scale);
  std::vector<UInt128> words(std::min(kStreams, streams.size()) * SmallCombination::kBlock);
  std::vector<const UInt128*> vectors;
  for (std::size_t k = 0; k < words.size() / SmallCombination::kBlock; ++k) {
    vectors.push_back(words.data() + k * SmallCombination::kBlock);
  }
  for (std::size_t first = 0; first < length; first += SmallCombination::kBlock) {
    const std::size_t size = std::min(SmallCombination::kBlock, length - first);
    for (std::size_t source = 0; source < streams.size(); source += kStreams) {
      const std::size_t count = std::min(kStreams, streams.size() - source);
      for (std::size_t k = 0; k < count; ++k) {
        Fill(streams[source + k], std::span(words).subspan(k * SmallCombination::kBlock, size));
      }
      for (std::size_t i = 0; i < sums.size(); ++i) {
        combinations[i].Add(source, std::span(vectors).first(count), size,
                            sums[i].sum.data() + first);
      }
    }
  }
  proto::SecureErase(words.data(), words.size() * sizeof(UInt128));
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
    for (std::size_t i = 0; i < n; ++i) {
      if (out[i]) excluded.push_back(static_cast<PartyId>(i));
    }
    // The product of x - j over the points outside.
    const auto product = [&](std::int64_t x) {
      std::int64_t value = 1;
      for (const PartyId party : excluded) value *= x - IntegerPoint(party);
      return value;
    };
    at_zero_.push_back(product(0));
    common_multiple_ = std::lcm(common_multiple_, at_zero_.back());
    const Fp scale = Fp(at_zero_.back()).Inverse();
    std::vector<Fp> factors;
    std::vector<std::int64_t> small;
    for (std::size_t i = 0; i < n; ++i) {
      small.push_back(product(IntegerPoint(static_cast<PartyId>(i))));
      factors.push_back(Fp(small.back()) * scale);
    }
    excluded_.push_back(std::move(excluded));
    factors_.push_back(std::move(factors));
    small_factors_.push_back(std::move(small));
  } while (std::prev_permutation(out.begin(), out.end()));
  mask_bits_ = kMaskSumBits - static_cast<unsigned>(std::bit_width(excluded_.size() - 1));
}

std::int64_t ReplicatedSets::ScaledFactor(SetIndex set, PartyId party) const {
  return SmallFactor(set, party) * (common_multiple_ / at_zero_[set]);
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

ReplicatedKeys ReplicatedKeys::ForAttempt(std::uint64_t epoch, std::uint64_t attempt) const {
  ReplicatedKeys derived;
  derived.party_ = party_;
  derived.keys_.resize(keys_.size());
  for (std::size_t set = 0; set < keys_.size(); ++set) {
    if (!keys_[set]) continue;
    derived.keys_[set] = proto::Hasher("waxseal/mpc/attempt-key")
                             .Add(proto::ByteSpan(*keys_[set]))
                             .Add(epoch)
                             .Add(attempt)
                             .Finish()
                             .bytes;
  }
  return derived;
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

Prss::Prss(const ReplicatedSets& sets, const ReplicatedKeys& keys)
    : sets_(sets), keys_(keys), inverse_multiple_(Fp(sets.common_multiple()).Inverse()) {
  // No copies of keys are left behind.
  uniform_.reserve(sets.count());
  bounded_.reserve(sets.count());
  zeros_.reserve(ZeroSets(sets.committee()).size());
  for (SetIndex set = 0; set < sets.count(); ++set) {
    const auto& key = keys.keys()[set];
    if (!key) continue;
    uniform_.push_back({*key, sets.SmallFactor(set, party())});
    bounded_.push_back({*key, sets.ScaledFactor(set, party())});
  }
  const std::size_t n = sets.committee().size();
  for (const PartySet zero_set : ZeroSets(sets.committee())) {
    if ((zero_set >> Index(party()) & 1) == 0) continue;
    zeros_.push_back({ZeroKey(sets, keys, zero_set), ZeroFactor(zero_set, n, party())});
  }
}

Prss::~Prss() {
  for (auto* sources : {&uniform_, &bounded_, &zeros_}) {
    proto::SecureErase(sources->data(), sources->size() * sizeof(Source));
  }
}

void Prss::AddRandom(const Label& label, std::span<Fp> sum) const {
  const BitsSum uniform{{Fp::kModulus, 0}, sum};  // As Fp::FromUniform.
  AddStreams(uniform_, label, 0, Fp(1), {&uniform, 1});
}

void Prss::AddZero(const Label& label, std::span<Fp> sum) const {
  const BitsSum uniform{{Fp::kModulus, 0}, sum};
  AddStreams(zeros_, label, 1, Fp(1), {&uniform, 1});
}

std::vector<Fp> Prss::Random(const Label& label, std::size_t count) const {
  std::vector<Fp> shares(count);
  AddRandom(label, shares);
  return shares;
}

std::vector<Fp> Prss::Zero(const Label& label, std::size_t count) const {
  std::vector<Fp> shares(count);
  AddZero(label, shares);
  return shares;
}

MaskParts Prss::Bounded(const Label& label, std::size_t count) const {
  MaskParts masks{std::vector<UInt128>(sets_.count() * count), count};
  const UInt128 low_bits = (UInt128{1} << sets_.mask_bits()) - 1;
  for (SetIndex set = 0; set < sets_.count(); ++set) {
    const auto& key = keys_.keys()[set];
    if (!key) continue;
    proto::Prg stream = MakeStream(*key, label, 0);
    const auto parts = std::span(masks.parts).subspan(set * count, count);
    Fill(stream, parts);
    for (UInt128& part : parts) part &= low_bits;
  }
  return masks;
}

std::vector<std::vector<Fp>> Prss::BoundedShares(const Label& label, std::size_t count,
                                                 std::initializer_list<unsigned> shifts) const {
  std::vector<std::vector<Fp>> shares(shifts.size());
  std::vector<Shifted> sums;
  for (const unsigned shift : shifts) {
    std::vector<Fp>& share = shares[sums.size()];
    share.resize(count);
    sums.push_back({shift, share});
  }
  AddBounded(label, sums);
  return shares;
}

void Prss::AddBounded(const Label& label, std::initializer_list<Shifted> sums) const {
  AddBounded(label, std::span(sums.begin(), sums.size()));
}

void Prss::AddBounded(const Label& label, std::span<const Shifted> sums) const {
  const UInt128 low_bits = (UInt128{1} << sets_.mask_bits()) - 1;
  std::vector<BitsSum> of_bits;
  for (const auto& [shift, sum] : sums) of_bits.push_back({{low_bits, shift}, sum});
  AddStreams(bounded_, label, 0, inverse_multiple_, of_bits);
}

std::vector<Fp> Prss::ShareOf(const MaskParts& masks, unsigned shift) const {
  CHECK(masks.parts.size() == sets_.count() * masks.count && shift < 128);
  std::vector<Fp> factors;
  std::vector<const UInt128*> parts;
  for (SetIndex set = 0; set < sets_.count(); ++set) {
    if (!keys_.keys()[set]) continue;
    factors.push_back(sets_.Factor(set, party()));
    parts.push_back(masks.parts.data() + set * masks.count);
  }
  std::vector<Fp> shares(masks.count);
  AddCombination(factors, parts, {~UInt128{0}, shift}, masks.count, shares.data());
  return shares;
}

}  // namespace mpc
