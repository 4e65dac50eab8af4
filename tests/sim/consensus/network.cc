// The messages' way between validators, and what the adversary does to it.

#include <algorithm>
#include <cmath>

#include "consensus/wave.h"
#include "tests/sim/consensus/cluster.h"
#include "tests/sim/consensus/liar.h"

namespace sim {

namespace {

// The scheduler must deliver in the end.
constexpr std::uint64_t kHoldMax = 2'000;

std::optional<consensus::Reference> VertexOf(const consensus::Message& message) {
  if (const auto* const header = std::get_if<consensus::Header>(&message)) {
    return header->reference();
  }
  if (const auto* const certificate = std::get_if<consensus::Certificate>(&message)) {
    return certificate->header.reference();
  }
  return std::nullopt;
}

}  // namespace

void Cluster::PlanFaults() {
  const auto any = [&] { return static_cast<std::size_t>(Between(0, nodes_.size() - 1)); };
  for (std::uint32_t k = 0; k < options_.link_breaks; ++k) {
    const std::size_t i = any();
    const std::size_t j = any();
    if (i != j) Schedule(Between(10, options_.quiet_after), [=, this] { BreakLink(i, j); });
  }
  for (std::uint32_t k = 0; k < options_.swizzles; ++k) {
    Schedule(Between(10, options_.quiet_after), [this] { Swizzle(); });
  }
  for (std::uint32_t k = 0; k < options_.crashes; ++k) {
    // The crash happens inside the next step after that time, at one of its four instants.
    const std::size_t i = any();
    Schedule(Between(20, options_.quiet_after),
             [=, this] { doomed_[i] = static_cast<int>(Between(1, 4)); });
  }
  if (options_.outage > 0) Schedule(50, [this] { Crash(0, options_.outage); });
  if (options_.partition > 0) Divide();
  for (std::uint32_t k = 0; k < options_.transactions; ++k) {
    const std::size_t i = any();
    Schedule(Between(5, options_.quiet_after), [=, this] { Submit(i, k); });
  }
}

std::uint64_t& Cluster::LinkOf(std::size_t i, std::size_t j) {
  return links_[std::min(i, j) * nodes_.size() + std::max(i, j)];
}

bool Cluster::IsCut(std::size_t i, std::size_t j) const {
  return i != j && (nodes_[i].clogged > 0 || nodes_[j].clogged > 0 ||
                    broken_[std::min(i, j) * nodes_.size() + std::max(i, j)] > 0);
}

void Cluster::BreakLink(std::size_t i, std::size_t j) {
  ++faults_["broken links"];
  int& broken = broken_[std::min(i, j) * nodes_.size() + std::max(i, j)];
  ++broken;
  ++LinkOf(i, j);
  Schedule(Between(1, 100), [=, this, &broken] {
    --broken;
    Connect(i, j);
  });
}

// Some validators lose all their links one after the other, and get them back in another order.
void Cluster::Swizzle() {
  std::vector<std::size_t> part;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (Chance(60)) part.push_back(i);
  }
  std::uint64_t at = 0;
  std::ranges::shuffle(part, random_);
  for (const std::size_t i : part) Schedule(at += Between(0, 30), [=, this] { Clog(i); });
  std::ranges::shuffle(part, random_);
  for (const std::size_t i : part) Schedule(at += Between(0, 30), [=, this] { Unclog(i); });
}

void Cluster::Clog(std::size_t i) {
  ++faults_["validators cut off"];
  ++nodes_[i].clogged;
  for (std::size_t j = 0; j < nodes_.size(); ++j) LinkOf(i, j) += j != i;
}

void Cluster::Unclog(std::size_t i) {
  --nodes_[i].clogged;
  for (std::size_t j = 0; j < nodes_.size(); ++j) Connect(i, j);
}

// Twins: the two copies of a validator never share a half.
void Cluster::Divide() {
  const std::size_t partition = faults_["partitions"]++;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const bool second = i > 0 && nodes_[i - 1].party == nodes_[i].party;
    if (options_.too_many_twins) {
      nodes_[i].half = second || (nodes_[i].honest && i % 2 == 1);
    } else {
      const std::uint64_t chosen = partition < options_.halves.size()
                                       ? options_.halves[partition] >> Index(nodes_[i].party) & 1
                                       : Between(0, 1);
      nodes_[i].half = second ? 1 - nodes_[i - 1].half : static_cast<int>(chosen);
    }
  }
  Schedule(options_.partition, [this] {
    if (!quiet()) Divide();
  });
}

void Cluster::Connect(std::size_t i, std::size_t j) {
  if (i == j || !nodes_[i].core || !nodes_[j].core || IsCut(i, j)) return;
  ++LinkOf(i, j);
  Carry(i, nodes_[i].core->PeerConnected(nodes_[j].party));
  if (nodes_[j].core) Carry(j, nodes_[j].core->PeerConnected(nodes_[i].party));
}

