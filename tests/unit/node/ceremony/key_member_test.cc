#include "node/ceremony/key_member.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "proto/crypto/hash.h"

namespace node {
namespace {

using key_ceremony::Contribute;
using key_ceremony::Forward;
using key_ceremony::Message;
using proto::PartyId;

const proto::Digest kContext = proto::Sha256(proto::AsBytes("chain and epoch"));

proto::Bytes EntropyOf(const std::string& what) {
  const proto::Digest digest = proto::Sha256(proto::AsBytes(what));
  return proto::Bytes(digest.bytes.begin(), digest.bytes.end());
}

// n members, of whom some are corrupt, their streams and a ledger that orders acknowledgements as
// the seed says. A corrupt member runs the honest code; `tamper` changes what it sends, and the
// ledger gets whatever acknowledgements the test adds in its name.
class World {
 public:
  using Tamper = std::function<bool(std::size_t from, std::size_t to, Message& message)>;

  World(std::uint16_t members, std::set<std::size_t> corrupt, std::uint64_t seed, Tamper tamper)
      : ledger(members),
        size(members),
        corrupt_(std::move(corrupt)),
        tamper_(std::move(tamper)),
        random_(seed),
        stored_(members),
        keys(members),
        faults(members) {
    for (std::size_t i = 0; i < size; ++i) members_.emplace_back();
    for (std::size_t i = 0; i < size; ++i) Launch(i);
  }

  void Launch(std::size_t i) {
    for (std::size_t j = 0; j < size; ++j) {
      streams_.erase({i, j});
      streams_.erase({j, i});
    }
    auto member = KeyMember::Open({kContext, size, static_cast<PartyId>(i),
                                   EntropyOf(std::to_string(random_())), stored_[i]});
    ASSERT_TRUE(member);
    members_[i].emplace(std::move(*member));
    Carry(i, members_[i]->Start());
    Carry(i, members_[i]->OnLedger(ledger));
    for (std::size_t j = 0; j < size; ++j) {
      if (j == i || !members_[j]) continue;
      Carry(j, members_[j]->PeerConnected(static_cast<PartyId>(i)));
      Carry(i, members_[i]->PeerConnected(static_cast<PartyId>(j)));
    }
  }

  void Run() {
    RunSome(1'000'000);
    ASSERT_TRUE(streams_.empty() && posted_.empty()) << "it never ends";
  }

  void RunSome(std::size_t events) {
    while (events-- > 0) {
      const std::size_t choices = streams_.size() + (posted_.empty() ? 0 : 1);
      if (choices == 0) return;
      const std::size_t choice = random_() % choices;
      if (choice == streams_.size()) {
        Order();
        continue;
      }
      auto stream = std::next(streams_.begin(), static_cast<std::ptrdiff_t>(choice));
      const auto [from, to] = stream->first;
      Message message = std::move(stream->second.front());
      stream->second.pop_front();
      if (stream->second.empty()) streams_.erase(stream);
      if (corrupt_.contains(from) && from != to && !tamper_(from, to, message)) continue;
      const auto decoded = key_ceremony::Decode(key_ceremony::Encode(message));
      ASSERT_TRUE(decoded && *decoded == message);
      if (on_message) on_message(from, to, message);
      Carry(to, members_[to]->Handle(static_cast<PartyId>(from), std::move(message)));
    }
  }

  void Post(std::size_t member, const KeyAcknowledgement& what) {
    posted_.emplace_back(member, what);
  }

