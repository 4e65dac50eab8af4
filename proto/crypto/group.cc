#include "proto/crypto/group.h"

#include <algorithm>

#include <secp256k1_ecdh.h>

#include "proto/base/check.h"

namespace proto {
namespace {

const secp256k1_context* PublicContext() {
  return secp256k1_context_static;
}

// In place of a hash, hands secp256k1_ecdh's product out as it is.
int CopyPoint(unsigned char* output, const unsigned char* x, const unsigned char* y, void*) {
  output[0] = static_cast<unsigned char>(2 + (y[31] & 1));
  std::copy_n(x, 32, output + 1);
  return 1;
}

}  // namespace

const secp256k1_context* SigningContext() {
  static const secp256k1_context* const context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
  CHECK(context != nullptr);
  return context;
}

bool IsScalar(const Scalar& scalar) {
  return secp256k1_ec_seckey_verify(PublicContext(), scalar.data()) == 1;
}

Scalar SmallScalar(std::uint32_t value) {
  Scalar scalar{};
  for (std::size_t i = 0; i < 4; ++i) {
    scalar[31 - i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  return scalar;
}

void Negate(Scalar& scalar) {
  CHECK(secp256k1_ec_seckey_negate(PublicContext(), scalar.data()) == 1);
}

bool MultiplyBy(Scalar& scalar, const Scalar& factor) {
  return secp256k1_ec_seckey_tweak_mul(PublicContext(), scalar.data(), factor.data()) == 1;
}

bool AddTo(Scalar& scalar, const Scalar& summand) {
  return secp256k1_ec_seckey_tweak_add(PublicContext(), scalar.data(), summand.data()) == 1;
}

std::optional<secp256k1_pubkey> ParsePoint(ByteSpan compressed) {
  secp256k1_pubkey point;
  if (compressed.size() != CompressedPoint{}.size() ||
      secp256k1_ec_pubkey_parse(PublicContext(), &point, compressed.data(), compressed.size()) !=
          1) {
    return std::nullopt;
  }
  return point;
}

CompressedPoint Serialize(const secp256k1_pubkey& point) {
  CompressedPoint compressed{};
  std::size_t size = compressed.size();
  CHECK(secp256k1_ec_pubkey_serialize(PublicContext(), compressed.data(), &size, &point,
                                      SECP256K1_EC_COMPRESSED) == 1);
  CHECK(size == compressed.size());
  return compressed;
}

std::optional<secp256k1_pubkey> LiftX(const std::array<std::uint8_t, 32>& x) {
  CompressedPoint compressed{};
  compressed[0] = 2;
  std::ranges::copy(x, compressed.begin() + 1);
  return ParsePoint(compressed);
}

secp256k1_pubkey MultiplyGenerator(const Scalar& secret) {
  secp256k1_pubkey point;
  CHECK(secp256k1_ec_pubkey_create(SigningContext(), &point, secret.data()) == 1);
  return point;
}

CompressedPoint MultiplySecret(const secp256k1_pubkey& point, const Scalar& secret) {
  CompressedPoint product{};
  CHECK(secp256k1_ecdh(PublicContext(), product.data(), &point, secret.data(), CopyPoint,
                       nullptr) == 1);
  return product;
}

secp256k1_pubkey Multiply(const secp256k1_pubkey& point, const Scalar& factor) {
  secp256k1_pubkey product = point;
  CHECK(secp256k1_ec_pubkey_tweak_mul(PublicContext(), &product, factor.data()) == 1);
  return product;
}

secp256k1_pubkey Negative(const secp256k1_pubkey& point) {
  secp256k1_pubkey negative = point;
  CHECK(secp256k1_ec_pubkey_negate(PublicContext(), &negative) == 1);
  return negative;
}

std::optional<secp256k1_pubkey> Sum(const std::vector<secp256k1_pubkey>& points) {
  CHECK(!points.empty());
  std::vector<const secp256k1_pubkey*> pointers;
  pointers.reserve(points.size());
  for (const secp256k1_pubkey& point : points) pointers.push_back(&point);
  secp256k1_pubkey sum;
  if (secp256k1_ec_pubkey_combine(PublicContext(), &sum, pointers.data(), pointers.size()) != 1) {
    return std::nullopt;
  }
  return sum;
}

}  // namespace proto
