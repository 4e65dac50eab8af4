#include "node/ceremony/genesis_ceremony.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "proto/crypto/hash.h"

namespace node::genesis {
namespace {

using proto::PartyId;

// A run costs half a second of CPU time.
constexpr std::uint64_t kSeeds = 1;

proto::SecretKey KeyOf(std::size_t i) {
  return std::move(
      proto::SecretKey::From(proto::Sha256(proto::AsBytes("ceremony " + std::to_string(i))).bytes)
          .value());
}

// Keys ascending, as in a genesis document.
std::vector<proto::SecretKey> Keys(std::size_t count) {
  std::vector<proto::SecretKey> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back(KeyOf(i));
  std::ranges::sort(keys, {}, &proto::SecretKey::public_key);
  return keys;
}

proto::Genesis Proposal(const std::vector<proto::SecretKey>& keys) {
  proto::Genesis proposal;
  proposal.spec.name = "test";
  for (std::size_t i = 0; i < keys.size(); ++i) {
    proto::ValidatorSpec validator;
    validator.name = "node" + std::to_string(i);
    validator.key = keys[i].public_key();
    validator.certificate = "certificate " + std::to_string(i);
    validator.peer_address = "host" + std::to_string(i) + ":1";
    proposal.validators.push_back(std::move(validator));
  }
  proposal.coin_threshold = proposal.committee().validity();
  return proposal;
}

// Machines and the network between them: streams are first in, first out; which one moves next is
// the seed's choice. `tamper` may change what a party sends to another, or drop it (false).
class World {
 public:
  static constexpr std::size_t kLiar = 3;  // Its lies reach itself too.
  using Tamper = std::function<bool(std::size_t from, std::size_t to, Message& message)>;

  World(std::uint16_t count, std::uint64_t seed, Tamper tamper = nullptr)
      : keys(Keys(count)), proposal(Proposal(keys)), tamper_(std::move(tamper)), random_(seed) {
    machines_.resize(count);
    results.resize(count);
    for (std::size_t i = 0; i < count; ++i) Launch(i);
  }

  struct Result {
    std::optional<Prepared> prepared;  // What is on the disk.
    std::optional<Agreed> agreed;
    std::optional<Failed> failed;
  };

  // A new process of party i, which finds what an earlier one stored.
  void Launch(std::size_t i, const std::optional<proto::Genesis>& other_proposal = std::nullopt) {
    const auto entropy =
        proto::Sha256(proto::AsBytes(std::to_string(random_()) + "/" + std::to_string(i))).bytes;
    Setup setup{other_proposal.value_or(proposal),
                static_cast<PartyId>(i),
                keys[i].Clone(),
                static_cast<std::uint16_t>(std::min<std::size_t>(keys.size(), 13)),
                proto::Bytes(entropy.begin(), entropy.end()),
                std::nullopt,
                results[i].agreed.has_value()};
    if (results[i].prepared) setup.signed_before = results[i].prepared->genesis;
    results[i].failed.reset();
    for (std::size_t j = 0; j < keys.size(); ++j) {
      streams_.erase({i, j});
      streams_.erase({j, i});
    }
    machines_[i] = std::make_unique<Ceremony>(std::move(setup));
    Carry(i, machines_[i]->Start());
    for (std::size_t j = 0; j < keys.size(); ++j) {
      if (j == i || !machines_[j]) continue;
      Carry(j, machines_[j]->PeerConnected(static_cast<PartyId>(i)));
      Carry(i, machines_[i]->PeerConnected(static_cast<PartyId>(j)));
    }
  }

  void Run(std::size_t deliveries_max = 1'000'000) {
    while (!streams_.empty() && deliveries_max-- > 0) {
      auto stream = streams_.begin();
      std::advance(stream, random_() % streams_.size());
      const auto [from, to] = stream->first;
      Message message = std::move(stream->second.front());
      stream->second.pop_front();
      if (stream->second.empty()) streams_.erase(stream);
      if ((from != to || from == kLiar) && tamper_ && !tamper_(from, to, message)) continue;
      const auto decoded = Decode(Encode(message));
      ASSERT_TRUE(decoded);
      ASSERT_TRUE(*decoded == message);
      Carry(to, machines_[to]->Handle(static_cast<PartyId>(from), std::move(message)));
    }
  }

