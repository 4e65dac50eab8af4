#include "mpc/preprocessing/transcript.h"

#include <string_view>

#include "proto/crypto/hash.h"

namespace mpc {
namespace {

proto::Hasher At(std::string_view tag, const Place& place) {
  proto::Hasher hasher(tag);
  hasher.Add(place.chain.span())
      .Add(place.epoch)
      .Add(place.attempt)
      .Add(std::uint64_t{place.layer})
      .Add(place.transcript.span());
  return hasher;
}

}  // namespace

proto::Digest VectorDigest(const Place& place, const proto::Digest& root) {
  return At("waxseal/mpc/vector", place).Add(root.span()).Finish();
}

proto::Digest SendersDigest(const std::vector<proto::SignedRoot>& senders) {
  proto::Hasher hasher("waxseal/mpc/senders");
  for (const proto::SignedRoot& sender : senders) {
    hasher.Add(std::uint64_t{Index(sender.party)})
        .Add(sender.root.span())
        .Add(sender.signature.span());
  }
  return hasher.Finish();
}

proto::Digest OpeningDigest(const Place& place, proto::ByteSpan values) {
  return At("waxseal/mpc/verify-opening", place).AddSized(values).Finish();
}

proto::Digest ChallengeName(const Place& place) {
  return At("waxseal/mpc/challenge", place).Finish();
}

}  // namespace mpc