  // What every execution must end in: honest members of a set hold one key, alone.
  void ExpectKeys() {
    ASSERT_TRUE(ledger.done());
    const mpc::ReplicatedSets sets{proto::Committee(size)};
    std::map<mpc::SetIndex, std::set<KeyPart>> values;
    std::set<KeyPart> distinct;
    for (std::uint16_t i = 0; i < size; ++i) {
      if (corrupt_.contains(i)) continue;
      ASSERT_TRUE(keys[i]) << "member " << i << " lacks keys";
      EXPECT_TRUE(mpc::ReplicatedKeys::From(sets, PartyId{i}, *keys[i]));
      for (mpc::SetIndex set = 0; set < sets.count(); ++set) {
        if (!(*keys[i])[set]) continue;
        values[set].insert(*(*keys[i])[set]);
        distinct.insert(*(*keys[i])[set]);
      }
    }
    for (const auto& [set, keys_of_set] : values) EXPECT_EQ(keys_of_set.size(), 1u) << set;
    EXPECT_EQ(distinct.size(), values.size());
    // Only the corrupt are blamed.
    for (std::size_t i = 0; i < size; ++i) {
      if (corrupt_.contains(i)) continue;
      for (const proto::Fault& fault : faults[i]) {
        EXPECT_TRUE(corrupt_.contains(Index(fault.party))) << i;
      }
    }
    // The same record in other words.
    const auto again = KeyCeremony::Decode(ledger.Encode());
    ASSERT_TRUE(again);
    EXPECT_TRUE(*again == ledger && again->done());
  }

  KeyCeremony ledger;
  const std::uint16_t size;

 private:
  void Order() {
    const std::size_t choice = random_() % posted_.size();
    const auto [member, what] = posted_[choice];
    posted_.erase(posted_.begin() + static_cast<std::ptrdiff_t>(choice));
    if (!ledger.Acknowledge(static_cast<PartyId>(member), what)) return;
    for (std::size_t i = 0; i < size; ++i) Carry(i, members_[i]->OnLedger(ledger));
  }

  void Carry(std::size_t from, KeyMember::Step step) {
    for (auto& output : step.outputs) {
      if (auto* store = std::get_if<key_ceremony::Store>(&output)) {
        stored_[from] = std::move(store->bytes);
      } else if (auto* ack = std::get_if<key_ceremony::Acknowledge>(&output)) {
        Post(from, ack->acknowledgement);
      } else {
        auto& complete = std::get<key_ceremony::Complete>(output);
        if (keys[from]) {
          EXPECT_EQ(*keys[from], complete.keys);  // After a restart: the same.
        }
        keys[from] = std::move(complete.keys);
      }
    }
    faults[from].insert(faults[from].end(), step.faults.begin(), step.faults.end());
    for (auto& [target, message] : step.messages) {
      for (std::size_t to = 0; to < size; ++to) {
        if (target.Includes(static_cast<PartyId>(to))) streams_[{from, to}].push_back(message);
      }
    }
  }

  const std::set<std::size_t> corrupt_;
  const Tamper tamper_;
  std::mt19937_64 random_;
  std::vector<proto::Bytes> stored_;
  std::vector<std::optional<KeyMember>> members_;
  std::map<std::pair<std::size_t, std::size_t>, std::deque<Message>> streams_;
  std::vector<std::pair<std::size_t, KeyAcknowledgement>> posted_;