  void Carry(std::size_t from, Ceremony::Step step) {
    for (auto& output : step.outputs) {
      if (auto* prepared = std::get_if<Prepared>(&output)) {
        results[from].prepared = std::move(*prepared);
      } else if (auto* agreed = std::get_if<Agreed>(&output)) {
        ASSERT_TRUE(results[from].prepared);
        results[from].agreed = std::move(*agreed);
      } else if (auto* failed = std::get_if<Failed>(&output)) {
        results[from].failed = std::move(*failed);
      } else {
        ASSERT_FALSE(results[from].agreed) << "completed keys must stay";
        results[from].prepared.reset();
      }
    }
    for (auto& [target, message] : step.messages) {
      for (std::size_t to = 0; to < keys.size(); ++to) {
        if (target.Includes(static_cast<PartyId>(to))) streams_[{from, to}].push_back(message);
      }
    }
  }

  Ceremony& machine(std::size_t i) { return *machines_[i]; }
  void SetTamper(Tamper tamper) { tamper_ = std::move(tamper); }
  std::size_t agreed() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(results, [](const Result& r) { return r.agreed.has_value(); }));
  }

  const std::vector<proto::SecretKey> keys;
  const proto::Genesis proposal;
  std::vector<Result> results;

 private:
  Tamper tamper_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Ceremony>> machines_;
  std::map<std::pair<std::size_t, std::size_t>, std::deque<Message>> streams_;
};

// All completed one document, and the keys are what they should be.
void ExpectComplete(World& world) {
  const std::size_t count = world.keys.size();
  std::set<proto::Digest> chains;
  for (const auto& result : world.results) {
    ASSERT_TRUE(result.agreed) << (result.failed ? result.failed->reason : "unfinished");
    chains.insert(ChainId(result.agreed->genesis));
    EXPECT_EQ(result.agreed->genesis, result.prepared->genesis);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_TRUE(Verify(world.keys[i].public_key(), AgreementDigest(*chains.begin()),
                         result.agreed->signatures[i]));
    }
  }
  ASSERT_EQ(chains.size(), 1u);
  const proto::CoinPublicKey coin = world.results[0].agreed->genesis.coin_key();
  EXPECT_EQ(coin.threshold, proto::Committee(static_cast<std::uint16_t>(count)).validity());
  const auto members = static_cast<std::uint16_t>(std::min<std::size_t>(count, 13));
  const mpc::ReplicatedSets sets{proto::Committee(members)};
  std::map<mpc::SetIndex, std::set<KeyPart>> keys;
  std::set<KeyPart> distinct;
  for (std::uint16_t i = 0; i < count; ++i) {
    const Prepared& own = *world.results[i].prepared;
    EXPECT_TRUE(proto::Matches(coin, PartyId{i}, own.coin)) << i;
    if (i >= members) {
      EXPECT_TRUE(own.replicated.empty());
      continue;
    }
    EXPECT_TRUE(mpc::ReplicatedKeys::From(sets, PartyId{i}, own.replicated)) << i;
    for (mpc::SetIndex set = 0; set < sets.count(); ++set) {
      if (!own.replicated[set]) continue;
      keys[set].insert(*own.replicated[set]);
      distinct.insert(*own.replicated[set]);
    }
  }
  EXPECT_EQ(distinct.size(), sets.count());
  for (const auto& [set, values] : keys) EXPECT_EQ(values.size(), 1u) << "set " << set;
}

class GenesisOf : public testing::TestWithParam<std::uint16_t> {};

TEST_P(GenesisOf, EveryOrderOfMessagesEndsInOneDocument) {
  for (std::uint64_t seed = 1; seed <= (GetParam() == 4 ? 2u : 1u); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(GetParam(), seed);
    world.Run();
    ExpectComplete(world);
    for (std::size_t i = 0; i < GetParam(); ++i) EXPECT_TRUE(world.machine(i).everyone_knows());
  }
}

