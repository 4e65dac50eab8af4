// The keys of a whole committee, so that a test can speak for any validator.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/config.h"
#include "consensus/step.h"
#include "consensus/wave.h"
#include "proto/checkpoint.h"
#include "proto/crypto/hash.h"

namespace consensus {

inline proto::Bytes TestBytes(std::string_view tag, std::uint64_t number) {
  const proto::Digest digest = proto::Hasher(tag).Add(number).Finish();
  return {digest.bytes.begin(), digest.bytes.end()};
}

class Validators {
 public:
  explicit Validators(std::uint16_t n = 4)
      : committee_(n),
        coin_(proto::DealCoin(committee_, committee_.validity(), TestBytes("test/coin", 0))) {
    for (std::uint16_t i = 0; i < n; ++i) {
      secrets_.push_back(*proto::SecretKey::From(TestBytes("test/key", i)));
    }
  }

  Config ConfigOf(std::uint16_t self) const {
    Config config{committee_, {}, {}, 1, coin_.public_key, 16, proto::PartyId{self}};
    for (const auto& secret : secrets_) config.keys.push_back(secret.public_key());
    config.chain = proto::Hash("test/chain", {});
    return config;
  }
  const proto::SecretKey& secret(std::uint16_t party) const { return secrets_[party]; }
  const proto::CoinSecret& coin_secret(std::uint16_t party) const { return coin_.secrets[party]; }

  proto::CoinShare ShareOf(std::uint16_t party, std::uint64_t wave) const {
    const Config config = ConfigOf(0);
    return proto::MakeCoinShare(coin_.secrets[party], proto::PartyId{party},
                                proto::dag::CoinName(config.chain, config.epoch, wave));
  }

  HeaderFields Fields(std::uint64_t round, std::uint16_t author,
                      const std::vector<Reference>& parents) const {
    HeaderFields fields;
    fields.chain = ConfigOf(0).chain;
    fields.epoch = 1;
    fields.round = round;
    fields.author = proto::PartyId{author};
    fields.parents = parents;
    if (const auto wave = RevealedWave(round)) fields.coin_share = ShareOf(author, *wave);
    return fields;
  }
  Header Sign(HeaderFields fields) const {
    const std::uint16_t author = proto::Index(fields.author);
    return proto::dag::SignHeader(std::move(fields), secrets_[author]);
  }
  Header MakeHeader(std::uint64_t round, std::uint16_t author,
                    const std::vector<Reference>& parents) const {
    return Sign(Fields(round, author, parents));
  }
  Vote MakeVote(const Header& header, std::uint16_t voter) const {
    Vote vote{header.epoch, header.round, header.author, header.digest, proto::PartyId{voter}, {}};
    vote.signature = secrets_[voter].Sign(proto::dag::VoteDigest(header.chain, vote));
    return vote;
  }
  Certificate Certify(const Header& header, const std::vector<std::uint16_t>& voters) const {
    Certificate certificate{header, {}};
    for (const std::uint16_t voter : voters) {
      certificate.votes.emplace_back(proto::PartyId{voter}, MakeVote(header, voter).signature);
    }
    return certificate;
  }
  Certificate Certify(const Header& header) const {
    std::vector<std::uint16_t> voters;
    for (std::uint16_t i = 0; i < committee_.quorum(); ++i) voters.push_back(i);
    return Certify(header, voters);
  }
  BlockVote SignBlock(std::uint16_t party, std::uint64_t index, const proto::Digest& block) const {
    const Config config = ConfigOf(0);
    return {
        index, block,
        secrets_[party].Sign(proto::CheckpointDigest(config.chain, config.epoch, index, block))};
  }

  // The certificates of rounds 1 to `last` by the given authors, each on all of the round before.
  std::vector<std::vector<Certificate>> Rounds(std::uint64_t last,
                                               const std::vector<std::uint16_t>& authors) const {
    std::vector<std::vector<Certificate>> rounds;
    std::vector<Reference> parents;
    for (std::uint64_t round = 1; round <= last; ++round) {
      auto& certificates = rounds.emplace_back();
      for (const std::uint16_t author : authors) {
        certificates.push_back(Certify(MakeHeader(round, author, parents)));
      }
      parents.clear();
      for (const auto& certificate : certificates) {
        parents.push_back(certificate.header.reference());
      }
    }
    return rounds;
  }

 private:
  proto::Committee committee_;
  proto::CoinKeys coin_;
  std::vector<proto::SecretKey> secrets_;
};

inline std::vector<Reference> ReferencesTo(const std::vector<Certificate>& certificates) {
  std::vector<Reference> references;
  for (const auto& certificate : certificates) references.push_back(certificate.header.reference());
  return references;
}

}  // namespace consensus
