// A committee that preprocesses one attempt in a simulated network, with a ledger in the middle.
//
// Everything is delivered in an order drawn from the seed: messages between members, transactions
// to the ledger, and the ledger's events to each member (in the ledger's order, at the member's own
// pace). A dead attempt is examined until its culprits are known. When nothing is left to deliver,
// all members' clocks tick. A corrupt member runs the protocol, but what it sends passes through
// the adversary first; a silent one has no instance.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "mpc/preprocessing/attempt.h"
#include "mpc/preprocessing/blame.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/wire/evidence.h"
#include "tests/unit/mpc/dealer.h"

namespace mpc {

inline std::uint32_t LayerCount(const Plan& plan, const proto::Committee& committee) {
  return static_cast<std::uint32_t>(LayerSizes(plan, committee).size());
}

class World {
 public:
  using Message = proto::AttemptMessage;
  // May change a message that a corrupt member sends or gets, or drop it (false).
  using Adversary = std::function<bool(proto::PartyId from, proto::PartyId to, Message& message)>;

  World(const Dealer& dealer, std::shared_ptr<const Plan> plan, std::uint64_t attempt,
        std::uint64_t seed, std::vector<proto::PartyId> excluded = {})
      : dealer_(dealer),
        excluded_(std::move(excluded)),
        plan_(std::move(plan)),
        attempt_(attempt),
        random_(seed),
        layer_count_(LayerCount(*plan_, dealer.committee())),
        product_layers_(Layers(*plan_, dealer.sets().count()).depth()) {
    for (std::uint16_t i = 0; i < n(); ++i) members_.emplace_back();
  }

  void Corrupt(std::uint16_t party, Adversary sends, Adversary gets = {}) {
    members_[party].corrupt = true;
    members_[party].sends = std::move(sends);
    members_[party].gets = std::move(gets);
  }
  void Silence(std::uint16_t party) {
    members_[party].corrupt = true;
    members_[party].silent = true;
  }
  // Kills a member at a random moment after `deliveries` and starts it again from its disk.
  void RestartAfter(std::uint16_t party, int deliveries) {
    restarts_.push_back({party, deliveries});
  }

  void Start() {
    for (std::uint16_t i = 0; i < n(); ++i) StartMember(i);
  }

  // Until the ledger has a verdict and every honest member has acted on it, or nothing moves.
  void Run() {
    Start();
    int idle_rounds = 0;
    while (idle_rounds < kIdleRoundsMax && !Finished()) {
      if (DeliverOne()) {
        idle_rounds = 0;
        continue;
      }
      ++idle_rounds;
      for (std::uint16_t i = 0; i < n(); ++i) {
        Tick(i);
      }
    }
  }

  bool DeliverOne() {
    if (impatient_ && random_() % 2 == 0) {
      const auto i = static_cast<std::uint16_t>(random_() % n());
      Tick(i);
    }
    for (auto& [party, deliveries] : restarts_) {
      if (deliveries-- == 0) Restart(party);
    }
    std::vector<std::uint16_t> behind;
    for (std::uint16_t i = 0; i < n(); ++i) {
      if (members_[i].protocol && members_[i].events_seen < events_.size()) behind.push_back(i);
    }
    const std::size_t choices = packets_.size() + transactions_.size() + behind.size();
    if (choices == 0) return false;
    CHECK(++deliveries_ < kDeliveriesMax);
    std::size_t choice = random_() % choices;
    if (choice < packets_.size()) {
      std::swap(packets_[choice], packets_.back());
      Packet packet = std::move(packets_.back());
      packets_.pop_back();
      if (replay_ && random_() % 4 == 0) packets_.push_back(packet);  // Once more, later.
      Deliver(std::move(packet));
    } else if ((choice -= packets_.size()) < transactions_.size()) {
      std::swap(transactions_[choice], transactions_.back());
      const auto transaction = std::move(transactions_.back());
      transactions_.pop_back();
      Order(transaction.first, transaction.second);
    } else {
      const std::uint16_t i = behind[choice - transactions_.size()];
      NextEvent(i);
    }
    return true;
  }