INSTANTIATE_TEST_SUITE_P(Committees, GenesisOf, testing::Values(4, 5, 7));

// Runs with a liar (party 3) and expects: nobody completes, every honest machine fails, and one
// whom the lie reached names the liar and says `reason`; the others say so of it.
void ExpectCaught(const World::Tamper& lie, const std::string& reason) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + reason);
    World world(4, seed, lie);
    world.Run();
    EXPECT_EQ(world.agreed(), 0u);
    bool named = false;
    for (std::size_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(world.results[i].failed) << i;
      const Failed& failed = *world.results[i].failed;
      EXPECT_TRUE(!failed.culprit || *failed.culprit == PartyId{3}) << failed.reason;
      if (!failed.culprit) {
        EXPECT_NE(failed.reason.find("ended the ceremony"), std::string::npos) << failed.reason;
      }
      EXPECT_NE(failed.reason.find("node3"), std::string::npos) << failed.reason;
      named = named || (failed.culprit && failed.reason.find(reason) != std::string::npos);
    }
    EXPECT_TRUE(named);
  }
}

template <class M, class Change>
World::Tamper Lie(std::set<std::size_t> victims, Change change) {
  return [victims = std::move(victims), change](std::size_t from, std::size_t to, Message& m) {
    if (from == 3 && victims.contains(to) && std::holds_alternative<M>(m)) {
      change(std::get<M>(m));
    }
    return true;
  };
}

TEST(GenesisCeremony, LiarsAreNamed) {
  const std::set<std::size_t> all{0, 1, 2};
  ExpectCaught(Lie<Commitment>({1}, [](Commitment& m) { m.dealing.bytes[0] ^= 1; }),
               "without a valid signature");
  ExpectCaught(Lie<Commitment>(all, [](Commitment& m) { m.parts.pop_back(); }),
               "without a valid signature");
  ExpectCaught(Lie<Echo>({0}, [](Echo& m) { m.commitments[1].bytes[5] ^= 1; }),
               "echoes a commitment that node1 did not sign");
  ExpectCaught(Lie<Echo>({0, 2}, [](Echo& m) { m.signatures.pop_back(); }), "an echo too short");
  ExpectCaught(Lie<Showing>({2}, [](Showing& m) { m.dealing.back() ^= 1; }),
               "showed another dealing");
  ExpectCaught(Lie<SealedParts>({0}, [](SealedParts& m) { m.sealed.back() ^= 1; }),
               "key parts that do not open");
}

TEST(GenesisCeremony, AnotherProposalIsNamedBeforeAnythingBegins) {
  const auto lies = {Lie<Opening>({1}, [](Opening& m) { m.proposal.bytes[0] ^= 1; }),
                     Lie<Opening>({1}, [](Opening& m) { m.nonces.clear(); })};
  for (const World::Tamper& lie : lies) {
    World world(4, 1, lie);
    world.Run();
    ASSERT_TRUE(world.results[1].failed);
    EXPECT_EQ(world.results[1].failed->culprit, PartyId{3});
    EXPECT_EQ(world.machine(0).waiting_for(), "the arrival of node1");
    world.SetTamper(nullptr);
    world.Launch(1);  // It alone is started again.
    world.Run();
    ExpectComplete(world);
  }
}

// Two faces from the start: no session begins, and the wait says whom the words differ about.
TEST(GenesisCeremony, TwoNoncesBeginNothing) {
  World world(4, 1, Lie<Opening>({1}, [](Opening& m) {
                m.nonce.bytes[0] ^= 1;
                m.nonces[3] = m.nonce;
              }));
  world.Run();
  EXPECT_EQ(world.machine(0).waiting_for(), "word that all are here, of node1 about node3");
  EXPECT_NE(world.machine(1).waiting_for().find("node0 about node3"), std::string::npos);
  EXPECT_EQ(world.agreed(), 0u);
}

