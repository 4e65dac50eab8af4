// Links of a chain that has been there for long, made without its blocks: the same validators, a
// new epoch every ten of them.
#pragma once

#include <vector>

#include "proto/checkpoint.h"
#include "proto/wire/epoch.h"
#include "tests/unit/node/ledger/world.h"

namespace node::test {

inline proto::BlockSignatures SignAs(const World& world, std::uint64_t epoch,
                                     const proto::BlockHeader& header) {
  const Digest digest = proto::CheckpointDigest(world.ledger.chain().id, epoch, header.commit_index,
                                                proto::BlockDigest(header));
  proto::BlockSignatures signatures;
  for (std::uint16_t i = 0; i < world.committee.quorum(); ++i) {
    signatures.emplace_back(PartyId{i}, world.validators[i].Sign(digest));
  }
  return signatures;
}

// The block's header at a height of that epoch.
inline proto::BlockHeader HeaderIn(const World& world, const proto::EpochRecord& epoch,
                                   std::uint64_t height) {
  proto::BlockHeader header = world.ledger.header();
  header.height = header.commit_index = height;
  header.committee_hash = proto::CommitteeHash(epoch);
  return header;
}

inline std::vector<proto::EpochLink> LinksOf(const World& world, std::size_t count) {
  std::vector<proto::EpochLink> links;
  proto::EpochRecord epoch = proto::FirstEpoch(world.genesis);
  while (links.size() < count) {
    proto::EpochRecord next = epoch;
    next.number += 1;
    next.first_height += 10;
    proto::BlockHeader header = HeaderIn(world, epoch, next.first_height - 1);
    header.next_committee_hash = proto::CommitteeHash(next);
    links.push_back({header, SignAs(world, epoch.number, header), next});
    epoch = next;
  }
  return links;
}

}  // namespace node::test
