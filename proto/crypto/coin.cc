#include "proto/crypto/coin.h"

#include <algorithm>
#include <set>

#include "proto/base/check.h"
#include "proto/crypto/group.h"
#include "proto/crypto/hash.h"

namespace proto {
namespace {

// A candidate x is on the curve with probability 1/2, a hash is no scalar with 2^-128.
constexpr std::uint64_t kAttemptsMax = 256;

std::uint32_t Point(PartyId party) {
  return std::uint32_t{Index(party)} + 1;
}

// Try and increment: names are public, so the varying time tells nothing.
secp256k1_pubkey HashToCurve(const Digest& name) {
  for (std::uint64_t attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const Digest x = Hasher("waxseal/coin/curve").Add(name.bytes).Add(attempt).Finish();
    CompressedPoint candidate{};
    candidate[0] = 2;
    std::ranges::copy(x.bytes, candidate.begin() + 1);
    if (const auto point = ParsePoint(candidate)) return *point;
  }
  CHECK(false);  // Probability 2^-256.
  return {};
}

// What a share's proof is about: log_G V = log_Q S, for one party and one name.
struct Statement {
  PartyId party;
  const Digest& name;
  CompressedPoint q;
  CompressedPoint v;
  CompressedPoint s;

  void AddTo(Hasher& hasher) const {
    hasher.Add(name.bytes).Add(std::uint64_t{Index(party)}).Add(q).Add(v).Add(s);
  }
};

// a = k G, b = k Q. The hash is the challenge when it is a scalar, as good as always.
Scalar Challenge(const Statement& statement, const CompressedPoint& a, const CompressedPoint& b) {
  Hasher hasher("waxseal/coin/challenge");
  statement.AddTo(hasher);
  return hasher.Add(a).Add(b).Finish().bytes;
}

// The nonce k of a proof: from the secret and the whole statement, so that no two statements ever
// share one.
Scalar Nonce(const Scalar& secret, const Statement& statement, std::uint64_t attempt) {
  Hasher hasher("waxseal/coin/nonce");
  hasher.Add(secret);
  statement.AddTo(hasher);
  return hasher.Add(attempt).Finish().bytes;
}

// 1/a = a^(order - 2), by squaring and multiplying.
Scalar Inverse(const Scalar& a) {
  Scalar exponent = SmallScalar(2);
  Negate(exponent);
  Scalar result = SmallScalar(1);
  for (std::size_t bit = 0; bit < 256; ++bit) {
    const Scalar square = result;
    CHECK(MultiplyBy(result, square));
    if ((exponent[bit / 8] >> (7 - bit % 8)) & 1) CHECK(MultiplyBy(result, a));
  }
  return result;
}

// Coefficients of f(0) = sum lambda_i f(point_i): lambda_i = prod_{j != i} point_j / (point_j -
// point_i). One inversion serves all.
std::vector<Scalar> LagrangeAtZero(const std::vector<std::uint32_t>& points) {
  std::vector<Scalar> numerators(points.size(), SmallScalar(1));
  std::vector<Scalar> denominators(points.size(), SmallScalar(1));
  Scalar product = SmallScalar(1);
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = 0; j < points.size(); ++j) {
      if (i == j) continue;
      const bool negative = points[j] < points[i];
      Scalar difference = SmallScalar(negative ? points[i] - points[j] : points[j] - points[i]);
      if (negative) Negate(difference);
      CHECK(MultiplyBy(numerators[i], SmallScalar(points[j])));
      CHECK(MultiplyBy(denominators[i], difference));
    }
    CHECK(MultiplyBy(product, denominators[i]));
  }
  const Scalar inverse = Inverse(product);
  for (std::size_t i = 0; i < points.size(); ++i) {
    CHECK(MultiplyBy(numerators[i], inverse));
    for (std::size_t j = 0; j < points.size(); ++j) {
      if (i != j) CHECK(MultiplyBy(numerators[i], denominators[j]));
    }
  }
  return numerators;
}

// A scalar that only who knows the seed can tell.
Scalar Coefficient(ByteSpan seed, std::uint64_t degree) {
  for (std::uint64_t attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const Digest hash = Hasher("waxseal/coin/deal").Add(seed).Add(degree).Add(attempt).Finish();
    if (IsScalar(hash.bytes)) return hash.bytes;
  }
  CHECK(false);
  return {};
}

}  // namespace

Result<CoinSecret> CoinSecret::From(ByteSpan bytes) {
  CoinSecret secret;
  if (bytes.size() != secret.secret_.size()) {
    return Fail(ErrorCode::kInvalidArgument, "a coin secret has 32 bytes");
  }
  std::ranges::copy(bytes, secret.secret_.begin());
  if (!IsScalar(secret.secret_)) {
    return Fail(ErrorCode::kInvalidArgument, "a coin secret lies between 1 and the group order");
  }
  return secret;
}

CoinSecret::CoinSecret(CoinSecret&& other) noexcept {
  *this = std::move(other);
}