// The last step: whoever has the true signatures completes, who was lied to says so, and when all
// run again they end with the same document.
TEST(GenesisCeremony, AFalseSignatureCannotMakeTwoDocuments) {
  const auto lies = {Lie<Agreement>({0, 1, 2}, [](Agreement& m) { m.chain.bytes[0] ^= 1; }),
                     Lie<Agreement>({1}, [](Agreement& m) { m.signature.bytes[0] ^= 1; })};
  for (const World::Tamper& lie : lies) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      World world(4, seed, lie);
      world.Run();
      const proto::Digest chain = ChainId(world.results[0].prepared->genesis);
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(ChainId(world.results[i].prepared->genesis), chain);
        if (world.results[i].failed) {
          EXPECT_NE(world.results[i].failed->reason.find("node3 signed another genesis document"),
                    std::string::npos);
        }
      }
      world.SetTamper(nullptr);
      for (std::size_t i = 0; i < 4; ++i) world.Launch(i);
      world.Run();
      ExpectComplete(world);
      EXPECT_EQ(ChainId(world.results[0].agreed->genesis), chain);
    }
  }
}

// The session: names the liar's commitment as an honest receiver computes it.
proto::Digest SessionOf(const World& world, const std::vector<Opening>& openings) {
  proto::Hasher hasher("waxseal/genesis/session");
  hasher.Add(ProposalId(world.proposal).bytes);
  for (const Opening& opening : openings) hasher.Add(opening.nonce.bytes);
  return hasher.Finish();
}

// A liar that signs its lies, with the parts and dealings to them.
class SigningLiar {
 public:
  explicit SigningLiar(std::function<void(std::size_t to, Commitment&, const proto::Digest&)> lie)
      : lie_(std::move(lie)) {}

  void Attach(World& world) {
    openings_.resize(world.keys.size());
    world.SetTamper([this, &world](std::size_t from, std::size_t to, Message& message) {
      if (auto* opening = std::get_if<Opening>(&message)) openings_[from] = *opening;
      if (from != 3) return true;
      if (auto* commitment = std::get_if<Commitment>(&message)) {
        const proto::Digest session = SessionOf(world, openings_);
        lie_(to, *commitment, session);
        commitment->signature =
            world.keys[3].Sign(CommitmentDigest(session, PartyId{3}, *commitment));
      }
      if (auto* showing = std::get_if<Showing>(&message); showing && !dealing.empty()) {
        showing->dealing = dealing;
      }
      return true;
    });
  }

  proto::Bytes dealing;  // Shown in place of the honest one.

 private:
  std::function<void(std::size_t, Commitment&, const proto::Digest&)> lie_;
  std::vector<Opening> openings_;
};

void ExpectSignedLieCaught(SigningLiar liar, const std::string& reason) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + reason);
    World world(4, seed);
    liar.Attach(world);
    world.Run();
    EXPECT_EQ(world.agreed(), 0u);
    bool named = false;
    for (std::size_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(world.results[i].failed) << i;
      const Failed& failed = *world.results[i].failed;
      EXPECT_TRUE(!failed.culprit || *failed.culprit == PartyId{3}) << failed.reason;
      named = named || failed.reason.find("node3 " + reason) != std::string::npos;
    }
    EXPECT_TRUE(named);
  }
}

TEST(GenesisCeremony, TwoSignedCommitmentsConvict) {
  ExpectSignedLieCaught(SigningLiar([](std::size_t to, Commitment& m, const proto::Digest&) {
                          if (to == 1) m.dealing.bytes[0] ^= 1;
                        }),
                        "signed two different commitments");
}