  // The member's disk keeps no lists of senders.
  void ForgetLists(std::uint16_t party) { members_[party].forgets_lists = true; }
  // A restart loses the messages, never what was stored.
  void KeepDisks() { lose_disks_ = false; }
  // Every message may come several times.
  void Replay() { replay_ = true; }
  // Clocks run fast: other kings are engaged while the first still works.
  void Impatient() { impatient_ = true; }
  void Post(std::uint16_t from, PostCertificate post) {
    CHECK(members_[from].corrupt);
    transactions_.push_back({from, std::move(post)});
  }
  void Inject(proto::PartyId from, proto::PartyId to, Message message) {
    CHECK(members_[Index(from)].corrupt);
    packets_.push_back({from, to, std::move(message)});
  }

  bool certified() const { return verdict_ == true; }
  bool dead() const { return verdict_ == false; }
  // Of a dead attempt, once t + 1 found the same.
  const std::set<proto::PartyId>& culprits() const { return culprits_; }
  // The layer that they lied in.
  std::uint32_t false_layer() const { return false_layer_; }
  // Against whom there is evidence of two signed vectors for one place.
  const std::set<proto::PartyId>& equivocators() const { return equivocators_; }
  // Keys of the attempt that have left a member, before and after the ledger's verdict.
  int keys_revealed_early() const { return keys_revealed_early_; }
  int keys_revealed() const { return keys_revealed_; }
  const std::optional<Bundle>& bundle(std::uint16_t i) const { return members_[i].bundle; }
  // With empty slots where there is none.
  std::vector<Bundle> Bundles() const {
    std::vector<Bundle> bundles;
    for (const auto& member : members_) {
      bundles.push_back(member.bundle && !member.corrupt ? *member.bundle : Bundle{});
    }
    return bundles;
  }
  const std::vector<proto::Digest>& roots() const { return roots_; }
  const std::set<proto::PartyId>& blamed() const { return blamed_; }
  std::uint32_t layer_count() const { return layer_count_; }
  std::uint16_t n() const { return dealer_.committee().size(); }
  std::uint64_t deliveries() const { return deliveries_; }
  Attempt& member(std::uint16_t i) { return *members_[i].protocol; }
  std::size_t sent_bytes() const { return sent_bytes_; }

 private:
  static constexpr int kIdleRoundsMax = 64 * static_cast<int>(kTicksOfPatience);
  static constexpr std::uint64_t kDeliveriesMax = 2'000'000;

  using Transaction = std::variant<PostCertificate, PostVerdict, proto::Finding>;
  struct Packet {
    proto::PartyId from;
    proto::PartyId to;
    Message message;
  };
  struct Member {
    bool corrupt = false;
    bool silent = false;
    bool forgets_lists = false;
    Adversary sends;
    Adversary gets;
    std::unique_ptr<Attempt> protocol;
    std::unique_ptr<Blame> blame;
    std::map<std::pair<std::uint32_t, proto::Digest>, proto::Bytes> disk;
    std::map<std::pair<std::uint32_t, proto::Digest>, std::vector<proto::SignedRoot>> lists;
    std::vector<Packet> early;  // Words about a death that its ledger has not come to.
    std::size_t events_seen = 0;
    std::optional<Bundle> bundle;
  };
  using Event = std::variant<std::pair<std::uint32_t, proto::Digest>, bool>;

  void StartMember(std::uint16_t i) {
    Member& member = members_[i];
    if (member.silent) return;
    std::vector<proto::Bytes> known;
    if (lose_disks_ && random_() % 4 == 0)
      member.disk.clear();  // The disk is lost, the keys are not.
    member.blame.reset();
    for (std::uint32_t layer = 0;
         layer < roots_.size() && member.disk.count({layer, roots_[layer]}) == 1; ++layer) {
      known.push_back(member.disk[{layer, roots_[layer]}]);
    }
    member.protocol =
        std::make_unique<Attempt>(dealer_.context(i), plan_, PlanDigest(EncodePlan(*plan_)),
                                  attempt_, std::move(known), Segment{}, excluded_);
    member.events_seen = 0;
    // A host may say what is fixed before it starts the run, or after.
    const bool before = random_() % 2 == 0;
    for (; before && member.events_seen < roots_.size(); ++member.events_seen) {
      const auto layer = static_cast<std::uint32_t>(member.events_seen);
      (void)member.protocol->OnLayerFixed(layer, roots_[layer]);  // Not started: says nothing.
    }
    Carry(i, member.protocol->Start());
  }

