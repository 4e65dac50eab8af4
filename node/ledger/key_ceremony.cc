#include "node/ledger/key_ceremony.h"

#include <algorithm>
#include <bit>

#include "proto/base/check.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::PartyId;

namespace {

constexpr std::size_t kEntryBytes = 1 + 1 + 32;

constexpr std::uint16_t Bit(PartyId party) {
  return static_cast<std::uint16_t>(1u << Index(party));
}

}  // namespace

KeyCeremony::KeyCeremony(std::uint16_t members) : members_(members) {
  CHECK(members >= 1 && members <= mpc::kReplicatedPartiesMax);
  std::vector<bool> out(members);
  std::fill_n(out.begin(), proto::Committee(members).max_faulty(), true);
  do {
    std::uint16_t set = 0;
    for (std::uint16_t i = 0; i < members; ++i) {
      if (!out[i]) set = static_cast<std::uint16_t>(set | Bit(PartyId{i}));
    }
    sets_.push_back(set);
  } while (std::prev_permutation(out.begin(), out.end()));
  winners_.resize(sets_.size());
  undecided_ = sets_.size();
}

std::optional<proto::Digest> KeyCeremony::acknowledged(PartyId member, PartyId author) const {
  const auto entry = std::ranges::find_if(
      entries_, [&](const Entry& e) { return e.member == member && e.what.author == author; });
  return entry == entries_.end() ? std::nullopt : std::optional(entry->what.root);
}

bool KeyCeremony::Acknowledge(PartyId member, const KeyAcknowledgement& acknowledgement) {
  if (Index(member) >= members_ || Index(acknowledgement.author) >= members_) return false;
  if (acknowledged(member, acknowledgement.author)) return false;
  entries_.push_back({member, acknowledgement});
  std::uint16_t holders = 0;
  for (const Entry& entry : entries_) {
    if (entry.what == acknowledgement)
      holders = static_cast<std::uint16_t>(holders | Bit(entry.member));
  }
  for (std::size_t set = 0; set < sets_.size(); ++set) {
    if (winners_[set] || (sets_[set] & Bit(acknowledgement.author)) == 0) continue;
    if (std::popcount(static_cast<unsigned>(holders & sets_[set])) <
        proto::Committee(members_).validity()) {
      continue;
    }
    winners_[set] = acknowledgement;
    undecided_ -= 1;
  }
  return true;
}

proto::Bytes KeyCeremony::Encode() const {
  proto::Bytes out{static_cast<std::uint8_t>(members_)};
  for (const Entry& entry : entries_) {
    out.push_back(static_cast<std::uint8_t>(Index(entry.member)));
    out.push_back(static_cast<std::uint8_t>(Index(entry.what.author)));
    out.insert(out.end(), entry.what.root.bytes.begin(), entry.what.root.bytes.end());
  }
  return out;
}

proto::Result<KeyCeremony> KeyCeremony::Decode(proto::ByteSpan bytes) {
  if (bytes.empty() || bytes[0] < 1 || bytes[0] > mpc::kReplicatedPartiesMax ||
      (bytes.size() - 1) % kEntryBytes != 0) {
    return Fail(ErrorCode::kCorrupt, "no record of a key ceremony");
  }
  KeyCeremony ceremony(bytes[0]);
  for (proto::ByteSpan rest = bytes.subspan(1); !rest.empty(); rest = rest.subspan(kEntryBytes)) {
    const KeyAcknowledgement what{static_cast<PartyId>(rest[1]),
                                  *proto::Digest::From(rest.subspan(2, 32))};
    if (!ceremony.Acknowledge(static_cast<PartyId>(rest[0]), what)) {
      return Fail(ErrorCode::kCorrupt, "an acknowledgement in the record cannot be");
    }
  }
  return ceremony;
}

}  // namespace node