TEST(GenesisCeremony, ABadDealingIsRefusedByAll) {
  // Dealt in another context, as a copy of another's or of an earlier ceremony would be.
  const auto keys = Keys(4);
  std::vector<proto::PublicKey> names;
  for (const auto& key : keys) names.push_back(key.public_key());
  SigningLiar liar(nullptr);
  const proto::Bytes bad = EncodeDealing(
      Deal(proto::Sha256(proto::AsBytes("elsewhere")), names, 2, proto::Bytes(32, 1)));
  liar = SigningLiar([bad](std::size_t, Commitment& m, const proto::Digest& session) {
    m.dealing = DealingDigest(session, PartyId{3}, bad);
  });
  liar.dealing = bad;
  ExpectSignedLieCaught(std::move(liar), "sent a bad dealing");
  SigningLiar garbage([](std::size_t, Commitment& m, const proto::Digest& session) {
    m.dealing = DealingDigest(session, PartyId{3}, proto::Bytes(99, 7));
  });
  garbage.dealing = proto::Bytes(99, 7);
  ExpectSignedLieCaught(std::move(garbage), "sent a bad dealing");
}

TEST(GenesisCeremony, APartThatWasNotCommittedToIsRefused) {
  ExpectSignedLieCaught(SigningLiar([](std::size_t, Commitment& m, const proto::Digest&) {
                          m.parts[0].bytes[0] ^= 1;
                        }),
                        "sent a key part that it did not commit to");
}

TEST(GenesisCeremony, SaysTwiceTheSameOrIsNamed) {
  World other(4, 2,
              [](std::size_t from, std::size_t, Message& m) { return from != 3 || m.index() < 5; });
  other.Run();
  other.Carry(0, other.machine(0).Handle(PartyId{3}, Showing{proto::Bytes(9, 1)}));
  ASSERT_TRUE(other.results[0].failed);
  EXPECT_EQ(other.results[0].failed->reason,
            "node3 contradicts itself: it sent two different dealings");
}

TEST(GenesisCeremony, TheSilentAreWaitedForByName) {
  World world(4, 1, [](std::size_t from, std::size_t, Message&) { return from != 2; });
  world.Run();
  EXPECT_EQ(world.machine(0).waiting_for(), "the arrival of node2");
  world.SetTamper(
      [](std::size_t from, std::size_t, Message& m) { return from != 2 || m.index() < 2; });
  for (std::size_t i : {0u, 1u, 3u}) world.Carry(2, world.machine(2).PeerConnected(PartyId(i)));
  world.Run();
  EXPECT_EQ(world.machine(0).waiting_for(), "echoes of node2");
  world.Carry(0, world.machine(0).GiveUp("no word of node2 for a minute"));
  world.Run();
  EXPECT_EQ(world.results[3].failed->reason,
            "node0 ended the ceremony: no word of node2 for a minute");
  EXPECT_EQ(world.agreed(), 0u);
}

TEST(GenesisCeremony, ARestartBeforeTheSessionIsForgivenAndLaterNamed) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(4, seed);
    world.Run(seed * 30);
    world.Launch(3);
    world.Run();
    if (world.agreed() == 4) {
      ExpectComplete(world);
      continue;
    }
    // Somebody had begun: it ended, and running it again succeeds.
    for (const auto& result : world.results) {
      if (!result.failed) continue;
      EXPECT_NE(result.failed->reason.find("node3"), std::string::npos) << result.failed->reason;
    }
    for (std::size_t i = 0; i < 4; ++i) world.Launch(i);
    world.Run();
    ExpectComplete(world);
  }
}

// A liar completes one machine and not the others: the certificate does.
TEST(GenesisCeremony, ASignatureThatIsWithheldTravelsInTheCertificate) {
  World world(4, 1, [](std::size_t from, std::size_t to, Message& m) {
    return from != 3 || to == 0 || (m.index() < 5);
  });
  world.Run();
  ExpectComplete(world);
}

