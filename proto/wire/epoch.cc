#include "proto/wire/epoch.h"

#include <algorithm>

#include "proto/crypto/hash.h"
#include "proto/wire/validator_fields.h"

namespace proto {

void Fields(auto& io, Of<EpochRecord> auto& epoch) {
  io(epoch.number, epoch.first_height, epoch.first_round, epoch.coin_threshold);
  io.List(epoch.validators, kValidatorsMax, [&](auto& validator) {
    Fields(io, validator);
    io(validator.coin_key);
  });
  io.List(epoch.computing, kComputingMax);
  io.Ascending(epoch.computing);
}

CoinPublicKey EpochRecord::coin_key() const {
  CoinPublicKey key{coin_threshold, {}};
  for (const ValidatorSpec& validator : validators) key.verification.push_back(validator.coin_key);
  return key;
}

std::vector<PublicKey> EpochRecord::keys() const {
  std::vector<PublicKey> keys;
  for (const ValidatorSpec& validator : validators) keys.push_back(validator.key);
  return keys;
}

std::vector<PublicKey> EpochRecord::computing_keys() const {
  std::vector<PublicKey> keys;
  for (const PartyId party : computing) keys.push_back(validators[Index(party)].key);
  return keys;
}

CoinPublicKey ComputingCoin(const EpochRecord& epoch) {
  CoinPublicKey key{epoch.coin_threshold, {}, epoch.computing};
  for (const PartyId party : epoch.computing) {
    key.verification.push_back(epoch.validators[Index(party)].coin_key);
  }
  return key;
}

std::uint16_t ComputingSize(std::size_t validators) {
  const auto size = static_cast<std::uint16_t>(std::min<std::size_t>(validators, kComputingMax));
  const auto members = static_cast<std::uint16_t>((size - 1) / 3 * 3 + 1);
  // The honest ones of them must be able to toss the coin.
  const Committee all(static_cast<std::uint16_t>(validators));
  return all.validity() <= Committee(members).quorum() ? members : std::uint16_t{0};
}

EpochRecord FirstEpoch(const Genesis& genesis) {
  EpochRecord epoch;
  epoch.coin_threshold = genesis.coin_threshold;
  epoch.validators = genesis.validators;
  // The founders' keys for computing are those of all of them.
  const std::size_t size = genesis.validators.size();
  for (std::uint16_t i = 0; i < size && size == ComputingSize(size); ++i) {
    epoch.computing.push_back(PartyId{i});
  }
  return epoch;
}

Bytes EncodeEpoch(const EpochRecord& epoch) {
  return EncodeFields(epoch);
}

Result<EpochRecord> DecodeEpoch(ByteSpan bytes) {
  auto epoch = DecodeFields<EpochRecord>(bytes, "epoch");
  if (!epoch) return epoch;
  const auto corrupt = [](const char* why) {
    return Fail(ErrorCode::kCorrupt, std::string("this is no epoch: ") + why);
  };
  const auto& validators = epoch->validators;
  if (validators.size() < kValidatorsMin) return corrupt("it has too few validators");
  if (std::ranges::adjacent_find(validators, std::ranges::greater_equal{}, &ValidatorSpec::key) !=
      validators.end()) {
    return corrupt("its validators are not ascending");
  }
  const Committee committee = epoch->committee();
  if (epoch->coin_threshold < committee.validity() || epoch->coin_threshold > committee.quorum()) {
    return corrupt("the coin's threshold is out of range");
  }
  if (!epoch->computing.empty() &&
      (Index(epoch->computing.back()) >= validators.size() || epoch->computing.size() % 3 != 1)) {
    return corrupt("its computing members are none");
  }
  return epoch;
}

Digest CommitteeHash(const EpochRecord& epoch) {
  return Hash("waxseal/committee", {EncodeEpoch(epoch)});
}

namespace {

struct LinkFields {
  Bytes header;
  BlockSignatures signatures;
  Bytes next;
};

void Fields(auto& io, Of<LinkFields> auto& link) {
  io.Sized(link.header, 1024);
  io.List(link.signatures, kValidatorsMax,
          [&](auto& entry) { io(entry.first, entry.second.bytes); });
  io.Sized(link.next, kEpochBytesMax);
}

}  // namespace

Bytes EncodeLink(const EpochLink& link) {
  return EncodeFields(
      LinkFields{EncodeBlockHeader(link.header), link.signatures, EncodeEpoch(link.next)});
}

Result<EpochLink> DecodeLink(ByteSpan bytes) {
  auto fields = DecodeFields<LinkFields>(bytes, "link of epochs");
  if (!fields) return tl::unexpected(fields.error());
  auto header = DecodeBlockHeader(fields->header);
  if (!header) return tl::unexpected(header.error());
  auto next = DecodeEpoch(fields->next);
  if (!next) return tl::unexpected(next.error());
  return EpochLink{*header, std::move(fields->signatures), std::move(*next)};
}

}  // namespace proto
