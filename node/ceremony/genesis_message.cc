#include "node/ceremony/genesis_message.h"

#include <utility>

#include "node/ceremony/codec.h"
#include "proto/crypto/hash.h"

namespace node::genesis {

using proto::Bytes;
using proto::ByteSpan;
using proto::Digest;

namespace {

void Fields(auto& io, auto& m) {
  using M = std::remove_cvref_t<decltype(m)>;
  if constexpr (std::is_same_v<M, Opening>) {
    io(m.proposal), io(m.nonce), io(m.nonces), io(m.version), io(m.chain);
  } else if constexpr (std::is_same_v<M, Commitment>) {
    io(m.dealing), io(m.ephemeral), io(m.parts), io(m.signature);
  } else if constexpr (std::is_same_v<M, Echo>) {
    io(m.commitments), io(m.signatures);
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
  return EncodeVariant(message, [](auto& io, const auto& m) { Fields(io, m); });
}

proto::Result<Message> Decode(ByteSpan bytes) {
  return DecodeVariant<Message>(bytes, [](auto& io, auto& m) { Fields(io, m); });
}

}  // namespace node::genesis
