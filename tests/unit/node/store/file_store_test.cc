#include "node/store/file_store.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/store/memory.h"
#include "tests/unit/node/store/scratch.h"

namespace node {
namespace {

using proto::Bytes;
using proto::ErrorCode;

Bytes Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> Entries(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Whatever is done to the files, they are the map that interfaces.h describes.
void Exercise(BulkStore& files, std::map<std::string, Bytes>& model) {
  const auto name = *rc::gen::element<std::string>("bundle-1", "bundle-2", "bundle-10", "a", "z.z");
  switch (*rc::gen::inRange(0, 3)) {
    case 0: {
      const auto bytes = *rc::gen::arbitrary<Bytes>();
      RC_ASSERT(files.Put(name, bytes).has_value());
      model[name] = bytes;
      break;
    }
    case 1:
      RC_ASSERT(files.Erase(name).has_value());
      model.erase(name);
      break;
    default:
      break;
  }
  RC_ASSERT(files.Has(name) == model.contains(name));
  const auto got = files.Get(name);
  RC_ASSERT(got.has_value() == model.contains(name));
  if (got) {
    RC_ASSERT(*got == model.at(name));
  } else {
    RC_ASSERT(got.error().code == ErrorCode::kNotFound);
  }
  const auto prefix = *rc::gen::element<std::string>("", "bundle-", "bundle-1", "zz");
  std::vector<std::string> expected;
  for (const auto& [key, value] : model) {
    if (key.starts_with(prefix)) expected.push_back(key);
  }
  RC_ASSERT(files.List(prefix).value() == expected);
}

RC_GTEST_PROP(FileStore, IsAMapThatOutlivesItsProcess, ()) {
  const Scratch scratch;
  auto files = FileStore::Open(scratch / "files").value();
  std::map<std::string, Bytes> model;
  for (int i = 0; i < 10; ++i) {
    Exercise(*files, model);
    if (*rc::gen::inRange(0, 4) == 0) {
      files.reset();
      files = FileStore::Open(scratch / "files").value();
    }
  }
}

RC_GTEST_PROP(MemoryFiles, AreTheSameMap, ()) {
  MemoryFiles files;
  std::map<std::string, Bytes> model;
  for (int i = 0; i < 30; ++i) Exercise(files, model);
}

TEST(FileStore, RefusesNamesThatAreNone) {
  const Scratch scratch;
  const auto disk = FileStore::Open(scratch / "files").value();
  MemoryFiles memory;
  for (BulkStore* files : {static_cast<BulkStore*>(disk.get()), static_cast<BulkStore*>(&memory)}) {
    for (const std::string& name :
         {std::string(), std::string("."), std::string(".."), std::string("../x"),
          std::string("a/b"), std::string(".hidden"), std::string("A"), std::string("a b"),
          std::string("a\0b", 3), std::string("\xc3\xa4"), std::string(129, 'a')}) {
      EXPECT_EQ(files->Put(name, {}).error().code, ErrorCode::kInvalidArgument) << name;
      EXPECT_EQ(files->Get(name).error().code, ErrorCode::kInvalidArgument) << name;
      EXPECT_EQ(files->Erase(name).error().code, ErrorCode::kInvalidArgument) << name;
      EXPECT_FALSE(files->Has(name)) << name;
    }
    EXPECT_TRUE(files->Put(std::string(128, 'a'), {}).has_value());
    EXPECT_TRUE(files->Put("a-b_c.9", {}).has_value());
  }
}

TEST(FileStore, FilesAreTheirOwnersAlone) {
  const Scratch scratch;
  const auto files = FileStore::Open(scratch / "files").value();
  ASSERT_TRUE(files->Put("mask", Bytes{1}).has_value());
  struct stat status {};
  ASSERT_EQ(stat((scratch / "files").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(stat((scratch / "files/mask").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(FileStore, OpensForOneHolderAtATime) {
  const Scratch scratch;
  auto files = FileStore::Open(scratch / "files").value();
  EXPECT_EQ(FileStore::Open(scratch / "files").error().code, ErrorCode::kUnavailable);
  files.reset();
  EXPECT_TRUE(FileStore::Open(scratch / "files").has_value());
}

TEST(FileStore, EveryDamageIsSeen) {
  const Scratch scratch;
  const auto files = FileStore::Open(scratch / "files").value();
  const std::string path = scratch / "files/mask";
  ASSERT_TRUE(files->Put("mask", Bytes{1, 2, 3, 4, 5}).has_value());
  const Bytes whole = Contents(path);
  const auto damaged = [&](const Bytes& contents) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << proto::AsText(contents);
    const auto got = files->Get("mask");
    return !got && got.error().code == ErrorCode::kCorrupt;
  };
  EXPECT_FALSE(damaged(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(damaged(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))));
  }
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Bytes flipped = whole;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    EXPECT_TRUE(damaged(flipped)) << "bit " << bit;
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_TRUE(damaged(longer));
  // A file is not another's, however whole.
  ASSERT_TRUE(files->Put("other", Bytes{1, 2, 3, 4, 5}).has_value());
  std::filesystem::rename(scratch / "files/other", path);
  EXPECT_EQ(files->Get("mask").error().code, ErrorCode::kCorrupt);
  // What is damaged can be replaced, and erased.
  EXPECT_TRUE(files->Put("mask", Bytes{6}).has_value());
  EXPECT_EQ(files->Get("mask").value(), Bytes{6});
  std::filesystem::resize_file(path, 3);
  EXPECT_TRUE(files->Erase("mask").has_value());
  EXPECT_FALSE(files->Has("mask"));
}

// A second link shows what becomes of the bytes when the name is gone.
TEST(FileStore, ErasedAndReplacedBytesAreOverwritten) {
  const Scratch scratch;
  const auto files = FileStore::Open(scratch / "files").value();
  const Bytes secret(200'000, 0xaa);
  for (const bool replace : {false, true}) {
    ASSERT_TRUE(files->Put("mask", secret).has_value());
    std::filesystem::create_hard_link(scratch / "files/mask", scratch / "link");
    ASSERT_TRUE((replace ? files->Put("mask", Bytes{1}) : files->Erase("mask")).has_value());
    EXPECT_EQ(Contents(scratch / "link"), Bytes(secret.size() + 32, 0));
    EXPECT_EQ(files->Has("mask"), replace);
    std::filesystem::remove(scratch / "link");
  }
}

TEST(FileStore, OpenEndsWhatACrashInterrupted) {
  const Scratch scratch;
  ASSERT_TRUE(FileStore::Open(scratch / "files").value()->Put("mask", Bytes{1}).has_value());
  std::ofstream(scratch / "files/.coming.bundle") << "half a secret";
  std::ofstream(scratch / "files/.going.bundle") << "a secret";
  std::filesystem::create_hard_link(scratch / "files/.coming.bundle", scratch / "one");
  std::filesystem::create_hard_link(scratch / "files/.going.bundle", scratch / "two");
  const auto files = FileStore::Open(scratch / "files").value();
  EXPECT_EQ(files->List("").value(), std::vector<std::string>{"mask"});
  EXPECT_EQ(Entries(scratch / "files"), std::vector<std::string>{"mask"});
  EXPECT_EQ(Contents(scratch / "one"), Bytes(13, 0));
  EXPECT_EQ(Contents(scratch / "two"), Bytes(8, 0));
}

TEST(FileStore, AFullDiskLeavesEverythingAsItWas) {
  const Scratch scratch;
  const auto files = FileStore::Open(scratch / "files").value();
  ASSERT_TRUE(files->Put("mask", Bytes{1}).has_value());
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{100'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  for (const char* name : {"mask", "bundle"}) {
    const auto put = files->Put(name, Bytes(200'000, 7));
    ASSERT_FALSE(put.has_value());
    EXPECT_EQ(put.error().code, ErrorCode::kExhausted);
    EXPECT_NE(put.error().message.find(name), std::string::npos) << put.error().message;
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(files->Get("mask").value(), Bytes{1});
  EXPECT_EQ(Entries(scratch / "files"), std::vector<std::string>{"mask"});
  EXPECT_TRUE(files->Put("bundle", Bytes(200'000, 7)).has_value());
}

}  // namespace
}  // namespace node
