#include "node/ceremony/genesis_message.h"

#include <algorithm>
#include <utility>

#include "proto/base/overloaded.h"
#include "proto/crypto/hash.h"

namespace node::genesis {

using proto::Bytes;
using proto::ByteSpan;
using proto::Digest;

namespace {

constexpr std::size_t kCountMax = 1024;  // C(13, 4) = 715 sets, fewer parties.
constexpr std::size_t kBlobBytesMax = std::size_t{1} << 20;

// Appends, and reads back, the same fields in the same order.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  void operator()(const auto& fixed) requires requires { fixed.bytes; }
  { out_.insert(out_.end(), fixed.bytes.begin(), fixed.bytes.end()); }
  void operator()(const Bytes& blob) {
    proto::PutU32(out_, static_cast<std::uint32_t>(blob.size()));
    out_.insert(out_.end(), blob.begin(), blob.end());
  }
  void operator()(std::uint64_t number) { proto::PutU64(out_, number); }
  void operator()(const std::string& text) { (*this)(Bytes(text.begin(), text.end())); }
  void operator()(const std::optional<Digest>& digest) {
    out_.push_back(digest ? 1 : 0);
    if (digest) (*this)(*digest);
  }
  void operator()(const Echo::Heard& heard) {
    (*this)(heard.commitment);
    (*this)(heard.signature);
  }
  template <class T>
  void operator()(const std::vector<T>& list) {
    proto::PutU32(out_, static_cast<std::uint32_t>(list.size()));
    for (const T& entry : list) (*this)(entry);
  }

 private:
  Bytes& out_;
};

class Reader {
 public:
  explicit Reader(ByteSpan bytes) : rest_(bytes) {}

  bool done() const { return good_ && rest_.empty(); }

  void operator()(auto& fixed) requires requires { fixed.bytes; }
  { std::ranges::copy(Take(fixed.bytes.size()), fixed.bytes.begin()); }
  void operator()(Bytes& blob) {
    const ByteSpan taken = Take(Count(kBlobBytesMax));
    blob.assign(taken.begin(), taken.end());
  }
  void operator()(std::uint64_t& number) {
    if (const ByteSpan taken = Take(8); !taken.empty()) number = proto::GetU64(taken);
  }
  void operator()(std::string& text) {
    text = proto::AsText(Take(Count(kReasonBytesMax)));
    if (!std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; })) good_ = false;
  }
  void operator()(std::optional<Digest>& digest) {
    const ByteSpan flag = Take(1);
    if (flag.empty() || flag[0] > 1) {
      good_ = false;
    } else if (flag[0] == 1) {
      (*this)(digest.emplace());
    }
  }
  void operator()(Echo::Heard& heard) {
    (*this)(heard.commitment);
    (*this)(heard.signature);
  }
  template <class T>
  void operator()(std::vector<T>& list) {
    const std::size_t count = Count(kCountMax);
    for (std::size_t i = 0; i < count && good_; ++i) (*this)(list.emplace_back());
  }

 private:
  ByteSpan Take(std::size_t size) {
    if (!good_ || rest_.size() < size) {
      good_ = false;
      return {};
    }
    const ByteSpan taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  std::size_t Count(std::size_t max) {
    const ByteSpan bytes = Take(4);
    if (bytes.empty()) return 0;
    const std::size_t count = proto::GetU32(bytes);
    if (count > max) good_ = false;
    return good_ ? count : 0;
  }

  ByteSpan rest_;
  bool good_ = true;
};

void Fields(auto& io, auto& m) {
  using M = std::remove_cvref_t<decltype(m)>;
  if constexpr (std::is_same_v<M, Opening>) {
    io(m.proposal), io(m.nonce), io(m.nonces), io(m.version), io(m.chain);
  } else if constexpr (std::is_same_v<M, Commitment>) {
    io(m.dealing), io(m.ephemeral), io(m.parts), io(m.signature);
  } else if constexpr (std::is_same_v<M, Echo>) {
    io(m.heard);
  } else if constexpr (std::is_same_v<M, Showing>) {
    io(m.dealing);
  } else if constexpr (std::is_same_v<M, SealedParts>) {
    io(m.sealed);
  } else if constexpr (std::is_same_v<M, Agreement>) {
    io(m.chain), io(m.signature);
  } else if constexpr (std::is_same_v<M, Certificate>) {
    io(m.chain), io(m.signatures);
  } else {
    static_assert(std::is_same_v<M, Refusal>);
    io(m.session), io(m.reason);
  }
}

template <std::size_t kIndex = 0>
proto::Result<Message> DecodeKind(std::size_t kind, ByteSpan body) {
  if constexpr (kIndex < std::variant_size_v<Message>) {
    if (kind != kIndex) return DecodeKind<kIndex + 1>(kind, body);
    std::variant_alternative_t<kIndex, Message> message;
    Reader reader(body);
    Fields(reader, message);
    if (reader.done()) return Message(std::move(message));
    return proto::Fail(proto::ErrorCode::kInvalidArgument, "a malformed message");
  } else {
    return proto::Fail(proto::ErrorCode::kInvalidArgument, "an unknown kind of message");
  }
}

}  // namespace

Digest CommitmentDigest(const Digest& session, proto::PartyId author,
                        const Commitment& commitment) {
  Commitment body = commitment;
  body.signature = {};
  Bytes bytes;
  Writer writer(bytes);
  Fields(writer, std::as_const(body));
  return proto::Hasher("waxseal/genesis/commitment")
      .Add(session.bytes)
      .Add(std::uint64_t{Index(author)})
      .Add(bytes)
      .Finish();
}

Digest DealingDigest(const Digest& session, proto::PartyId author, ByteSpan dealing) {
  return proto::Hasher("waxseal/genesis/dealing-hash")
      .Add(session.bytes)
      .Add(std::uint64_t{Index(author)})
      .Add(dealing)
      .Finish();
}

Digest AgreementDigest(const Digest& chain) {
  return proto::Hash("waxseal/genesis/agreement", {chain.bytes});
}

Bytes Encode(const Message& message) {
  Bytes out{static_cast<std::uint8_t>(message.index())};
  Writer writer(out);
  std::visit([&](const auto& m) { Fields(writer, m); }, message);
  return out;
}

proto::Result<Message> Decode(ByteSpan bytes) {
  if (bytes.empty()) return proto::Fail(proto::ErrorCode::kInvalidArgument, "an empty message");
  return DecodeKind(bytes.front(), bytes.subspan(1));
}

}  // namespace node::genesis
