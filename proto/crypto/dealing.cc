#include "proto/crypto/dealing.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "proto/base/check.h"
#include "proto/crypto/group.h"
#include "proto/crypto/hash.h"
#include "proto/crypto/prg.h"

namespace proto {
namespace {

using Block = Dealing::Block;

constexpr std::size_t kOpened = kDealingRepetitions - kDealingKept;
constexpr std::size_t kHeaderBytes = 8;

std::uint32_t Point(std::size_t recipient) {
  return static_cast<std::uint32_t>(recipient) + 1;
}

// What a dealing is about: every hash binds the digest.
struct Terms {
  Digest digest;
  std::uint16_t threshold;
  std::vector<secp256k1_pubkey> recipients;
};

// Nothing when the recipients or the threshold cannot be.
std::optional<Terms> MakeTerms(const Digest& context, std::span<const PublicKey> recipients,
                               std::uint16_t threshold) {
  if (recipients.size() > kDealingRecipientsMax || threshold < 1 || threshold > recipients.size()) {
    return std::nullopt;
  }
  Terms terms{{}, threshold, {}};
  Hasher hasher("waxseal/dealing/terms");
  hasher.Add(context.bytes).Add(std::uint64_t{threshold}).Add(std::uint64_t{recipients.size()});
  for (const PublicKey& recipient : recipients) {
    const auto point = LiftX(recipient.bytes);
    if (!point) return std::nullopt;
    terms.recipients.push_back(*point);
    hasher.Add(recipient.bytes);
  }
  terms.digest = hasher.Finish();
  return terms;
}

// Coefficients, constant first; erased.
struct Polynomial {
  Polynomial() = default;
  Polynomial(Polynomial&&) = default;
  Polynomial& operator=(Polynomial&&) = delete;
  ~Polynomial() { SecureErase(coefficients.data(), coefficients.size() * sizeof(Scalar)); }

  // Nothing when a partial sum of Horner's rule is zero, probability 2^-256 for a random one.
  std::optional<Scalar> At(std::uint32_t point) const {
    Scalar value = coefficients.back();
    for (std::size_t j = coefficients.size() - 1; j-- > 0;) {
      if (!MultiplyBy(value, SmallScalar(point)) || !AddTo(value, coefficients[j])) {
        return std::nullopt;
      }
    }
    return value;
  }

