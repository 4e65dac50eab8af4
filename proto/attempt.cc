#include "proto/attempt.h"

#include "proto/crypto/hash.h"

namespace proto {

Digest VectorDigest(const Place& place, const Digest& root) {
  return Hasher("waxseal/mpc/vector")
      .Add(place.chain.span())
      .Add(place.epoch)
      .Add(place.attempt)
      .Add(std::uint64_t{place.layer})
      .Add(place.transcript.span())
      .Add(root.span())
      .Finish();
}

Digest SendersDigest(const std::vector<SignedRoot>& senders) {
  Hasher hasher("waxseal/mpc/senders");
  for (const SignedRoot& sender : senders) {
    hasher.Add(std::uint64_t{Index(sender.party)})
        .Add(sender.root.span())
        .Add(sender.signature.span());
  }
  return hasher.Finish();
}

Digest FindingDigest(const Finding& finding) {
  Hasher hasher("waxseal/mpc/finding");
  hasher.Add(finding.attempt)
      .Add(std::uint64_t{finding.layer})
      .Add(SendersDigest(finding.senders).span())
      .Add(std::uint64_t{finding.expected.size()});
  for (const Digest& root : finding.expected) hasher.Add(root.span());
  return hasher.Add(finding.expected_root.span()).Finish();
}

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
