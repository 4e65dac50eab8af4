// Messages as bytes: fields in order, little-endian, lists and texts with their length first. One
// description of a message's fields serves both directions, and no two byte strings decode to equal
// messages.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/committee.h"

namespace node {

inline constexpr std::size_t kCountMax = 1024;  // C(13, 4) = 715 sets, fewer parties.
inline constexpr std::size_t kReserve = 256;    // Before the first growth.
inline constexpr std::size_t kTextBytesMax = 400;
inline constexpr std::size_t kBlobBytesMax = std::size_t{1} << 20;

// Appends, and reads back, the same fields in the same order.
class Writer {
 public:
  explicit Writer(proto::Bytes& out) : out_(out) {}

  void operator()(const auto& fixed) requires requires { fixed.bytes; }
  { out_.insert(out_.end(), fixed.bytes.begin(), fixed.bytes.end()); }
  void operator()(const proto::Bytes& blob) {
    proto::PutU32(out_, static_cast<std::uint32_t>(blob.size()));
    out_.insert(out_.end(), blob.begin(), blob.end());
  }
  void operator()(const std::array<std::uint8_t, 32>& block) {
    out_.insert(out_.end(), block.begin(), block.end());
  }
  void operator()(std::uint64_t number) { proto::PutU64(out_, number); }
  void operator()(std::uint32_t number) { proto::PutU32(out_, number); }
  void operator()(proto::PartyId party) { out_.push_back(static_cast<std::uint8_t>(Index(party))); }
  void operator()(const std::string& text) { (*this)(proto::Bytes(text.begin(), text.end())); }
  void operator()(const std::optional<proto::Digest>& digest) {
    out_.push_back(digest ? 1 : 0);
    if (digest) (*this)(*digest);
  }
  template <class T>
  void operator()(const std::vector<T>& list) {
    proto::PutU32(out_, static_cast<std::uint32_t>(list.size()));
    for (const T& entry : list) (*this)(entry);
  }

 private:
  proto::Bytes& out_;
};

class Reader {
 public:
  explicit Reader(proto::ByteSpan bytes) : rest_(bytes) {}

  bool good() const { return good_; }
  bool done() const { return good_ && rest_.empty(); }

  void operator()(auto& fixed) requires requires { fixed.bytes; }
  { std::ranges::copy(Take(fixed.bytes.size()), fixed.bytes.begin()); }
  void operator()(proto::Bytes& blob) {
    const proto::ByteSpan taken = Take(Count(kBlobBytesMax));
    blob.assign(taken.begin(), taken.end());
  }
  void operator()(std::array<std::uint8_t, 32>& block) {
    std::ranges::copy(Take(block.size()), block.begin());
  }
  void operator()(std::uint32_t& number) {
    if (const proto::ByteSpan taken = Take(4); !taken.empty()) number = proto::GetU32(taken);
  }
  void operator()(proto::PartyId& party) {  // Of at most 256.
    if (const proto::ByteSpan taken = Take(1); !taken.empty()) {
      party = static_cast<proto::PartyId>(taken[0]);
    }
  }
  void operator()(std::uint64_t& number) {
    if (const proto::ByteSpan taken = Take(8); !taken.empty()) number = proto::GetU64(taken);
  }
  void operator()(std::string& text) {
    text = proto::AsText(Take(Count(kTextBytesMax)));
    if (!std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; })) good_ = false;
  }
  void operator()(std::optional<proto::Digest>& digest) {
    const proto::ByteSpan flag = Take(1);
    if (flag.empty() || flag[0] > 1) {
      good_ = false;
    } else if (flag[0] == 1) {
      (*this)(digest.emplace());
    }
  }
  template <class T>
  void operator()(std::vector<T>& list) {
    const std::size_t count = Count(kCountMax);
    for (std::size_t i = 0; i < count && good_; ++i) (*this)(list.emplace_back());
  }

 private:
  proto::ByteSpan Take(std::size_t size) {
    if (!good_ || rest_.size() < size) {
      good_ = false;
      return {};
    }
    const proto::ByteSpan taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  std::size_t Count(std::size_t max) {
    const proto::ByteSpan bytes = Take(4);
    if (bytes.empty()) return 0;
    const std::size_t count = proto::GetU32(bytes);
    if (count > max) good_ = false;
    return good_ ? count : 0;
  }

  proto::ByteSpan rest_;
  bool good_ = true;
};

// Kind, then fields: fields(io, message) hands each field of each alternative to io.
template <class Message>
proto::Bytes EncodeVariant(const Message& message, auto fields) {
  proto::Bytes out;
  out.reserve(kReserve);
  out.push_back(static_cast<std::uint8_t>(message.index()));
  Writer writer(out);
  std::visit([&](const auto& m) { fields(writer, m); }, message);
  return out;
}

template <class Message, std::size_t kIndex = 0>
proto::Result<Message> DecodeVariant(proto::ByteSpan bytes, auto fields) {
  if constexpr (kIndex < std::variant_size_v<Message>) {
    if (bytes.empty()) return proto::Fail(proto::ErrorCode::kInvalidArgument, "an empty message");
    if (bytes[0] != kIndex) return DecodeVariant<Message, kIndex + 1>(bytes, fields);
    std::variant_alternative_t<kIndex, Message> message;
    Reader reader(bytes.subspan(1));
    fields(reader, message);
    if (reader.done()) return Message(std::move(message));
    return proto::Fail(proto::ErrorCode::kInvalidArgument, "a malformed message");
  } else {
    return proto::Fail(proto::ErrorCode::kInvalidArgument, "an unknown kind of message");
  }
}

}  // namespace node