// Stopped around its signature and the end: what was stored is adopted when all
// signed, forgotten when one did not, and never do two documents come to be.
TEST(GenesisCeremony, ACrashLeavesAllOrNothing) {
  std::size_t resumed = 0;
  std::size_t prepared = 0;
  for (const std::size_t point : {100u, 146u, 150u, 154u, 170u}) {
    SCOPED_TRACE("point " + std::to_string(point));
    World world(4, 7);
    world.Run(point);
    prepared += world.results[0].prepared ? 1 : 0;
    std::optional<proto::Digest> completed;
    for (const auto& result : world.results) {
      if (result.agreed) completed = ChainId(result.agreed->genesis);
    }
    for (std::size_t i = 0; i < 4; ++i) world.Launch(i);
    world.Run();
    ExpectComplete(world);
    if (completed) {
      ++resumed;
      EXPECT_EQ(*completed, ChainId(world.results[0].agreed->genesis));
    }
  }
  EXPECT_GT(resumed, 0u);
  EXPECT_GT(prepared, resumed);
}

TEST(GenesisCeremony, WhoHasCompletedDoesNotBeginAnother) {
  World world(4, 1);
  world.Run();
  ExpectComplete(world);
  world.results[2] = {};  // A new machine with the old key.
  for (std::size_t i = 0; i < 4; ++i) world.Launch(i);
  world.Run();
  ASSERT_TRUE(world.results[0].failed);
  EXPECT_EQ(world.results[0].failed->reason,
            "node2 has not signed the genesis document that this home holds already");
  EXPECT_FALSE(world.results[2].agreed);
}

TEST(GenesisCeremony, GarbageIsNamed) {
  World world(4, 1);
  world.Carry(0, world.machine(0).Malformed(PartyId{1}));
  world.Run();
  EXPECT_EQ(world.results[0].failed->culprit, PartyId{1});
}

TEST(GenesisMessage, GarbageIsRefusedOrEncodesToItself) {
  std::mt19937_64 random(1);
  std::size_t accepted = 0;
  for (int run = 0; run < 20'000; ++run) {
    proto::Bytes bytes(random() % 200);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 3 ? 0 : random());
    if (!bytes.empty()) bytes[0] = static_cast<std::uint8_t>(random() % 9);
    const auto message = Decode(bytes);
    if (!message) continue;
    ++accepted;
    EXPECT_EQ(Encode(*message), bytes);
  }
  EXPECT_GT(accepted, 0u);
}

TEST(Contribution, EachPartTravelsToMembersOfItsSetAlone) {
  const mpc::ReplicatedSets sets{proto::Committee(7)};
  const proto::Digest context = proto::Sha256(proto::AsBytes("context"));
  const Contribution contribution(sets, PartyId{2}, context, proto::Bytes(32, 1));
  const auto commitments = contribution.Commitments();
  EXPECT_EQ(commitments.size(), 15u);  // C(6, 2): one's own sets of 21.
  for (std::uint16_t j = 0; j < 7; ++j) {
    if (j == 2) continue;
    const auto ephemeral = KeyOf(100 + j);
    const auto sealed =
        contribution.SealFor(sets, PartyId{j}, ephemeral.public_key(), proto::Bytes(32, 9));
    const auto shared = SetsOf(sets, {PartyId{2}, PartyId{j}});
    const auto parts = OpenParts(context, PartyId{2}, PartyId{j}, ephemeral, sealed, shared.size());
    ASSERT_TRUE(parts);
    ASSERT_EQ(parts->size(), shared.size());
    EXPECT_EQ(parts->size(), 10u);  // C(5, 2)
    for (std::size_t i = 0; i < shared.size(); ++i) {
      EXPECT_TRUE(sets.Contains(shared[i], PartyId{j}));
      EXPECT_EQ((*parts)[i], *contribution.parts()[shared[i]]);
    }
    EXPECT_FALSE(OpenParts(context, PartyId{2}, PartyId{j}, KeyOf(5), sealed, 10));
    EXPECT_FALSE(OpenParts(context, PartyId{1}, PartyId{j}, ephemeral, sealed, 10));
    EXPECT_FALSE(OpenParts(context, PartyId{2}, PartyId{j}, ephemeral, sealed, 9));
    EXPECT_FALSE(OpenParts(proto::Digest(), PartyId{2}, PartyId{j}, ephemeral, sealed, 10));
  }
}

}  // namespace
}  // namespace node::genesis
