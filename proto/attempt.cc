#include "proto/attempt.h"

#include "proto/crypto/hash.h"

namespace proto {

Digest EchoDigest(const Digest& chain, std::uint64_t epoch, std::uint64_t attempt,
                  std::uint32_t layer, PartyId king, const Digest& root, const Digest& senders) {
  return Hasher("waxseal/mpc/echo")
      .Add(chain.span())
      .Add(epoch)
      .Add(attempt)
      .Add(std::uint64_t{layer})
      .Add(std::uint64_t{Index(king)})
      .Add(root.span())
      .Add(senders.span())
      .Finish();
}

Digest ExtendTranscript(const Digest& transcript, std::uint32_t layer, const Digest& root) {
  return Hasher("waxseal/mpc/transcript")
      .Add(transcript.span())
      .Add(std::uint64_t{layer})
      .Add(root.span())
      .Finish();
}

}  // namespace proto