CoinSecret& CoinSecret::operator=(CoinSecret&& other) noexcept {
  if (this != &other) {
    secret_ = other.secret_;
    SecureErase(other.secret_.data(), other.secret_.size());
  }
  return *this;
}

CoinSecret::~CoinSecret() {
  SecureErase(secret_.data(), secret_.size());
}

CoinSecret CoinSecret::Clone() const {
  CoinSecret copy;
  copy.secret_ = secret_;
  return copy;
}

CoinKeys DealCoin(const Committee& committee, std::uint16_t threshold, ByteSpan seed) {
  CHECK(threshold >= 1 && threshold <= committee.size());
  CHECK(seed.size() == 32);
  std::vector<Scalar> polynomial;
  for (std::uint16_t degree = 0; degree < threshold; ++degree) {
    polynomial.push_back(Coefficient(seed, degree));
  }
  CoinKeys keys;
  keys.public_key.threshold = threshold;
  for (std::uint16_t i = 0; i < committee.size(); ++i) {
    // Horner. That a partial sum is zero, which the library refuses, has probability 2^-256.
    Scalar value = polynomial.back();
    for (std::size_t degree = polynomial.size() - 1; degree-- > 0;) {
      CHECK(MultiplyBy(value, SmallScalar(Point(PartyId{i}))) && AddTo(value, polynomial[degree]));
    }
    keys.public_key.verification.push_back(Serialize(MultiplyGenerator(value)));
    keys.secrets.push_back(std::move(CoinSecret::From(value).value()));
    SecureErase(value.data(), value.size());
  }
  for (Scalar& coefficient : polynomial) SecureErase(coefficient.data(), coefficient.size());
  return keys;
}

CoinShare MakeCoinShare(const CoinSecret& secret, PartyId party, const Digest& name) {
  const Scalar& x = secret.secret_;
  const secp256k1_pubkey q = HashToCurve(name);
  CoinShare share;
  share.point = MultiplySecret(q, x);
  const Statement statement{party, name, Serialize(q), Serialize(MultiplyGenerator(x)),
                            share.point};
  for (std::uint64_t attempt = 0; attempt < kAttemptsMax; ++attempt) {
    Scalar nonce = Nonce(x, statement, attempt);
    if (!IsScalar(nonce)) continue;
    const Scalar challenge =
        Challenge(statement, Serialize(MultiplyGenerator(nonce)), MultiplySecret(q, nonce));
    Scalar response = x;  // challenge * x + nonce
    const bool proved = MultiplyBy(response, challenge) && AddTo(response, nonce);
    SecureErase(nonce.data(), nonce.size());
    if (!proved) continue;
    std::ranges::copy(challenge, share.proof.begin());
    std::ranges::copy(response, share.proof.begin() + 32);
    return share;
  }
  CHECK(false);
  return share;
}

bool VerifyCoinShare(const CoinPublicKey& key, PartyId party, const Digest& name,
                     const CoinShare& share) {
  if (Index(party) >= key.verification.size()) return false;
  const CompressedPoint& verification = key.verification[Index(party)];
  const auto v = ParsePoint(verification);
  const auto s = ParsePoint(share.point);
  Scalar challenge{};
  Scalar response{};
  std::copy_n(share.proof.begin(), 32, challenge.begin());
  std::copy_n(share.proof.begin() + 32, 32, response.begin());
  if (!v || !s || !IsScalar(challenge) || !IsScalar(response)) return false;

  // a = response G - challenge V, b = response Q - challenge S.
  const secp256k1_pubkey q = HashToCurve(name);
  Scalar minus_challenge = challenge;
  Negate(minus_challenge);
  const auto a = Sum({MultiplyGenerator(response), Multiply(*v, minus_challenge)});
  const auto b = Sum({Multiply(q, response), Multiply(*s, minus_challenge)});
  if (!a || !b) return false;
  const Statement statement{party, name, Serialize(q), verification, share.point};
  return Challenge(statement, Serialize(*a), Serialize(*b)) == challenge;
}

Digest CombineCoin(const CoinPublicKey& key, const Digest& name,
                   const std::vector<std::pair<PartyId, CoinShare>>& shares) {
  CHECK(key.threshold >= 1 && shares.size() >= key.threshold);
  std::vector<std::uint32_t> points;
  for (std::size_t i = 0; i < key.threshold; ++i) {
    const PartyId party = shares[i].first;
    points.push_back(Point(key.holders.empty() ? party : key.holders.at(Index(party))));
  }
  CHECK(std::set(points.begin(), points.end()).size() == points.size());

  const std::vector<Scalar> lambda = LagrangeAtZero(points);
  std::vector<secp256k1_pubkey> terms;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto point = ParsePoint(shares[i].second.point);
    CHECK(point.has_value());
    terms.push_back(Multiply(*point, lambda[i]));
  }
  const auto sum = Sum(terms);
  CHECK(sum.has_value());  // x Q, and x is not zero.
  return Hasher("waxseal/coin/value").Add(name.bytes).Add(Serialize(*sum)).Finish();
}

}  // namespace proto