 public:
  std::vector<std::optional<std::vector<std::optional<KeyPart>>>> keys;
  std::vector<std::vector<proto::Fault>> faults;
  std::function<void(std::size_t, std::size_t, const Message&)> on_message;
  const proto::Bytes& stored(std::size_t i) const { return stored_[i]; }
};

bool Honest(std::size_t, std::size_t, Message&) {
  return true;
}

// What t corrupt members may do with their messages; each is run under several seeds.
struct Attack {
  const char* name;
  World::Tamper tamper;
};

std::vector<Attack> Attacks() {
  return {
      {"honest", Honest},
      {"silent", [](std::size_t, std::size_t, Message&) { return false; }},
      {"contributes to one member alone",
       [](std::size_t, std::size_t to, Message& m) {
         return to == 0 || !std::holds_alternative<Contribute>(m);
       }},
      {"sends some garbage in place of parts",
       [](std::size_t, std::size_t to, Message& m) {
         if (auto* c = std::get_if<Contribute>(&m); c && to % 2 == 0) c->sealed.back() ^= 1;
         return true;
       }},
      {"commits to other parts than it sends",
       [](std::size_t, std::size_t to, Message& m) {
         if (auto* c = std::get_if<Contribute>(&m); c && to % 2 == 0) {
           for (auto& commitment : c->commitments) commitment.bytes[0] ^= 1;
         }
         return true;
       }},
      {"commits to one wrong part",
       [](std::size_t, std::size_t, Message& m) {
         if (auto* c = std::get_if<Contribute>(&m)) c->commitments.back().bytes[0] ^= 1;
         return true;
       }},
      {"forwards garbage",
       [](std::size_t, std::size_t, Message& m) {
         if (auto* f = std::get_if<Forward>(&m)) {
           if (f->sealed[40] & 1) f->sealed.back() ^= 1;
           f->commitments[0].bytes[3] ^= static_cast<std::uint8_t>(f->sealed[41] & 1);
         }
         return true;
       }},
      {"sends too few",
       [](std::size_t, std::size_t, Message& m) {
         if (auto* c = std::get_if<Contribute>(&m)) c->commitments.pop_back();
         if (auto* f = std::get_if<Forward>(&m)) f->commitments.clear();
         return true;
       }},
  };
}

class KeyCeremonyOf : public testing::TestWithParam<std::uint16_t> {};

TEST_P(KeyCeremonyOf, EndsWithEqualKeysWhateverTheCorruptDo) {
  const std::uint16_t members = GetParam();
  const std::uint16_t faulty = proto::Committee(members).max_faulty();
  std::set<std::size_t> corrupt;
  for (std::size_t i = 0; i < faulty; ++i) corrupt.insert(members - 1 - 2 * i);
  for (const Attack& attack : Attacks()) {
    for (std::uint64_t seed = 1; seed <= (members == 4 ? 20u : members == 7 ? 3u : 1u); ++seed) {
      SCOPED_TRACE(std::string(attack.name) + ", seed " + std::to_string(seed));
      World world(members, corrupt, seed, attack.tamper);
      world.Run();
      world.ExpectKeys();
      if (testing::Test::HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Committees, KeyCeremonyOf, testing::Values(4, 7, 10));

// The corrupt acknowledge what they do not hold, among them roots that do not exist.
TEST(KeyCeremony, FalseAcknowledgementsStopNothing) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(7, {2, 5}, seed, Honest);
    std::mt19937_64 random(seed);
    for (std::uint16_t author = 0; author < 7; ++author) {
      for (const std::size_t liar : {2, 5}) {
        world.Post(liar, {PartyId{author}, proto::Sha256(EntropyOf(std::to_string(random() % 3)))});
      }
    }
    world.Run();
    world.ExpectKeys();
  }
}

// Two faces: a corrupt author contributes one root to some and another to the rest, and the corrupt
// acknowledge both.
TEST(KeyCeremony, AnAuthorWithTwoFacesMakesOneKeyASet) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const mpc::ReplicatedSets sets{proto::Committee(7)};
    const Contribution second(sets, PartyId{5}, kContext, proto::Bytes(32, 9));
    std::map<std::size_t, proto::PublicKey> ephemeral;
    World world(7, {2, 5}, seed, [&](std::size_t from, std::size_t to, Message& m) {
      auto* contribute = std::get_if<Contribute>(&m);
      if (from != 5 || contribute == nullptr || to % 2 == 0 || !ephemeral.contains(to)) return true;
      contribute->commitments = second.Commitments();
      contribute->sealed = second.SealFor(sets, static_cast<PartyId>(to), ephemeral[to],
                                          EntropyOf("second" + std::to_string(to)));
      return true;
    });
    // The liar's own process would not tell us whom it seals to.
    world.on_message = [&](std::size_t from, std::size_t to, const Message& m) {
      if (const auto* a = std::get_if<key_ceremony::Announce>(&m); a && to == 5) {
        ephemeral[from] = a->ephemeral;
      }
    };
    world.Post(2, {PartyId{5}, key_ceremony::RootOf(kContext, PartyId{5}, second.Commitments())});
    world.Run();
    world.ExpectKeys();
  }
}

TEST(KeyCeremony, KilledMembersGoOnFromWhatTheyStored) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(4, {3}, seed, [](std::size_t, std::size_t to, Message& m) {
      return to == 0 || !std::holds_alternative<Contribute>(m);
    });
    std::mt19937_64 random(seed);
    for (int kills = 0; kills < 6; ++kills) {
      world.RunSome(random() % 30);
      world.Launch(random() % 3);
    }
    world.Run();
    world.ExpectKeys();
  }
}

