// The stream by VAES is OpenSSL's, bit for bit.

#include "proto/crypto/aes_ctr.h"

#include <algorithm>
#include <array>
#include <random>

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "proto/base/bytes.h"

namespace proto {
namespace {

using Key = std::array<std::uint8_t, AesCtr::kBlockSize>;

Bytes FromOpenSsl(const Key& key, std::size_t size) {
  const Key counter{};
  Bytes out(size);
  const Bytes zeros(size);
  int written = 0;
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), nullptr, key.data(), counter.data());
  EVP_EncryptUpdate(context, out.data(), &written, zeros.data(), static_cast<int>(size));
  EVP_CIPHER_CTX_free(context);
  return out;
}

TEST(AesCtr, GivesOpenSslsStreamFromAnyBlock) {
  if (!AesCtr::Supported()) GTEST_SKIP();
  std::mt19937_64 random(1);
  for (int run = 0; run < 20; ++run) {
    Key key;
    for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(random());
    const AesCtr cipher(key);
    const Bytes expected = FromOpenSsl(key, 600 * AesCtr::kBlockSize);
    for (const std::size_t first : {0u, 1u, 15u, 255u, 256u, 300u}) {
      for (const std::size_t count : {0u, 1u, 15u, 16u, 17u, 48u, 299u}) {
        Bytes out(count * AesCtr::kBlockSize, 0xcc);
        cipher.Generate(0, first, out);
        EXPECT_TRUE(
            std::equal(out.begin(), out.end(),
                       expected.begin() + static_cast<std::ptrdiff_t>(first * AesCtr::kBlockSize)))
            << first << " " << count;
      }
    }
  }
}

}  // namespace
}  // namespace proto