  void Restart(std::uint16_t i) {
    if (members_[i].silent || members_[i].bundle || verdict_ == true) return;
    StartMember(i);
    for (std::uint16_t other = 0; other < n(); ++other) {
      const auto peer = static_cast<proto::PartyId>(other);
      if (other == i || !members_[other].protocol) continue;
      Connect(other, static_cast<proto::PartyId>(i));
      Connect(i, peer);
    }
  }

  void Connect(std::uint16_t i, proto::PartyId peer) {
    Member& member = members_[i];
    if (member.blame) return Carry(i, member.blame->PeerConnected(peer));
    Carry(i, member.protocol->PeerConnected(peer));
  }
  void Tick(std::uint16_t i) {
    Member& member = members_[i];
    if (member.blame) return Carry(i, member.blame->Tick());
    if (member.protocol) Carry(i, member.protocol->Tick());
  }

  void StartBlame(std::uint16_t i) {
    Member& member = members_[i];
    std::vector<BlamedLayer> layers;
    for (std::uint32_t layer = 0; layer < roots_.size(); ++layer) {
      const auto& [king, senders] = makers_[layer];
      layers.push_back({roots_[layer], king, senders, {}, {}});
      const auto values = member.disk.find({layer, roots_[layer]});
      if (values != member.disk.end()) layers.back().values = values->second;
      const auto list = member.lists.find({layer, senders});
      if (list != member.lists.end() && !member.forgets_lists)
        layers.back().signatures = list->second;
    }
    member.blame =
        std::make_unique<Blame>(dealer_.context(i), plan_, attempt_, std::move(layers), excluded_);
    Carry(i, member.blame->Start());
    for (Packet& packet : std::exchange(member.early, {})) Deliver(std::move(packet));
  }

  void Deliver(Packet packet) {
    Member& to = members_[Index(packet.to)];
    if (!to.protocol) return;
    // What travels is bytes.
    auto decoded = proto::DecodeAttemptMessage(proto::Encode(packet.message));
    if (!decoded) {
      CHECK(members_[Index(packet.from)].corrupt);
      return;
    }
    if (to.gets && !to.gets(packet.from, packet.to, *decoded)) return;
    if (to.blame) return Carry(Index(packet.to), to.blame->Handle(packet.from, *decoded));
    if (std::holds_alternative<proto::KeyReveal>(*decoded) ||
        std::holds_alternative<proto::LayerSenders>(*decoded)) {
      to.early.push_back(std::move(packet));
      return;
    }
    Carry(Index(packet.to), to.protocol->Handle(packet.from, std::move(*decoded)));
  }

  void NextEvent(std::uint16_t i) {
    Member& member = members_[i];
    const Event& event = events_[member.events_seen++];
    if (const auto* fixed = std::get_if<0>(&event)) {
      const auto known = member.disk.find(*fixed);
      Carry(i, member.protocol->OnLayerFixed(
                   fixed->first, fixed->second,
                   known == member.disk.end() ? proto::ByteSpan() : known->second));
    } else {
      Carry(i, member.protocol->OnVerdict(std::get<1>(event)));
      if (!std::get<1>(event)) StartBlame(i);
    }
  }

  void Carry(std::uint16_t from, Blame::Step step) {
    for (proto::Finding& finding : step.outputs) transactions_.push_back({from, finding});
    Send(from, std::move(step.messages), step.faults);
  }