  std::vector<Scalar> coefficients;
};

Scalar DrawScalar(Prg& prg) {
  Scalar scalar{};
  do prg.Fill(scalar);
  while (!IsScalar(scalar));  // Once, but for a probability of 2^-128.
  return scalar;
}

Polynomial DrawPolynomial(Prg& prg, std::uint16_t threshold) {
  Polynomial polynomial;
  polynomial.coefficients.reserve(threshold);
  for (std::uint16_t j = 0; j < threshold; ++j) polynomial.coefficients.push_back(DrawScalar(prg));
  return polynomial;
}

std::vector<CompressedPoint> Commit(const Polynomial& polynomial) {
  std::vector<CompressedPoint> points;
  for (const Scalar& coefficient : polynomial.coefficients) {
    points.push_back(Serialize(MultiplyGenerator(coefficient)));
  }
  return points;
}

// f(point) G from f's commitments; nothing when a partial sum is the identity.
std::optional<secp256k1_pubkey> CommittedAt(const std::vector<secp256k1_pubkey>& commitments,
                                            std::uint32_t point) {
  secp256k1_pubkey value = commitments.back();
  for (std::size_t j = commitments.size() - 1; j-- > 0;) {
    const auto sum = Sum({Multiply(value, SmallScalar(point)), commitments[j]});
    if (!sum) return std::nullopt;
    value = *sum;
  }
  return value;
}

// Of the product only x is hashed, the same for a secret key and its negation, which share a name.
Block Mask(const Terms& terms, std::size_t repetition, std::size_t recipient,
           const CompressedPoint& ephemeral, const CompressedPoint& product, const Block& value) {
  const Digest pad = Hasher("waxseal/dealing/pad")
                         .Add(terms.digest.bytes)
                         .Add(std::uint64_t{repetition})
                         .Add(std::uint64_t{recipient})
                         .Add(ephemeral)
                         .Add(ByteSpan(product).subspan(1))
                         .Finish();
  Block masked{};
  for (std::size_t i = 0; i < masked.size(); ++i) masked[i] = value[i] ^ pad.bytes[i];
  return masked;
}

Digest RepetitionDigest(const Terms& terms, std::size_t repetition,
                        const CompressedPoint& ephemeral,
                        const std::vector<CompressedPoint>& commitments,
                        const std::vector<Block>& sealed) {
  Hasher hasher("waxseal/dealing/repetition");
  hasher.Add(terms.digest.bytes).Add(std::uint64_t{repetition}).Add(ephemeral);
  for (const CompressedPoint& commitment : commitments) hasher.Add(commitment);
  for (const Block& block : sealed) hasher.Add(block);
  return hasher.Finish();
}

struct Repetition {
  Polynomial blinding;  // g
  CompressedPoint ephemeral{};
  std::vector<Block> sealed;
  Digest digest;
};

// All of a repetition follows from its seed. For dealer and verifier alike, so in constant time.
Repetition Repeat(const Terms& terms, std::size_t index, const Block& seed) {
  Prg prg(seed, AsBytes("waxseal/dealing/repetition"));
  Scalar secret = DrawScalar(prg);
  Repetition repetition{DrawPolynomial(prg, terms.threshold), {}, {}, {}};
  repetition.ephemeral = Serialize(MultiplyGenerator(secret));
  for (std::size_t i = 0; i < terms.recipients.size(); ++i) {
    CompressedPoint product = MultiplySecret(terms.recipients[i], secret);
    auto value = repetition.blinding.At(Point(i));
    if (!value) value = Scalar{};  // A seed that nobody finds; a share of zero is refused later.
    repetition.sealed.push_back(Mask(terms, index, i, repetition.ephemeral, product, *value));
    SecureErase(value->data(), value->size());
    SecureErase(product.data(), product.size());
  }
  SecureErase(secret.data(), secret.size());
  repetition.digest = RepetitionDigest(terms, index, repetition.ephemeral,
                                       Commit(repetition.blinding), repetition.sealed);
  return repetition;
}

Digest Challenge(const Terms& terms, const std::vector<CompressedPoint>& commitments,
                 const std::vector<Digest>& repetitions) {
  Hasher hasher("waxseal/dealing/challenge");
  hasher.Add(terms.digest.bytes);
  for (const CompressedPoint& commitment : commitments) hasher.Add(commitment);
  for (const Digest& digest : repetitions) hasher.Add(digest.bytes);
  return hasher.Finish();
}

// Uniform among the sets of kDealingKept repetitions, up to 2^-50.
std::array<bool, kDealingRepetitions> KeptBy(const Digest& challenge) {
  std::array<std::size_t, kDealingRepetitions> order{};
  std::iota(order.begin(), order.end(), 0);
  std::array<bool, kDealingRepetitions> kept{};
  Prg prg(challenge.bytes, AsBytes("waxseal/dealing/kept"));
  for (std::size_t i = 0; i < kDealingKept; ++i) {
    std::swap(order[i], order[i + prg.U64() % (kDealingRepetitions - i)]);
    kept[order[i]] = true;
  }
  return kept;
}

std::optional<std::vector<secp256k1_pubkey>> ParsePoints(
    const std::vector<CompressedPoint>& compressed) {
  std::vector<secp256k1_pubkey> points;
  for (const CompressedPoint& bytes : compressed) {
    const auto point = ParsePoint(bytes);
    if (!point) return std::nullopt;
    points.push_back(*point);
  }
  return points;
}

// G_j = (f + g)_j G - F_j.
std::optional<std::vector<CompressedPoint>> BlindingCommitments(
    const std::vector<Block>& sum, const std::vector<secp256k1_pubkey>& minus_commitments) {
  std::vector<CompressedPoint> blinding;
  for (std::size_t j = 0; j < sum.size(); ++j) {
    if (!IsScalar(sum[j])) return std::nullopt;
    const auto point = Sum({MultiplyGenerator(sum[j]), minus_commitments[j]});
    if (!point) return std::nullopt;
    blinding.push_back(Serialize(*point));
  }
  return blinding;
}

bool HasShape(const Dealing& dealing, std::size_t recipients, std::size_t threshold) {
  return dealing.commitments.size() == threshold && dealing.opened.size() == kOpened &&
         dealing.kept.size() == kDealingKept &&
         std::ranges::all_of(dealing.kept, [&](const Dealing::Kept& kept) {
           return kept.sum.size() == threshold && kept.sealed.size() == recipients;
         });
}

tl::unexpected<Error> Invalid(std::string why) {
  return Fail(ErrorCode::kInvalidArgument, "dealing: " + std::move(why));
}

}  // namespace

Bytes EncodeDealing(const Dealing& dealing) {
  CHECK(!dealing.kept.empty());
  const std::size_t recipients = dealing.kept[0].sealed.size();
  CHECK(HasShape(dealing, recipients, dealing.commitments.size()));
  Bytes out;
  const auto put = [&](ByteSpan part) { out.insert(out.end(), part.begin(), part.end()); };
  PutU32(out, static_cast<std::uint32_t>(dealing.commitments.size()));
  PutU32(out, static_cast<std::uint32_t>(recipients));
  for (const CompressedPoint& commitment : dealing.commitments) put(commitment);
  put(dealing.challenge.bytes);
  for (const Block& seed : dealing.opened) put(seed);
  for (const Dealing::Kept& kept : dealing.kept) {
    put(kept.ephemeral);
    for (const Block& coefficient : kept.sum) put(coefficient);
    for (const Block& block : kept.sealed) put(block);
  }
  return out;
}

Result<Dealing> DecodeDealing(ByteSpan bytes) {
  if (bytes.size() < kHeaderBytes) return Invalid("too short");
  const std::size_t threshold = GetU32(bytes.first(4));
  const std::size_t recipients = GetU32(bytes.subspan(4, 4));
  if (recipients > kDealingRecipientsMax || threshold < 1 || threshold > recipients) {
    return Invalid("a number of recipients or a threshold that cannot be");
  }
  const std::size_t size = kHeaderBytes + 33 * threshold + 32 + 32 * kOpened +
                           kDealingKept * (33 + 32 * (threshold + recipients));
  if (bytes.size() != size) return Invalid("not of the length that it announces");
  ByteSpan rest = bytes.subspan(kHeaderBytes);
  const auto take = [&](auto& out) {
    std::ranges::copy(rest.first(out.size()), out.begin());
    rest = rest.subspan(out.size());
  };
  Dealing dealing;
  dealing.commitments.resize(threshold);
  for (CompressedPoint& commitment : dealing.commitments) take(commitment);
  take(dealing.challenge.bytes);
  dealing.opened.resize(kOpened);
  for (Block& seed : dealing.opened) take(seed);
  dealing.kept.resize(kDealingKept);
  for (Dealing::Kept& kept : dealing.kept) {
    take(kept.ephemeral);
    kept.sum.resize(threshold);
    for (Block& coefficient : kept.sum) take(coefficient);
    kept.sealed.resize(recipients);
    for (Block& block : kept.sealed) take(block);
  }
  CHECK(rest.empty());
  return dealing;
}

Dealing Deal(const Digest& context, std::span<const PublicKey> recipients, std::uint16_t threshold,
             ByteSpan entropy) {
  CHECK(entropy.size() == 32);
  const auto terms = MakeTerms(context, recipients, threshold);
  CHECK(terms.has_value());
  Digest master = Hash("waxseal/dealing/master", {entropy, terms->digest.bytes});
  Prg prg(master.bytes, AsBytes("waxseal/dealing/secrets"));
  SecureErase(master.bytes.data(), master.bytes.size());

  const Polynomial secret = DrawPolynomial(prg, threshold);
  Dealing dealing;
  dealing.commitments = Commit(secret);
  std::vector<Block> seeds(kDealingRepetitions);
  std::vector<Repetition> repetitions;
  std::vector<Digest> digests;
  for (std::size_t l = 0; l < kDealingRepetitions; ++l) {
    prg.Fill(seeds[l]);
    repetitions.push_back(Repeat(*terms, l, seeds[l]));
    digests.push_back(repetitions.back().digest);
  }
  dealing.challenge = Challenge(*terms, dealing.commitments, digests);
  const auto kept = KeptBy(dealing.challenge);
  for (std::size_t l = 0; l < kDealingRepetitions; ++l) {
    if (!kept[l]) {
      dealing.opened.push_back(seeds[l]);
      continue;
    }
    Repetition& repetition = repetitions[l];
    Dealing::Kept shown{repetition.ephemeral, repetition.blinding.coefficients,
                        std::move(repetition.sealed)};
    for (std::uint16_t j = 0; j < threshold; ++j) {
      CHECK(AddTo(shown.sum[j], secret.coefficients[j]));  // Zero: probability 2^-256.
    }
    dealing.kept.push_back(std::move(shown));
  }
  SecureErase(seeds.data(), seeds.size() * sizeof(Block));
  return dealing;
}

Result<> VerifyDealing(const Digest& context, std::span<const PublicKey> recipients,
                       std::uint16_t threshold, const Dealing& dealing) {
  const auto terms = MakeTerms(context, recipients, threshold);
  if (!terms) return Invalid("recipients or a threshold that cannot be");
  if (!HasShape(dealing, recipients.size(), threshold)) return Invalid("not of the agreed size");
  auto minus_commitments = ParsePoints(dealing.commitments);
  if (!minus_commitments) return Invalid("a commitment is no point");
  for (secp256k1_pubkey& point : *minus_commitments) point = Negative(point);

  const auto kept = KeptBy(dealing.challenge);
  std::vector<Digest> digests;
  auto next_seed = dealing.opened.begin();
  auto next_kept = dealing.kept.begin();
  for (std::size_t l = 0; l < kDealingRepetitions; ++l) {
    if (!kept[l]) {
      digests.push_back(Repeat(*terms, l, *next_seed++).digest);
      continue;
    }
    const Dealing::Kept& shown = *next_kept++;
    if (!ParsePoint(shown.ephemeral)) return Invalid("an ephemeral key is no point");
    const auto blinding = BlindingCommitments(shown.sum, *minus_commitments);
    if (!blinding) return Invalid("a sum of polynomials has a coefficient that cannot be");
    digests.push_back(RepetitionDigest(*terms, l, shown.ephemeral, *blinding, shown.sealed));
  }
  if (Challenge(*terms, dealing.commitments, digests) != dealing.challenge) {
    return Invalid("the proof of correct encryption does not hold");
  }
  return {};
}

Result<CoinSecret> OpenDealing(const Digest& context, std::span<const PublicKey> recipients,
                               std::uint16_t threshold, PartyId self, const SecretKey& key,
                               const Dealing& dealing) {
  const auto terms = MakeTerms(context, recipients, threshold);
  const std::size_t index = Index(self);
  if (!terms || index >= recipients.size() || recipients[index] != key.public_key()) {
    return Invalid("not dealt to this key");
  }
  if (!HasShape(dealing, recipients.size(), threshold)) return Invalid("not of the agreed size");
  const auto commitments = ParsePoints(dealing.commitments);
  const auto expected = commitments ? CommittedAt(*commitments, Point(index)) : std::nullopt;
  if (!expected) return Invalid("commitments that cannot be");

  Scalar secret{};
  std::ranges::copy(key.secret_bytes(), secret.begin());
  const auto kept = KeptBy(dealing.challenge);
  auto shown = dealing.kept.begin();
  std::optional<CoinSecret> found;
  for (std::size_t l = 0; l < kDealingRepetitions && !found; ++l) {
    if (!kept[l]) continue;
    const auto ephemeral = ParsePoint(shown->ephemeral);
    Polynomial sum;
    sum.coefficients = shown->sum;
    auto share = sum.At(Point(index));
    if (ephemeral && share) {
      CompressedPoint product = MultiplySecret(*ephemeral, secret);
      Scalar blind = Mask(*terms, l, index, shown->ephemeral, product, shown->sealed[index]);
      SecureErase(product.data(), product.size());
      if (IsScalar(blind)) {
        Negate(blind);
        if (AddTo(*share, blind) && Serialize(MultiplyGenerator(*share)) == Serialize(*expected)) {
          found = std::move(CoinSecret::From(*share).value());
        }
      }
      SecureErase(blind.data(), blind.size());
      SecureErase(share->data(), share->size());
    }
    ++shown;
  }
  SecureErase(secret.data(), secret.size());
  if (!found) return Invalid("no kept repetition opens to the share committed to");
  return std::move(*found);
}

Result<CoinPublicKey> CombineKeys(std::span<const Dealing> dealings, std::uint16_t parties) {
  CHECK(!dealings.empty());
  const std::size_t threshold = dealings[0].commitments.size();
  std::vector<secp256k1_pubkey> sums;
  for (std::size_t j = 0; j < threshold; ++j) {
    std::vector<secp256k1_pubkey> terms;
    for (const Dealing& dealing : dealings) {
      CHECK(dealing.commitments.size() == threshold);
      const auto point = ParsePoint(dealing.commitments[j]);
      CHECK(point.has_value());  // Verified.
      terms.push_back(*point);
    }
    const auto sum = Sum(terms);
    if (!sum) return Invalid("the sum of the dealings has a zero coefficient");
    sums.push_back(*sum);
  }
  CoinPublicKey key{static_cast<std::uint16_t>(threshold), {}};
  for (std::uint16_t i = 0; i < parties; ++i) {
    const auto point = CommittedAt(sums, Point(i));
    if (!point) return Invalid("the sum of the dealings is zero at a recipient");
    key.verification.push_back(Serialize(*point));
  }
  return key;
}

Result<CoinSecret> CombineShares(std::span<const CoinSecret> shares) {
  CHECK(!shares.empty());
  Scalar sum{};
  std::ranges::copy(shares[0].secret_bytes(), sum.begin());
  bool nonzero = true;
  for (const CoinSecret& share : shares.subspan(1)) {
    Scalar term{};
    std::ranges::copy(share.secret_bytes(), term.begin());
    nonzero = nonzero && AddTo(sum, term);
    SecureErase(term.data(), term.size());
  }
  Result<CoinSecret> secret =
      nonzero ? CoinSecret::From(sum) : Invalid("the sum of the shares is zero");
  SecureErase(sum.data(), sum.size());
  return secret;
}

bool Matches(const CoinPublicKey& key, PartyId party, const CoinSecret& secret) {
  if (Index(party) >= key.verification.size()) return false;
  Scalar scalar{};
  std::ranges::copy(secret.secret_bytes(), scalar.begin());
  const bool same = Serialize(MultiplyGenerator(scalar)) == key.verification[Index(party)];
  SecureErase(scalar.data(), scalar.size());
  return same;
}

}  // namespace proto
