// What a Byzantine validator makes of its messages: well-formed lies, signed with its own key.
#pragma once

#include <random>
#include <utility>
#include <variant>

#include "consensus/step.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/hash.h"

namespace sim {

class Liar {
 public:
  Liar(const proto::SecretKey& key, std::mt19937_64& random) : key_(key), random_(random) {}

  consensus::Message Lie(consensus::Message message) {
    std::visit(proto::Overloaded{
                   [&](proto::dag::Batch& batch) {
                     batch = proto::dag::MakeBatch({{1, 2, 3}, {Byte()}});
                   },
                   [&](consensus::Header& header) { LieAbout(header); },
                   [&](consensus::Vote& vote) { LieAbout(vote); },
                   [&](consensus::Certificate& certificate) { LieAbout(certificate); },
                   [&](consensus::Request& request) {
                     request.batches.assign(proto::dag::kRequestItemsMax, Nothing());
                   },
                   [&](consensus::RangeRequest& request) { request.first_round = random_(); },
                   [&](consensus::RangeAnswer& answer) {
                     answer.certificates.clear();
                     answer.next_round = answer.first_round + random_() % 1'000;
                     answer.highest_round = random_() % 2 ? random_() : answer.highest_round;
                     answer.oldest_round = random_() % 4 ? 1 : random_();
                   },
               },
               message);
    return message;
  }

 private:
  std::uint8_t Byte() { return static_cast<std::uint8_t>(random_()); }
  proto::Digest Nothing() { return proto::Hasher("sim/nothing").Add(random_()).Finish(); }

  void LieAbout(consensus::Header& header) {
    consensus::HeaderFields fields = header;
    switch (random_() % 10) {
      case 0:  // Links to what does not exist, above gc and far below.
        fields.weak = {{1, fields.author, Nothing()}};
        break;
      case 1:
        if (!fields.parents.empty()) fields.parents[0].digest = Nothing();
        break;
      case 2:
        fields.batches.push_back({Nothing(), 77});
        break;
      case 3:
        fields.coin_share.reset();
        break;
      case 4:
        if (fields.coin_share) fields.coin_share->proof[5] ^= 1;
        break;
      case 5:  // A round nobody has reached, with parents of its own invention.
        fields.round += 2 * (1 + random_() % 400);
        for (auto& parent : fields.parents) parent.round = fields.round - 1;
        break;
      case 6:
        if (fields.parents.size() > 1) fields.parents.pop_back();
        break;
      case 7:
        fields.block_votes = {{1 + random_() % 5, Nothing(), {}}};
        break;
      case 8:
        fields.epoch = 2;
        break;
      default:
        fields.round = 1;
        fields.parents.clear();
        fields.weak.clear();
        fields.coin_share.reset();
        break;
    }
    header = proto::dag::SignHeader(std::move(fields), key_);
  }

  void LieAbout(consensus::Vote& vote) {
    switch (random_() % 3) {
      case 0:
        vote.header = Nothing();
        break;
      case 1:
        vote.round += random_() % 3;
        break;
      default:
        vote.signature.bytes[7] ^= 1;
        break;
    }
  }

  void LieAbout(consensus::Certificate& certificate) {
    switch (random_() % 4) {
      case 0:
        certificate.votes.pop_back();
        break;
      case 1:
        certificate.votes[0].second.bytes[3] ^= 1;
        break;
      case 2:
        certificate.votes.back() = certificate.votes.front();
        break;
      default:  // The votes of one vertex for another.
        LieAbout(certificate.header);
        break;
    }
  }

  const proto::SecretKey& key_;
  std::mt19937_64& random_;
};

}  // namespace sim
