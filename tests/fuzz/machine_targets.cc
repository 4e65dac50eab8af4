// The machines behind the decoders: one validator's consensus among three liars who hold all other
// keys, and the ledger under any transactions.
//
// An input is a script. Signatures are made here: behind a check that no fuzzer passes by chance
// lies most of what is to be found.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "proto/base/check.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/consensus/core/driver.h"
#include "tests/unit/node/ledger/chain.h"

namespace fuzz {

namespace {

using consensus::Certificate;
using consensus::Header;
using consensus::Message;
using consensus::Reference;
using proto::Bytes;
using proto::ByteSpan;
using proto::PartyId;

// --- Consensus. ---

constexpr std::uint16_t kParties = 4;
constexpr std::size_t kActionsMax = 64;
constexpr std::uint64_t kRoundsMax = 24;

class Liars {
 public:
  explicit Liars(Script& script) : script_(script), driver_(Validators()) {}

  void Run() {
    for (std::size_t i = 0; i < kActionsMax && !script_.empty(); ++i) {
      Act();
      Watch();
    }
  }

 private:
  static const consensus::Validators& Validators() {
    static const consensus::Validators validators(kParties);
    return validators;
  }

  void Act() {
    const auto from = static_cast<std::uint16_t>(1 + script_.Below(kParties - 1));
    switch (script_.Below(12)) {
      case 0:
        return SendHeader(from);
      case 1:
        return SendCertificate(from);
      case 2:
        return driver_.Handle(from, Message(batches_.emplace_back(proto::dag::MakeBatch(
                                        {{static_cast<std::uint8_t>(from)}, {script_.Byte()}}))));
      case 3:
        return VoteForOwn(from);
      case 4:
        return driver_.Tick(1 + static_cast<int>(script_.Below(4)));
      case 5:
        return Ask(from);
      case 6:
        return Answer(from);
      case 7:
        return Restart();
      case 8:
        return Garbage(from);
      case 9:
        (void)driver_.Submit({Bytes(1 + script_.Below(40), script_.Byte())});
        return;
      case 10:
        return driver_.Connect(from);
      default:
        return SignCommits();
    }
  }

  std::vector<Reference> ParentsOf(std::uint64_t round) {
    std::vector<Reference> parents;
    if (round == 1) return parents;
    const std::uint64_t mask = script_.Byte();
    for (std::uint16_t author = 0; author < kParties; ++author) {
      const auto known = certified_.find({round - 1, author});
      if (known == certified_.end()) continue;
      // Any of the vertices certified there; none where the mask says so and a quorum remains.
      if (mask >> author & 1 && certified_.count({round - 1, author}) > 0 && author == 3) continue;
      const auto& choices = known->second;
      parents.push_back(choices[script_.Below(choices.size())].header.reference());
    }
    return parents;
  }

  Header MakeHeader(std::uint16_t author) {
    std::uint64_t highest = 0;
    for (const auto& [place, certificates] : certified_) highest = std::max(highest, place.first);
    const std::uint64_t round = 1 + script_.Below(std::min(highest + 2, kRoundsMax));
    auto fields = Validators().Fields(round, author, ParentsOf(round));
    const std::uint8_t extras = script_.Byte();
    if (extras & 1 && !batches_.empty()) {
      const auto& batch = batches_[script_.Below(batches_.size())];
      fields.batches.push_back({batch.digest, static_cast<std::uint32_t>(batch.bytes.size())});
    }
    if (extras & 2) fields.batches.push_back({proto::Hash("fuzz", {}), 10});  // There is none.
    if (extras & 4 && round > 2) {
      const auto weak = certified_.find(
          {1 + script_.Below(round - 2), static_cast<std::uint16_t>(script_.Below(kParties))});
      if (weak != certified_.end()) fields.weak.push_back(weak->second[0].header.reference());
    }
    if (extras & 8) {
      fields.block_votes.push_back(
          Validators().SignBlock(author, script_.Below(8), proto::Hash("fuzz/block", {})));
    }
    if (extras & 16) fields.coin_share.reset();
    if (extras & 32) fields.round += script_.Number();
    return Validators().Sign(std::move(fields));
  }

  void SendHeader(std::uint16_t author) {
    driver_.Handle(author, Message(headers_.emplace_back(MakeHeader(author))));
  }

