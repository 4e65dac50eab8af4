#include "node/sync/guard.h"

#include "proto/wire/consensus.h"

namespace node {

using proto::PartyId;
using proto::sync::WordAnswer;
using proto::sync::WordQuery;

Guard::Messages Guard::Ask() const {
  Messages messages;
  for (std::uint16_t i = 0; i < committee_.size(); ++i) {
    for (auto& message : AskOne(PartyId{i})) messages.push_back(std::move(message));
  }
  return messages;
}

Guard::Messages Guard::AskOne(PartyId peer) const {
  if (peer == self_ || answered_.count(peer)) return {};
  return {{{peer}, WordQuery{epoch_, nonce_}}};
}

Guard::Verdict Guard::On(PartyId from, const WordAnswer& answer, std::uint64_t own_round) {
  if (answer.epoch != epoch_ || answer.nonce != nonce_ || from == self_) return {};
  if (answer.header.empty()) {
    answered_.insert(from);
    return {};
  }
  const auto header = proto::dag::DecodeHeader(answer.header);
  if (!header || header->author != self_ || header->chain != chain_ || header->epoch != epoch_ ||
      !proto::Verify(key_, header->digest, header->signature)) {
    return {std::nullopt, true};
  }
  answered_.insert(from);
  if (header->round <= own_round) return {};
  const std::string known = own_round == 0 ? "this storage knows none"
                                           : "the newest that this storage knows is of round " +
                                                 std::to_string(own_round);
  return {"a peer holds a header of round " + std::to_string(header->round) +
              " signed by this validator, and " + known +
              ": the storage was lost or is an old copy",
          false};
}

}  // namespace node