void Cluster::Post(std::size_t from, const proto::Target& target, consensus::Message message) {
  const Node& node = nodes_[from];
  if (!node.honest && !quiet() && Chance(options_.lies_percent)) {
    ++faults_["lies"];
    message = Liar(secrets_[Index(node.party)], random_).Lie(std::move(message));
  }
  if (node.honest) oracle_->OnSent(message);
  if (const auto* const header = std::get_if<consensus::Header>(&message)) {
    first_sent_.try_emplace({header->round, header->author}, now_);
    if (header->coin_share) {
      shares_sent_[header->round - consensus::kRevealDistance].insert(header->author);
    }
  }
  const auto bytes = std::make_shared<const Bytes>(proto::dag::Encode(message));
  if (bytes->size() > proto::dag::kMessageBytesMax) return Fail("a message is too large");
  for (std::size_t to = 0; to < nodes_.size(); ++to) {
    if (!target.Includes(nodes_[to].party) || !Hears(from, to, message)) continue;
    const bool twice = !quiet() && Chance(options_.duplicates_percent);
    faults_["duplicates"] += twice;
    for (int copy = 0; copy < (twice ? 2 : 1); ++copy) {
      Send({from, to, bytes, VertexOf(message), now_, nodes_[to].life, LinkOf(from, to)});
    }
  }
}

// A twin's headers reach a part of the others each, by chance for every message, unless a partition
// decides.
bool Cluster::Hears(std::size_t from, std::size_t to, const consensus::Message& message) {
  if (nodes_[from].party == nodes_[to].party) return from == to;
  if (nodes_[from].honest || quiet() || options_.partition > 0) return true;
  return !std::holds_alternative<consensus::Header>(message) || Chance(50);
}

std::uint64_t Cluster::Delay(const Packet& packet) {
  if (packet.from == packet.to) return Between(0, options_.self_delay_max);
  if (options_.delay_mean == 0) return Between(options_.delay_min, options_.delay_max);
  const double chance = (static_cast<double>(random_() >> 11) + 0.5) / 0x1p53;
  return static_cast<std::uint64_t>(-static_cast<double>(options_.delay_mean) * std::log(chance));
}

void Cluster::Send(Packet packet) {
  if (IsCut(packet.from, packet.to)) {
    ++faults_["messages lost"];
    return;
  }
  std::uint64_t delay = Delay(packet);
  const bool slow = packet.from != packet.to && (IsSlow(packet.from) || IsSlow(packet.to)) &&
                    (!quiet() || options_.slow_for_ever);
  if (slow) {
    delay *= options_.slow_factor;
    ++faults_["messages slowed"];
  }
  // When the faults stop, what was slowed down is there as soon as anything else.
  const std::uint64_t quick = std::max(options_.delay_max, 10 * options_.delay_mean);
  if (!slow || !options_.slow_for_ever) {
    delay = std::min(delay, std::max(now_, options_.quiet_after) + quick - now_);
  }
  Schedule(delay, [this, packet = std::move(packet)] { Deliver(packet); });
}

void Cluster::Deliver(const Packet& packet) {
  const std::size_t from = packet.from;
  const std::size_t to = packet.to;
  if (!Lives(to, packet.life) || LinkOf(from, to) != packet.link) {
    ++faults_["messages lost"];
    return;
  }
  if (IsHeld(packet)) {
    Packet held = packet;
    faults_["messages held"] += !std::exchange(held.held, true);
    return Schedule(options_.delay_max, [this, held] { Deliver(held); });
  }
  auto message = proto::dag::DecodeMessage(*packet.bytes);
  if (!message) return Fail("an honest message does not decode: " + message.error().message);
  const auto mix = [&](std::uint64_t word) { trace_ = (trace_ ^ word) * 0x100000001b3; };
  mix(now_);
  mix(to);
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < packet.bytes->size(); ++i) {
    word = word << 8 | (*packet.bytes)[i];
    if (i % 8 == 7) mix(word);
  }
  mix(word);
  Carry(to, nodes_[to].core->Handle(nodes_[from].party, std::move(*message)));
}

bool Cluster::IsHeld(const Packet& packet) {
  if (quiet() || packet.from == packet.to || now_ - packet.sent > kHoldMax) return false;
  if (options_.partition > 0 && nodes_[packet.from].half != nodes_[packet.to].half) return true;
  if (options_.starver == Starver::kNone || !packet.vertex) return false;
  const auto& vertex = *packet.vertex;
  return IsStarved(vertex.round, vertex.author) &&
         nodes_[packet.to].core->status().own_round <= vertex.round;
}

bool Cluster::IsStarved(std::uint64_t round, PartyId author) {
  switch (options_.starver) {
    case Starver::kNone:
      return false;
    case Starver::kRoundRobin:
      return consensus::IsLeaderRound(round) &&
             Index(author) == round / consensus::kLeaderDistance % options_.n;
    case Starver::kAdaptive:
      // Of the newest wave whose coin can be combined by now.
      for (auto wave = shares_sent_.rbegin(); wave != shares_sent_.rend(); ++wave) {
        if (wave->second.size() < coin_->public_key.threshold) continue;
        return round >= wave->first && author == oracle_->Leader(wave->first);
      }
      return false;
    case Starver::kClairvoyant:
      return consensus::IsLeaderRound(round) && author == oracle_->Leader(round);
  }
  return false;
}

}  // namespace sim