  void SendCertificate(std::uint16_t from) {
    if (headers_.empty()) return;
    const Header& header = headers_[script_.Below(headers_.size())];
    std::vector<std::uint16_t> voters = {1, 2, 3};
    const std::uint8_t flaw = script_.Byte();
    if (flaw == 1) voters = {1, 2};
    if (flaw == 2) voters = {1, 2, 2};
    Certificate certificate = Validators().Certify(header, voters);
    if (flaw == 3) certificate.votes[0].second.bytes[5] ^= 1;
    if (flaw == 0 || flaw > 3) {
      certified_[{header.round, proto::Index(header.author)}].push_back(certificate);
    }
    driver_.Handle(from, Message(certificate));
  }

  void VoteForOwn(std::uint16_t from) {
    if (own_.empty()) return;
    const Header& header = own_.rbegin()->second;
    driver_.Handle(from, Message(Validators().MakeVote(header, from)));
  }

  void Ask(std::uint16_t from) {
    proto::dag::Request request;
    for (const auto& header : headers_) {
      if (request.certificates.size() < 8) request.certificates.push_back(header.reference());
    }
    for (const auto& batch : batches_) {
      if (request.batches.size() < 8) request.batches.push_back(batch.digest);
    }
    driver_.Handle(from, Message(request));
    driver_.Handle(from, Message(proto::dag::RangeRequest{script_.Below(kRoundsMax)}));
  }

  void Answer(std::uint16_t from) {
    proto::dag::RangeAnswer answer{script_.Below(kRoundsMax),
                                   script_.Below(kRoundsMax),
                                   script_.Below(kRoundsMax),
                                   script_.Below(kRoundsMax),
                                   {}};
    for (const auto& [place, certificates] : certified_) {
      if (script_.Byte() & 1) answer.certificates.push_back(certificates.front());
    }
    driver_.Handle(from, Message(answer));
  }

  void Restart() {
    // Own headers and votes that left are remembered (own_, votes_); the rest is the disk's.
    driver_.Clear();
    driver_.Restart(executed_);
  }

  // A true message with a few bytes changed, as far as it still decodes.
  void Garbage(std::uint16_t from) {
    if (headers_.empty()) return;
    Bytes bytes = proto::dag::Encode(Message(headers_[script_.Below(headers_.size())]));
    for (int i = 0; i < 3; ++i) {
      bytes[(script_.Byte() + 256u * script_.Byte()) % bytes.size()] ^= script_.Byte();
    }
    if (auto message = proto::dag::DecodeMessage(bytes)) driver_.Handle(from, std::move(*message));
  }

  void SignCommits() {
    for (const auto& commit : driver_.Outputs<consensus::Commit>()) {
      if (commit.index != executed_ + 1) continue;
      executed_ = commit.index;
      driver_.SignBlock(commit.index, commit.leader);
    }
  }

  // What an honest validator never does, whatever the others do.
  void Watch() {
    for (const auto& vote : driver_.Sent<proto::dag::Vote>()) {
      const auto [known, fresh] = votes_.emplace(std::pair(vote.round, vote.author), vote.header);
      CHECK(fresh || known->second == vote.header);
    }
    for (const auto& header : driver_.Sent<Header>()) {
      CHECK(header.author == PartyId{0});
      const auto [known, fresh] = own_.emplace(header.round, header);
      CHECK(fresh || known->second.digest == header.digest);
    }
    for (const auto& commit : driver_.Outputs<consensus::Commit>()) {
      const auto [known, fresh] = commits_.emplace(commit.index, commit.leader);
      CHECK(fresh || known->second == commit.leader);
    }
    for (const auto& fault : driver_.TakeFaults()) CHECK(fault.party != PartyId{0});
    for (const auto& certificate : driver_.Sent<Certificate>()) {
      if (certificate.header.author != PartyId{0}) continue;
      auto& own = certified_[{certificate.header.round, 0}];
      if (own.empty()) own.push_back(certificate);
    }
  }

