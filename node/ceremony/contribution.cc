#include "node/ceremony/contribution.h"

#include <algorithm>

#include "proto/base/check.h"
#include "proto/crypto/ecies.h"
#include "proto/crypto/hash.h"

namespace node {

using proto::Digest;
using proto::PartyId;

namespace {

Digest SealContext(const Digest& context, PartyId author, PartyId recipient) {
  return proto::Hasher("waxseal/ceremony/sealed-parts")
      .Add(context.bytes)
      .Add(std::uint64_t{Index(author)})
      .Add(std::uint64_t{Index(recipient)})
      .Finish();
}

}  // namespace

std::vector<mpc::SetIndex> SetsOf(const mpc::ReplicatedSets& sets,
                                  std::initializer_list<PartyId> parties) {
  std::vector<mpc::SetIndex> result;
  for (mpc::SetIndex set = 0; set < sets.count(); ++set) {
    const auto holds = [&](PartyId party) { return sets.Contains(set, party); };
    if (std::ranges::all_of(parties, holds)) result.push_back(set);
  }
  return result;
}

Digest PartCommitment(const Digest& context, PartyId author, mpc::SetIndex set,
                      const KeyPart& part) {
  return proto::Hasher("waxseal/ceremony/part")
      .Add(context.bytes)
      .Add(std::uint64_t{Index(author)})
      .Add(std::uint64_t{set})
      .Add(part)
      .Finish();
}

Contribution::Contribution(const mpc::ReplicatedSets& sets, PartyId party, const Digest& context,
                           proto::ByteSpan seed)
    : party_(party), context_(context), parts_(sets.count()) {
  CHECK(seed.size() == 32);
  for (const mpc::SetIndex set : SetsOf(sets, {party})) {
    parts_[set] = proto::Hasher("waxseal/ceremony/draw")
                      .Add(seed)
                      .Add(context.bytes)
                      .Add(std::uint64_t{set})
                      .Finish()
                      .bytes;
  }
}

Contribution::~Contribution() {
  for (auto& part : parts_) {
    if (part) proto::SecureErase(part->data(), part->size());
  }
}

std::vector<Digest> Contribution::Commitments() const {
  std::vector<Digest> commitments;
  for (mpc::SetIndex set = 0; set < parts_.size(); ++set) {
    if (parts_[set]) commitments.push_back(PartCommitment(context_, party_, set, *parts_[set]));
  }
  return commitments;
}

proto::Bytes Contribution::SealFor(const mpc::ReplicatedSets& sets, PartyId recipient,
                                   const proto::PublicKey& ephemeral,
                                   proto::ByteSpan entropy) const {
  std::vector<KeyPart> shared;
  for (const mpc::SetIndex set : SetsOf(sets, {party_, recipient})) shared.push_back(*parts_[set]);
  proto::Bytes sealed = SealParts(context_, party_, recipient, ephemeral, shared, entropy);
  EraseParts(shared);
  return sealed;
}

proto::Bytes SealParts(const Digest& context, PartyId author, PartyId recipient,
                       const proto::PublicKey& ephemeral, const std::vector<KeyPart>& parts,
                       proto::ByteSpan entropy) {
  proto::Bytes plain;
  plain.reserve(parts.size() * KeyPart{}.size());  // Not moved, so that all of it is erased.
  for (const KeyPart& part : parts) plain.insert(plain.end(), part.begin(), part.end());
  proto::Bytes sealed =
      proto::Seal(ephemeral, SealContext(context, author, recipient).bytes, plain, entropy);
  proto::SecureErase(plain.data(), plain.size());
  return sealed;
}

proto::Result<std::vector<KeyPart>> OpenParts(const Digest& context, PartyId author,
                                              PartyId recipient, const proto::SecretKey& ephemeral,
                                              proto::ByteSpan sealed, std::size_t count) {
  auto plain = proto::OpenSealed(ephemeral, SealContext(context, author, recipient).bytes, sealed);
  if (!plain) return tl::unexpected(plain.error());
  std::vector<KeyPart> parts(count);
  const bool fits = plain->size() == count * KeyPart{}.size();
  for (std::size_t i = 0; fits && i < count; ++i) {
    std::copy_n(plain->begin() + static_cast<std::ptrdiff_t>(i * KeyPart{}.size()),
                KeyPart{}.size(), parts[i].begin());
  }
  proto::SecureErase(plain->data(), plain->size());
  if (!fits) return proto::Fail(proto::ErrorCode::kCorrupt, "not as many parts as agreed");
  return parts;
}

void EraseParts(std::vector<KeyPart>& parts) {
  proto::SecureErase(parts.data(), parts.size() * sizeof(KeyPart));
}

}  // namespace node
