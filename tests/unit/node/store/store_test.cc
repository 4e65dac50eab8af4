#include "node/store/store.h"

#include <csignal>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <leveldb/env.h>
#include <rapidcheck/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "node/store/memory.h"
#include "tests/unit/node/store/scratch.h"

namespace node {
namespace {

using proto::Bytes;
using proto::ErrorCode;

using Model = std::map<Bytes, Bytes>;

// Few letters and short, so that keys are prefixes of each other and come back.
rc::Gen<Bytes> AnyKey() {
  return rc::gen::resize(
      4, rc::gen::container<Bytes>(rc::gen::element<std::uint8_t>(0x00, 0x61, 0xff)));
}

rc::Gen<KeyWrite> AnyWrite() {
  return rc::gen::build<KeyWrite>(
      rc::gen::set(&KeyWrite::key, AnyKey()),
      rc::gen::set(&KeyWrite::value,
                   rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 4), rc::gen::arbitrary<Bytes>()),
                                [](std::pair<int, Bytes> choice) {
                                  auto& [kind, bytes] = choice;
                                  if (kind == 0) bytes.resize(kInlineMax + bytes.size(), 0x17);
                                  return kind < 3 ? std::optional(std::move(bytes)) : std::nullopt;
                                })));
}

void Apply(Model& model, const std::vector<KeyWrite>& writes) {
  for (const auto& [key, value] : writes) {
    if (value) {
      model[key] = *value;
    } else {
      model.erase(key);
    }
  }
}

// interfaces.h, word for word.
std::vector<std::pair<Bytes, Bytes>> Scan(const Model& model, const Bytes& prefix,
                                          const Bytes& after, std::size_t limit) {
  std::vector<std::pair<Bytes, Bytes>> entries;
  for (const auto& entry : model) {
    const Bytes& key = entry.first;
    const bool starts =
        key.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), key.begin());
    if (starts && (after.empty() || key > after) && entries.size() < limit) {
      entries.push_back(entry);
    }
  }
  return entries;
}

void CheckAgainst(const Model& model, const KeyValueStore& store) {
  const auto all = store.Scan({}, {}, 1'000'000);
  RC_ASSERT(all.has_value());
  RC_ASSERT(*all == Scan(model, {}, {}, 1'000'000));
  const Bytes key = *AnyKey();
  const auto value = store.Get(key);
  RC_ASSERT(value.has_value());
  RC_ASSERT(value->has_value() == model.contains(key));
  if (*value) RC_ASSERT(**value == model.at(key));
  const Bytes prefix = *AnyKey();
  const Bytes after = *AnyKey();
  const auto limit = *rc::gen::inRange<std::size_t>(0, 6);
  RC_ASSERT(store.Scan(prefix, after, limit).value() == Scan(model, prefix, after, limit));
}