  Script& script_;
  consensus::Driver driver_;
  std::vector<Header> headers_;
  std::vector<proto::dag::Batch> batches_;
  std::map<std::pair<std::uint64_t, std::uint16_t>, std::vector<Certificate>> certified_;
  std::map<std::pair<std::uint64_t, PartyId>, proto::Digest> votes_;
  std::map<std::uint64_t, Header> own_;
  std::map<std::uint64_t, proto::Digest> commits_;
  std::uint64_t executed_ = 0;
};

void RunDag(ByteSpan input) {
  Script script(input);
  Liars(script).Run();
}

std::vector<Bytes> DagSeeds() {
  // Rounds of headers, each certified; ticks between them, and everything else in turn.
  Bytes rounds;
  for (std::uint8_t round = 0; round < 6; ++round) {
    for (std::uint8_t author = 0; author < 3; ++author) {
      const Bytes header = {author, 0, round, 0, 0, 0, 0, 0, 0};
      const Bytes certificate = {author, 1, static_cast<std::uint8_t>(3 * round + author), 0};
      rounds.insert(rounds.end(), header.begin(), header.begin() + (round == 0 ? 4 : 8));
      rounds.insert(rounds.end(), certificate.begin(), certificate.end());
    }
    rounds.insert(rounds.end(), {0, 4, 0});
  }
  Bytes mixed;
  for (std::uint8_t action = 0; action < 96; ++action) {
    mixed.insert(mixed.end(), {action, static_cast<std::uint8_t>(action % 12), 1, 0, 7});
  }
  return {rounds, mixed};
}

// --- The ledger. ---

constexpr std::size_t kTransactionsMax = 48;

// Most of a script's time would go there: each is made once.
proto::Payload DealingOf(const node::test::Chain& world, const proto::Turn& turn,
                         std::uint64_t dealer) {
  static std::map<Bytes, proto::Payload> made;
  Bytes what = proto::Encode(proto::Turn{turn.epoch, turn.validators, turn.computing, {}});
  what.push_back(static_cast<std::uint8_t>(dealer));
  const auto [known, fresh] = made.try_emplace(what);
  if (fresh) known->second = world.Dealing(turn.validators[dealer].key);
  return known->second;
}

proto::Payload AnyPayload(Script& script, const node::test::Chain& world) {
  const std::uint64_t number = script.Below(4);
  const proto::Digest transcript = node::test::MakeDigest("run" + std::to_string(script.Below(2)));
  std::vector<PartyId> accused;
  if (script.Byte() % 8 == 0) accused = {PartyId{1}, PartyId{3}};
  const auto models = world.ledger.snapshot().models(1, 4);
  const proto::Digest model = models.empty() ? transcript : models[script.Below(models.size())];
  switch (script.Below(17)) {
    case 0:
      return proto::Transfer{world.clients[script.Below(node::test::kClients)].public_key(),
                             script.Number() % (proto::kAmountMax + 1)};
    case 1:
      return proto::RegisterModel{
          proto::EncodeManifest(world.MakeManifest(script.Below(2), "m" + std::to_string(number)))};
    case 2:
      return proto::OpenRequest{model, static_cast<std::uint32_t>(script.Below(2))};
    case 3:
      return proto::SubmitInference{number, {1, 2, 3, static_cast<std::uint32_t>(script.Byte())}};
    case 4:
      return proto::ModelReady{model};
    case 5:
      return proto::FixLayer{world.Certify(number, static_cast<std::uint32_t>(script.Below(3)),
                                           1 + script.Below(kParties))};
    case 6:
      return proto::Verdict{number, number == 0 ? transcript : node::test::MakeDigest("values0"),
                            script.Byte() % 2 == 0};
    case 7:
      return proto::Attest{number, transcript, accused};
    case 8:
      return proto::PostOutput{number, world.Shares(script.Below(kParties), 1 + script.Below(2)),
                               accused};
    case 9: {
      const ByteSpan evidence = script.Take(script.Byte());
      return proto::ReportEvidence{{evidence.begin(), evidence.end()}};
    }
    case 10: {
      const auto layer = static_cast<std::uint32_t>(script.Below(3));
      proto::Finding finding{number, layer, world.SendersOf(number, layer), {}, {}};
      for (const auto& sender : finding.senders) finding.expected.push_back(sender.root);
      if (script.Byte() % 2 == 0) finding.expected[0] = transcript;
      return proto::PostFinding{finding};
    }
    case 11:
    case 12: {
      const auto& key = world.keys[script.Below(world.keys.size())];
      const auto card = world.Card(key, "v" + std::to_string(number));
      if (script.Byte() % 2 == 0) {
        return proto::JoinValidators{card, world.genesis.spec.stake_min * number};
      }
      const auto& old = world.clients[script.Below(node::test::kClients)].public_key();
      return proto::RotateValidator{
          card, key.Sign(proto::RotationDigest(world.ledger.chain().id, old, key.public_key()))};
    }
    case 13:
      return proto::LeaveValidators{};
    case 14: {
      const proto::Turn turn = world.ledger.snapshot().turn();
      if (turn.epoch != 0) {
        return DealingOf(world, turn, script.Below(turn.validators.size()));
      }
      const ByteSpan dealing = script.Take(script.Byte());
      return proto::DealCoinKey{number, {dealing.begin(), dealing.end()}};
    }
    case 15:
      return proto::AcknowledgeKeys{1 + number, static_cast<PartyId>(script.Below(kParties + 1)),
                                    transcript};
    default:
      return proto::Opaque{{1, 2, 3}};
  }
}

// Money is neither made nor lost, equal inputs give equal roots, and nothing stops the machine.
void RunBlocks(node::test::Chain world, ByteSpan input) {
  node::Ledger twin = world.ledger;
  Script script(input);
  std::uint64_t transactions = 0;
  while (!script.empty() && transactions < kTransactionsMax) {
    std::vector<Bytes> block;
    for (std::uint64_t i = script.Below(4); i > 0 && !script.empty(); --i) {
      const proto::Payload payload = AnyPayload(script, world);
      const std::uint64_t sender = script.Below(8);
      Bytes bytes = proto::IsValidatorPayload(payload)
                        ? world.Sign(world.keys[sender % world.keys.size()], 0, payload)
                        : world.FromClient(sender % node::test::kClients, payload, sender / 7);
      if (script.Byte() == 1) bytes[script.Below(bytes.size())] ^= script.Byte();
      block.push_back(std::move(bytes));
    }
    transactions += block.size() + 1;
    const std::uint64_t first_round = world.ledger.snapshot().epoch()->record.first_round;
    const node::Commit commit{world.ledger.header().commit_index + 1,
                              world.ledger.header().round + script.Below(30) - first_round,
                              {}};
    const auto result = world.ledger.Execute(commit, block);
    for (const auto& change : result.changes) world.stored[change.key] = *change.value;
    CHECK(world.Money() ==
          node::test::kFunds * node::test::kClients + kParties * world.genesis.spec.stake_min);
    CHECK(twin.Execute(commit, block).header == result.header);
    CHECK(result.receipts.size() == block.size());
  }
}

void RunLedger(ByteSpan input) {
  RunBlocks(node::test::Chain(node::test::MakeSpec()), input);
}

// Over short epochs, whose members come, go and change keys. A dealing takes a tenth of a second.
void RunMembers(ByteSpan input) {
  RunBlocks(node::test::Chain(), input);
}

std::vector<Bytes> LedgerSeeds() {
  // One transaction a block: how many, number, transcript, accused, [model,] kind, what the kind
  // takes, sender, damage, rounds. A model is registered, readied by three, and a request opened.
  Bytes life = {1, 0, 0, 1, 1, 0, 0, 0, 1};
  for (std::uint8_t party = 0; party < 3; ++party) {
    life.insert(life.end(), {1, 0, 0, 1, 0, 4, party, 0, 1});
  }
  life.insert(life.end(), {1, 0, 0, 1, 0, 2, 0, 1, 0, 1});
  for (std::uint8_t layer = 0; layer < 2; ++layer) {
    life.insert(life.end(), {1, 1, 0, 1, 0, 5, layer, 2, 0, 0, 1});
  }
  Bytes mixed;
  for (int i = 0; i < 400; ++i) mixed.push_back(static_cast<std::uint8_t>(i * 37 % 251));
  return {life, mixed};
}

std::vector<Bytes> MemberSeeds() {
  // A client becomes a validator in the third epoch: it joins, commits pass, a member deals,
  // another.
  Bytes epochs = {1, 1, 0, 1, 11, 4, 0, 0, 0, 1};
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (int commit = 0; commit < 3; ++commit) epochs.insert(epochs.end(), {0, 3});
    for (std::uint8_t dealer = 0; dealer < 2; ++dealer) {
      epochs.insert(epochs.end(), {1, 0, 0, 1, 14, dealer, dealer, 0, 1});
    }
  }
  return {epochs};
}

}  // namespace

std::vector<Target> MachineTargets() {
  return {{"dag", RunDag, DagSeeds},
          {"ledger", RunLedger, LedgerSeeds},
          {"members", RunMembers, MemberSeeds}};
}

}  // namespace fuzz
