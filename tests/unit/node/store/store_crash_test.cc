// What survives when the power fails, the process is killed or the disk lies. The history written
// is always the same: batch i sets kWidth keys to i, so that a store shows which batches it holds,
// and whether one of them was torn.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/store/file_store.h"
#include "node/store/store.h"
#include "proto/base/check.h"
#include "tests/unit/node/store/failing_power.h"
#include "tests/unit/node/store/scratch.h"

namespace node {
namespace {

namespace fs = std::filesystem;

using proto::Bytes;
using proto::ErrorCode;

constexpr std::uint32_t kWidth = 3;
constexpr std::size_t kOwnSize = 2 * kInlineMax;  // So that the journal alone holds it.

Bytes Key(std::uint32_t column) {
  return {'k', static_cast<std::uint8_t>(column)};
}

Bytes Value(std::uint32_t batch, std::size_t size) {
  Bytes value;
  proto::PutU32(value, batch);
  value.resize(std::max(size, value.size()), static_cast<std::uint8_t>(batch));
  return value;
}

// Batches are numbered from 1; besides the shared keys each leaves one of its own.
std::vector<KeyWrite> Batch(std::uint32_t number, std::size_t size) {
  std::vector<KeyWrite> writes;
  for (std::uint32_t column = 0; column < kWidth; ++column) {
    writes.push_back({Key(column), Value(number, size)});
  }
  Bytes own = {'b'};
  for (int shift = 24; shift >= 0; shift -= 8) {
    own.push_back(static_cast<std::uint8_t>(number >> shift));
  }
  writes.push_back({own, Value(number, kOwnSize)});
  return writes;
}

// The number of batches the store holds. Fails when they are no prefix of the history, or one is
// torn.
proto::Result<std::uint32_t> BatchesHeld(const Store& store) {
  const auto own = store.Scan(Bytes{'b'}, {}, 1'000'000);
  if (!own) return tl::unexpected(own.error());
  const auto held = static_cast<std::uint32_t>(own->size());
  for (std::uint32_t i = 0; i < held; ++i) {
    EXPECT_EQ((*own)[i].second, Value(i + 1, kOwnSize)) << "no prefix";
  }
  for (std::uint32_t column = 0; column < kWidth; ++column) {
    const auto value = store.Get(Key(column));
    if (!value) return tl::unexpected(value.error());
    EXPECT_EQ(value->has_value(), held > 0);
    if (!*value) continue;
    EXPECT_EQ(**value, Value(held, (*value)->size())) << "torn batch";
  }
  return held;
}

// Values are long enough for several logs to be filled, so that the power also fails while tables
// are written and logs change.
TEST(StoreCrash, APowerFailureLeavesAPrefixWithAllThatWasSynced) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const Scratch scratch;
  FailingPower power;
  std::uint32_t number = 0;
  std::uint32_t synced = 0;
  for (int failure = 0; failure < 12; ++failure) {
    auto store = Store::Open(scratch / "store", &power);
    ASSERT_TRUE(store.has_value()) << store.error().message;
    const auto held = BatchesHeld(**store);
    ASSERT_TRUE(held.has_value()) << held.error().message;
    ASSERT_GE(*held, synced);
    ASSERT_LE(*held, number);
    number = *held;
    synced = number;  // Opening has synced what it found.
    for (const bool killed : {true, false}) {
      const std::uint64_t batches = random() % 40;
      for (std::uint64_t i = 0; i < batches; ++i) {
        const bool sync = random() % 8 == 0;
        ASSERT_TRUE((*store)->Apply(Batch(++number, random() % 200'000), sync).has_value());
        if (sync) synced = number;
      }
      if (!killed) continue;
      // The process ends while the machine goes on: nothing is lost, and what opening finds it
      // must sync.
      store->reset();
      store = Store::Open(scratch / "store", &power);
      ASSERT_TRUE(store.has_value()) << store.error().message;
      ASSERT_EQ(BatchesHeld(**store).value(), number);
      synced = number;
    }
    power.Fail();
    store->reset();
    power.Lose(random);
  }
}

// The same with values in the journal and in the index, keys that are replaced and erased, and
// segments of a few records: values are moved and segments removed all the time.
TEST(StoreCrash, APowerFailureWhileValuesMoveLeavesAPrefix) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const Scratch scratch;
  FailingPower power;
  using Model = std::map<Bytes, Bytes>;
  std::vector<Model> states(1);  // The last synced state, then one for each batch since.
  std::uint64_t removed = 0;
  for (int failure = 0; failure < 25; ++failure) {
    auto store = Store::Open(scratch / "store", &power, {.segment_size = 20'000});
    ASSERT_TRUE(store.has_value()) << store.error().message;
    const auto all = (*store)->Scan({}, {}, 1'000'000);
    ASSERT_TRUE(all.has_value()) << all.error().message;
    const Model found(all->begin(), all->end());
    const auto prefix = std::ranges::find(states, found);
    ASSERT_NE(prefix, states.end()) << "no prefix, failure " << failure;
    states = {found};
    const std::uint64_t batches = random() % 120;
    for (std::uint64_t i = 0; i < batches; ++i) {
      std::vector<KeyWrite> writes;
      states.push_back(states.back());
      for (std::uint64_t width = 1 + random() % 4; width > 0; --width) {
        const Bytes key = {static_cast<std::uint8_t>(random() % 40)};
        const std::size_t size = random() % 2 ? random() % 4000 : random() % 40;
        KeyWrite write{key, std::nullopt};
        states.back().erase(key);
        if (random() % 4 != 0) {
          write.value = Bytes(size, static_cast<std::uint8_t>(random()));
          states.back()[key] = *write.value;
        }
        writes.push_back(std::move(write));
      }
      const bool sync = random() % 6 == 0;
      const auto applied = (*store)->Apply(writes, sync);
      ASSERT_TRUE(applied.has_value()) << applied.error().message;
      if (sync) states = {states.back()};
      if (random() % 8 != 0) continue;
      const auto now = (*store)->Scan({}, {}, 1'000'000);
      ASSERT_TRUE(now.has_value()) << now.error().message;
      ASSERT_EQ(Model(now->begin(), now->end()), states.back());
    }
    std::uint64_t segments = 0;
    std::uint64_t newest = 0;
    for (const auto& entry : fs::directory_iterator(scratch / "store")) {
      if (entry.path().extension() != ".journal") continue;
      ++segments;
      newest = std::max<std::uint64_t>(newest, std::stoull(entry.path().stem().string()));
    }
    removed = std::max(removed, newest - segments);
    power.Fail();
    store->reset();
    power.Lose(random);
  }
  EXPECT_GT(removed, 50u);
}

// The end of a log: gone, or gone bad. Whatever is left opens to a prefix, or says it is damaged.
TEST(StoreCrash, ATornLogGivesAPrefix) {
  const Scratch scratch;
  constexpr std::uint32_t kBatches = 5;
  {
    const auto store = Store::Open(scratch / "store").value();
    for (std::uint32_t i = 1; i <= kBatches; ++i) {
      ASSERT_TRUE(store->Apply(Batch(i, 50), true).has_value());
    }
  }
  std::string log;
  for (const auto& entry : fs::directory_iterator(scratch / "store")) {
    if (entry.path().extension() == ".log") log = entry.path().filename();
  }
  ASSERT_FALSE(log.empty());
  const std::uint64_t size = fs::file_size(scratch / ("store/" + log));
  std::uint32_t before = 0;
  for (std::uint64_t kept = 0; kept <= size; kept += 7) {
    fs::remove_all(scratch / "torn");
    fs::copy(scratch / "store", scratch / "torn");
    fs::resize_file(scratch / ("torn/" + log), kept);
    const auto store = Store::Open(scratch / "torn");
    ASSERT_TRUE(store.has_value()) << store.error().message;
    const auto held = BatchesHeld(**store);
    ASSERT_TRUE(held.has_value());
    EXPECT_GE(*held, before) << kept;
    before = *held;
  }
  EXPECT_GE(before, kBatches - 1);
}

void FlipBit(const std::string& path, std::uint64_t bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(static_cast<char>(byte ^ (1 << (bit % 8))));
}

// LevelDB cannot tell a last record of the wrong length from a torn one, so a prefix is allowed; a
// wrong value, or a hole, is not.
TEST(StoreCrash, AFlippedBitIsFoundOrHarmless) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const Scratch scratch;
  constexpr std::uint32_t kBatches = 100;
  {
    const auto store = Store::Open(scratch / "store").value();
    for (std::uint32_t i = 1; i <= kBatches; ++i) {  // Some in tables, the last in a log.
      ASSERT_TRUE(store->Apply(Batch(i, i % 2 == 0 ? 50'000 : 100), true).has_value());
    }
  }
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(scratch / "store")) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("LO") && fs::file_size(entry) > 0) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  int found = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string& name = names[random() % names.size()];
    fs::remove_all(scratch / "flipped");
    fs::copy(scratch / "store", scratch / "flipped");
    const std::string path = scratch / ("flipped/" + name);
    const std::uint64_t bit = random() % (8 * fs::file_size(path));
    SCOPED_TRACE("bit " + std::to_string(bit) + " of " + name);
    FlipBit(path, bit);
    const auto store = Store::Open(scratch / "flipped");
    const auto held = store.has_value()
                          ? BatchesHeld(**store)
                          : proto::Result<std::uint32_t>(tl::unexpected(store.error()));
    if (held.has_value()) continue;
    EXPECT_NE(held.error().message.find(scratch / "flipped"), std::string::npos);
    ++found;
  }
  EXPECT_GT(found, 20);
}

TEST(StoreCrash, AMissingRootIsDamageAndNoBeginning) {
  const Scratch scratch;
  ASSERT_TRUE(Store::Open(scratch / "store").value()->Apply(Batch(1, 9), true).has_value());
  fs::remove(scratch / "store/CURRENT");
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto store = Store::Open(scratch / "store");
    ASSERT_FALSE(store.has_value());
    EXPECT_EQ(store.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(store.error().message.find("is damaged"), std::string::npos);
    EXPECT_NE(store.error().message.find("rejoin with a new validator key"), std::string::npos);
  }
}

// The victim of the tests below: this program again, told by its environment to write until it is
// killed. It counts what was acknowledged in a page it shares with its killer.
constexpr char kVictim[] = "WAXSEAL_TEST_VICTIM";

std::uint32_t* SharedCount(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDWR | O_CREAT, 0600));
  CHECK(file.valid() && ftruncate(file.number(), sizeof(std::uint32_t)) == 0);
  void* page =
      mmap(nullptr, sizeof(std::uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, file.number(), 0);
  CHECK(page != MAP_FAILED);
  return static_cast<std::uint32_t*>(page);
}

class Victim : public testing::Environment {
 public:
  void SetUp() override {
    const char* const directory = std::getenv(kVictim);
    if (directory == nullptr) return;
    const std::string scratch = directory;
    volatile std::uint32_t* const acknowledged = SharedCount(scratch + "/acknowledged");
    const auto store = Store::Open(scratch + "/store").value();
    const auto files = FileStore::Open(scratch + "/files").value();
    for (std::uint32_t number = *acknowledged + 1;; ++number) {
      // Opened stores may hold one batch more than was acknowledged; it is the same again.
      CHECK(files->Put("mask", Value(number, 300'000)).has_value());
      CHECK(store->Apply(Batch(number, 20'000), number % 4 != 0).has_value());
      *acknowledged = number;
    }
  }
};

const auto* const kVictimRegistered = testing::AddGlobalTestEnvironment(new Victim);

TEST(StoreCrash, AKilledProcessLosesNothingAcknowledged) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const Scratch scratch;
  const std::uint32_t* const acknowledged = SharedCount(scratch / "acknowledged");
  std::string variable = std::string(kVictim) + "=" + (scratch / ".");
  std::string program = "victim";
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  for (int kill_number = 0; kill_number < 15; ++kill_number) {
    char* const arguments[] = {program.data(), nullptr};
    char* const environment[] = {variable.data(), nullptr};
    pid_t victim = 0;
    const std::uint32_t before = *acknowledged;
    ASSERT_EQ(posix_spawn(&victim, "/proc/self/exe", &quiet, nullptr, arguments, environment), 0);
    // Not before it has written something, so that each kill falls among writes.
    for (int i = 0;
         i < 10'000 && *const_cast<const volatile std::uint32_t*>(acknowledged) == before; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
    ASSERT_EQ(kill(victim, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(victim, &status, 0), victim);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ASSERT_GT(*acknowledged, before);

    const auto store = Store::Open(scratch / "store");
    ASSERT_TRUE(store.has_value()) << store.error().message;
    const auto held = BatchesHeld(**store);
    ASSERT_TRUE(held.has_value()) << held.error().message;
    EXPECT_GE(*held, *acknowledged);
    EXPECT_LE(*held, *acknowledged + 1);
    const auto files = FileStore::Open(scratch / "files").value();
    const auto mask = files->Get("mask");
    ASSERT_TRUE(mask.has_value()) << mask.error().message;
    const std::uint32_t put = proto::GetU32(*mask);
    EXPECT_EQ(*mask, Value(put, 300'000));
    EXPECT_GE(put, *acknowledged);
    EXPECT_LE(put, *acknowledged + 1);
    EXPECT_EQ(files->List("").value().size(), 1u);
  }
  posix_spawn_file_actions_destroy(&quiet);
}

}  // namespace
}  // namespace node