  void Carry(std::uint16_t from, Attempt::Step step) {
    Member& member = members_[from];
    for (auto& output : step.outputs) {
      std::visit(proto::Overloaded{
                     [&](PostCertificate& post) {
                       transactions_.push_back({from, post});
                     },
                     [&](PostVerdict& post) {
                       transactions_.push_back({from, post});
                     },
                     [&](LayerKnown& known) {
                       member.disk[{known.layer, known.root}] = std::move(known.values);
                     },
                     [&](SendersKnown& known) {
                       CHECK(SendersDigest(known.senders) == known.digest);
                       member.lists[{known.layer, known.digest}] = std::move(known.senders);
                     },
                     [&](const Equivocation& found) { OrderEvidence(found); },
                     [&](BundleReady& ready) { member.bundle = std::move(ready.bundle); },
                 },
                 output);
    }
    Send(from, std::move(step.messages), step.faults);
  }

  void Send(std::uint16_t from, std::vector<proto::Outgoing<Message>> messages,
            const std::vector<proto::Fault>& faults) {
    Member& member = members_[from];
    for (const proto::Fault& fault : faults) {
      CHECK(members_[Index(fault.party)].corrupt);  // No honest member is ever blamed.
      if (!member.corrupt) blamed_.insert(fault.party);
    }
    for (auto& [target, message] : messages) {
      if (std::holds_alternative<proto::KeyReveal>(message)) {
        ++keys_revealed_;
        keys_revealed_early_ += dead() ? 0 : 1;
      }
      CHECK(member.corrupt || InTime(member, message));
      for (std::uint16_t i = 0; i < n(); ++i) {
        const auto to = static_cast<proto::PartyId>(i);
        if (!target.Includes(to)) continue;
        Packet packet{static_cast<proto::PartyId>(from), to, message};
        if (member.sends && !member.sends(packet.from, to, packet.message)) continue;
        sent_bytes_ += from == i ? 0 : proto::Encode(packet.message).size();
        packets_.push_back(std::move(packet));
      }
    }
  }

  // The layer rule: nothing that depends on a layer leaves before the ledger has fixed it, nor a
  // share of a challenge before all that it challenges is, nor a key before the attempt is dead.
  bool InTime(const Member& member, const Message& message) const {
    if (const auto* vector = std::get_if<proto::LayerVector>(&message)) {
      return vector->layer <= member.events_seen;
    }
    if (const auto* share = std::get_if<proto::CoinShareMessage>(&message)) {
      return product_layers_ + share->step <= member.events_seen;
    }
    if (std::holds_alternative<proto::VerifyOpening>(message)) {
      return layer_count_ <= member.events_seen;
    }
    return dead() || !std::holds_alternative<proto::KeyReveal>(message);
  }

  // The ledger's rules, as node/ledger has them.
  void Order(std::uint16_t from, const Transaction& transaction) {
    std::visit(proto::Overloaded{
                   [&](const PostCertificate& post) { OrderCertificate(from, post.certificate); },
                   [&](const PostVerdict& post) { OrderVerdict(from, post); },
                   [&](const proto::Finding& finding) { OrderFinding(from, finding); },
               },
               transaction);
  }
  void OrderCertificate(std::uint16_t from, const proto::LayerCertificate& certificate) {
    if (verdict_ || certificate.layer != roots_.size() || roots_.size() == layer_count_) return;
    if (!IsCertified(certificate)) {
      CHECK(members_[from].corrupt);
      return;
    }
    transcript_ = proto::ExtendTranscript(transcript_, certificate.layer, certificate.root);
    roots_.push_back(certificate.root);
    makers_.push_back({certificate.king, certificate.senders});
    events_.push_back(std::pair(certificate.layer, certificate.root));
  }
  bool IsCertified(const proto::LayerCertificate& certificate) const {
    const PartyContext& context = dealer_.context(0);
    const proto::Digest digest =
        proto::EchoDigest(context.chain, context.epoch, attempt_, certificate.layer,
                          certificate.king, certificate.root, certificate.senders);
    return certificate.echoes.size() >= dealer_.committee().quorum() &&
           std::ranges::all_of(certificate.echoes, [&](const auto& echo) {
             return Verify(context.keys[Index(echo.first)], digest, echo.second);
           });
  }
  void OrderVerdict(std::uint16_t from, const PostVerdict& verdict) {
    if (verdict_) return;
    if (verdict.pass && (verdict.transcript != transcript_ || roots_.size() < layer_count_)) return;
    auto& votes = verdict.pass ? passes_ : fails_;
    votes.insert(from);
    if (passes_.size() >= dealer_.committee().quorum()) verdict_ = true;
    if (fails_.size() >= dealer_.committee().validity()) verdict_ = false;
    if (verdict_) events_.push_back(*verdict_);
  }

