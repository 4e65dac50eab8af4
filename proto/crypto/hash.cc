#include "proto/crypto/hash.h"

#include <array>
#include <string>

#include "proto/base/check.h"
#include "proto/crypto/sha256.h"

namespace proto {
namespace {

// Fetched once: a fetch for each hash would cost more than the hash.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(algorithm != nullptr);
  return algorithm;
}

}  // namespace

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr);
  CHECK(EVP_DigestInit_ex2(context_.get(), Algorithm(), nullptr) == 1);
}

void Sha256Stream::Begin() {
  CHECK(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1);
}

void Sha256Stream::Begin(const Digest& tag) {
  Begin();
  Add(tag.bytes);
  Add(tag.bytes);
}

void Sha256Stream::Add(ByteSpan bytes) {
  CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

Digest Sha256Stream::Finish() {
  Digest digest;
  CHECK(EVP_DigestFinal_ex(context_.get(), digest.bytes.data(), nullptr) == 1);
  return digest;
}

struct Hasher::State {
  Sha256Stream stream;
};

Hasher::Hasher(std::string_view tag) : state_(std::make_unique<State>()) {
  state_->stream.Add(AsBytes(tag));
  state_->stream.Begin(state_->stream.Finish());
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

Hasher& Hasher::Add(ByteSpan bytes) {
  CHECK(state_ != nullptr);
  state_->stream.Add(bytes);
  return *this;
}

Hasher& Hasher::Add(std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  return Add(bytes);
}

Hasher& Hasher::AddSized(ByteSpan bytes) {
  Add(std::uint64_t{bytes.size()});
  return Add(bytes);
}

Digest Hasher::Finish() {
  CHECK(state_ != nullptr);
  const Digest digest = state_->stream.Finish();
  state_.reset();
  return digest;
}

// For short inputs a fresh context costs more than the hash. One for each thread, and the hash of
// the tag it hashed last: runs of one tag are the rule.
Digest Hash(std::string_view tag, std::initializer_list<ByteSpan> parts) {
  thread_local Sha256Stream stream;
  thread_local std::string last_tag;
  thread_local Digest tag_digest = Sha256({});
  if (tag != last_tag) {
    stream.Begin();
    stream.Add(AsBytes(tag));
    tag_digest = stream.Finish();
    last_tag = tag;
  }
  stream.Begin(tag_digest);
  for (const ByteSpan part : parts) stream.Add(part);
  return stream.Finish();
}

Digest Sha256(ByteSpan bytes) {
  Sha256Stream stream;
  stream.Add(bytes);
  return stream.Finish();
}

}  // namespace proto
