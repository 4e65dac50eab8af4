// What a client signs to be told the shares of its masks, and what the answer is bound to.

#include "node/rpc/methods.h"
#include "proto/crypto/hash.h"

namespace node {

using proto::Bytes;
using proto::Digest;

proto::Digest MaskQuestionDigest(const Digest& chain, std::uint64_t request,
                                 const proto::PublicKey& ephemeral) {
  return proto::Hasher("waxseal/mask-question")
      .Add(chain.span())
      .Add(request)
      .Add(ephemeral.span())
      .Finish();
}

proto::Digest MaskAnswerDigest(const Digest& chain, std::uint64_t request,
                               const proto::PublicKey& ephemeral, proto::ByteSpan sealed) {
  return proto::Hasher("waxseal/mask-answer")
      .Add(chain.span())
      .Add(request)
      .Add(ephemeral.span())
      .AddSized(sealed)
      .Finish();
}

Bytes MaskContext(const Digest& chain, std::uint64_t request, proto::PartyId party) {
  Bytes context(chain.bytes.begin(), chain.bytes.end());
  proto::PutU64(context, request);
  proto::PutU32(context, Index(party));
  return context;
}

}  // namespace node