  void OrderFinding(std::uint16_t from, const proto::Finding& finding) {
    if (!dead() || !culprits_.empty() || finding.layer >= roots_.size()) return;
    if (SendersDigest(finding.senders) != makers_[finding.layer].second) return;
    Place place{dealer_.context(0).chain, Dealer::kEpoch, attempt_, finding.layer, {}};
    for (std::uint32_t layer = 0; layer < finding.layer; ++layer) {
      place.transcript = proto::ExtendTranscript(place.transcript, layer, roots_[layer]);
    }
    std::set<proto::PartyId> liars;
    for (std::size_t i = 0; i < finding.senders.size(); ++i) {
      const auto& [party, root, signature] = finding.senders[i];
      if (!Verify(dealer_.context(0).keys[Index(party)], VectorDigest(place, root), signature)) {
        return;
      }
      if (root != finding.expected[i]) liars.insert(party);
    }
    if (liars.empty()) liars.insert(makers_[finding.layer].first);
    auto& finders = findings_[proto::FindingDigest(finding)];
    finders.insert(from);
    if (finders.size() < dealer_.committee().validity()) return;
    for (const proto::PartyId liar : liars) CHECK(members_[Index(liar)].corrupt);
    culprits_ = std::move(liars);
    false_layer_ = finding.layer;
  }
  void OrderEvidence(const Equivocation& found) {
    const PartyContext& context = dealer_.context(0);
    const auto offender = proto::dag::VerifyEvidence(
        proto::dag::EncodeEvidence(proto::dag::VectorPair{found.place, found.first, found.second}),
        context.chain, context.epoch, context.keys);
    CHECK(offender.has_value() && members_[Index(*offender)].corrupt);
    equivocators_.insert(*offender);
  }

  bool Finished() const {
    if (!verdict_ || (dead() && culprits_.empty())) return false;
    for (const Member& member : members_) {
      if (member.corrupt) continue;
      if (member.events_seen < events_.size() || (*verdict_ && !member.bundle)) return false;
    }
    return true;
  }

  const Dealer& dealer_;
  const std::vector<proto::PartyId> excluded_;
  const std::shared_ptr<const Plan> plan_;
  const std::uint64_t attempt_;
  std::mt19937_64 random_;
  const std::uint32_t layer_count_;
  const std::uint32_t product_layers_;
  std::vector<Member> members_;
  std::vector<Packet> packets_;
  std::vector<std::pair<std::uint16_t, Transaction>> transactions_;
  std::vector<std::pair<std::uint16_t, int>> restarts_;
  std::vector<proto::Digest> roots_;
  std::vector<std::pair<proto::PartyId, proto::Digest>> makers_;  // King and senders, by layer.
  std::map<proto::Digest, std::set<std::uint16_t>> findings_;
  std::set<proto::PartyId> culprits_;
  std::uint32_t false_layer_ = 0;
  std::set<proto::PartyId> equivocators_;
  int keys_revealed_early_ = 0;
  int keys_revealed_ = 0;
  proto::Digest transcript_;
  std::vector<Event> events_;
  std::set<std::uint16_t> passes_;
  std::set<std::uint16_t> fails_;
  std::optional<bool> verdict_;
  std::set<proto::PartyId> blamed_;
  std::uint64_t deliveries_ = 0;
  std::size_t sent_bytes_ = 0;
  bool replay_ = false;
  bool lose_disks_ = true;
  bool impatient_ = false;
};

}  // namespace mpc
