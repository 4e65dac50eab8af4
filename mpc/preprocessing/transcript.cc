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

proto::Digest OpeningDigest(const Place& place, proto::ByteSpan values) {
  return At("waxseal/mpc/verify-opening", place).AddSized(values).Finish();
}

proto::Digest ChallengeName(const Place& place) {
  return At("waxseal/mpc/challenge", place).Finish();
}

}  // namespace mpc