RC_GTEST_PROP(Store, IsAnOrderedMapThatOutlivesItsProcess, ()) {
  const Scratch scratch;
  const StoreOptions options{.durable = false, .segment_size = 10'000};
  const auto open = [&] {
    return Store::Open(scratch / "store", leveldb::Env::Default(), options).value();
  };
  auto store = open();
  Model model;
  for (int i = 0; i < 10; ++i) {
    const auto writes = *rc::gen::container<std::vector<KeyWrite>>(AnyWrite());
    RC_ASSERT(store->Apply(writes, *rc::gen::arbitrary<bool>()).has_value());
    Apply(model, writes);
    if (*rc::gen::inRange(0, 4) == 0) {
      store.reset();
      store = open();
    }
    CheckAgainst(model, *store);
  }
}

RC_GTEST_PROP(MemoryStore, IsAnOrderedMapThatLosesWhatWasNotSynced, ()) {
  MemoryStore store;
  std::vector<Model> states(1);  // The last synced state, then one for each batch since.
  for (int i = 0; i < 30; ++i) {
    const auto writes = *rc::gen::container<std::vector<KeyWrite>>(AnyWrite());
    const bool sync = *rc::gen::inRange(0, 4) == 0;
    RC_ASSERT(store.Apply(writes, sync).has_value());
    states.push_back(states.back());
    Apply(states.back(), writes);
    if (sync) states = {states.back()};
    RC_ASSERT(store.unsynced() == states.size() - 1);
    if (*rc::gen::inRange(0, 4) == 0) {
      const auto surviving = *rc::gen::inRange<std::size_t>(0, states.size());
      store.Crash(surviving);
      states = {states[surviving]};
    }
    CheckAgainst(states.back(), store);
  }
}

TEST(MemoryStore, RefusesWritesWhileFull) {
  MemoryStore store;
  store.SetFull(true);
  EXPECT_EQ(store.Apply({{{1}, Bytes{2}}}, true).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(store.Get(Bytes{1}).value(), std::nullopt);
  store.SetFull(false);
  EXPECT_TRUE(store.Apply({{{1}, Bytes{2}}}, true).has_value());
  EXPECT_EQ(store.Get(Bytes{1}).value(), Bytes{2});
}

TEST(Store, LaterWritesOfABatchWin) {
  const Scratch scratch;
  const auto store = Store::Open(scratch / "store").value();
  ASSERT_TRUE(store->Apply({{{1}, Bytes{1}}, {{1}, std::nullopt}, {{1}, Bytes{3}}}, false));
  EXPECT_EQ(store->Get(Bytes{1}).value(), Bytes{3});
}

TEST(Store, IsItsOwnersAlone) {
  const Scratch scratch;
  const auto store = Store::Open(scratch / "store").value();
  struct stat status {};
  ASSERT_EQ(stat((scratch / "store").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST(Store, OpensForOneHolderAtATime) {
  const Scratch scratch;
  auto store = Store::Open(scratch / "store").value();
  const auto second = Store::Open(scratch / "store");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(second.error().message, (scratch / "store") + " is already in use by another process");
  store.reset();
  EXPECT_TRUE(Store::Open(scratch / "store").has_value());
}

TEST(Store, SaysWhyItCannotOpen) {
  const Scratch scratch;
  const auto nowhere = Store::Open(scratch / "absent/store");
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().code, ErrorCode::kNotFound);
  std::ofstream(scratch / "file") << "text";
  EXPECT_EQ(Store::Open(scratch / "file").error().code, ErrorCode::kUnavailable);
}

// Files above the limit cannot grow, as on a full disk.
class Limit {
 public:
  explicit Limit(rlim_t size) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{size, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;
  ~Limit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(Store, AFullDiskEndsWritingButLosesNothing) {
  const Scratch scratch;
  Model acknowledged;
  {
    const auto store = Store::Open(scratch / "store").value();
    const Limit limit(300'000);
    std::uint8_t i = 0;
    for (;; ++i) {
      ASSERT_LT(i, 100) << "the disk never filled";
      const std::vector<KeyWrite> writes = {{{i}, Bytes(10'000, i)}};
      const auto applied = store->Apply(writes, true);
      if (!applied) {
        EXPECT_EQ(applied.error().code, ErrorCode::kExhausted) << applied.error().message;
        break;
      }
      Apply(acknowledged, writes);
    }
    EXPECT_GT(i, 10);
    // A later batch would stand behind a torn record; small as it is, it is refused.
    EXPECT_EQ(store->Apply({{{i}, Bytes{}}}, true).error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(store->Get(Bytes{0}).value(), Bytes(10'000, 0));
  }
  const auto store = Store::Open(scratch / "store");
  ASSERT_TRUE(store.has_value()) << store.error().message;
  for (const auto& [key, value] : acknowledged) EXPECT_EQ((*store)->Get(key).value(), value);
  EXPECT_TRUE((*store)->Apply({{{0xff}, Bytes{1}}}, true).has_value());
}

TEST(Store, CountsSyncsAndDoesWithoutThemWhenTold) {
  const Scratch scratch;
  const auto durable = Store::Open(scratch / "durable").value();
  const std::uint64_t syncs = durable->syncs();
  const std::uint64_t bytes = durable->bytes_written();
  const std::vector<KeyWrite> writes = {{{1}, Bytes(1000, 7)}};
  ASSERT_TRUE(durable->Apply(writes, false).has_value());
  EXPECT_EQ(durable->syncs(), syncs);
  ASSERT_TRUE(durable->Apply(writes, true).has_value());
  EXPECT_EQ(durable->syncs(), syncs + 1);
  EXPECT_GE(durable->bytes_written(), bytes + 2000);

  const auto careless = Store::Open(scratch / "careless", false).value();
  ASSERT_TRUE(careless->Apply(writes, true).has_value());
  EXPECT_EQ(careless->syncs(), 0u);
  EXPECT_EQ(careless->Get(Bytes{1})->value(), Bytes(1000, 7));
}

}  // namespace
}  // namespace node