TEST(KeyCeremony, DamagedFilesAreNotTaken) {
  proto::Bytes stored;
  World world(4, {}, 1, Honest);
  world.Run();
  stored = world.stored(0);
  const auto open = [&](const proto::Bytes& bytes, const proto::Digest& context = kContext) {
    return KeyMember::Open({context, 4, PartyId{0}, EntropyOf("x"), bytes});
  };
  EXPECT_TRUE(open(stored));
  EXPECT_FALSE(open(stored, proto::Digest()));
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{31}, std::size_t{33}, stored.size() - 1}) {
    EXPECT_FALSE(open(proto::Bytes(stored.begin(), stored.begin() + static_cast<long>(size))));
  }
  proto::Bytes part = stored;
  part.back() ^= 1;
  EXPECT_FALSE(open(part));
}

TEST(KeyCeremony, SetsAreNumberedAsInMpc) {
  for (const std::uint16_t members : std::vector<std::uint16_t>{4, 7, 10, 13}) {
    const mpc::ReplicatedSets sets{proto::Committee(members)};
    const std::uint16_t enough = proto::Committee(members).validity();
    KeyCeremony ceremony(members);
    ASSERT_EQ(ceremony.sets(), sets.count());
    // The first t + 1 members acknowledge member 0: exactly the sets with all of them are decided.
    for (std::uint16_t i = 0; i < enough; ++i) {
      EXPECT_TRUE(ceremony.Acknowledge(PartyId{i}, {PartyId{0}, kContext}));
    }
    for (mpc::SetIndex set = 0; set < sets.count(); ++set) {
      bool all = true;
      for (std::uint16_t i = 0; i < enough; ++i) all = all && sets.Contains(set, PartyId{i});
      EXPECT_EQ(ceremony.winner(set).has_value(), all) << members << " " << set;
    }
    EXPECT_FALSE(ceremony.done());
  }
}

TEST(KeyCeremony, TheLedgerTakesEachAcknowledgementOnce) {
  KeyCeremony ceremony(4);
  const proto::Digest other = proto::Sha256(kContext.bytes);
  EXPECT_FALSE(ceremony.Acknowledge(PartyId{4}, {PartyId{0}, kContext}));
  EXPECT_FALSE(ceremony.Acknowledge(PartyId{0}, {PartyId{4}, kContext}));
  EXPECT_TRUE(ceremony.Acknowledge(PartyId{0}, {PartyId{1}, kContext}));
  EXPECT_FALSE(ceremony.Acknowledge(PartyId{0}, {PartyId{1}, kContext}));
  EXPECT_FALSE(ceremony.Acknowledge(PartyId{0}, {PartyId{1}, other}));
  EXPECT_TRUE(ceremony.Acknowledge(PartyId{2}, {PartyId{1}, other}));
  // One acknowledgement of each root: t + 1 of none.
  for (std::size_t set = 0; set < ceremony.sets(); ++set) {
    EXPECT_FALSE(ceremony.winner(static_cast<mpc::SetIndex>(set)));
  }
  const proto::Bytes bytes = ceremony.Encode();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto decoded = KeyCeremony::Decode(proto::ByteSpan(bytes).first(size));
    EXPECT_TRUE(!decoded || decoded->Encode().size() == size);
  }
  proto::Bytes twice = bytes;
  twice.insert(twice.end(), bytes.begin() + 1, bytes.end());
  EXPECT_FALSE(KeyCeremony::Decode(twice));
}

TEST(KeyCeremony, GarbageIsRefusedOrEncodesToItself) {
  std::mt19937_64 random(1);
  std::size_t accepted = 0;
  for (int run = 0; run < 20'000; ++run) {
    proto::Bytes bytes(random() % 120);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 3 ? 0 : random());
    if (!bytes.empty()) bytes[0] = static_cast<std::uint8_t>(random() % 5);
    const auto message = key_ceremony::Decode(bytes);
    if (!message) continue;
    ++accepted;
    EXPECT_EQ(key_ceremony::Encode(*message), bytes);
  }
  EXPECT_GT(accepted, 0u);
}

}  // namespace
}  // namespace node
