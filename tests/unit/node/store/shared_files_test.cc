#include "node/store/shared_files.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "node/store/file_store.h"
#include "node/store/mapped_file.h"
#include "node/store/memory.h"
#include "proto/crypto/hash.h"
#include "tests/unit/node/store/scratch.h"

namespace node {
namespace {

using proto::Bytes;
using proto::ErrorCode;

std::string NameOf(const Bytes& bytes) {
  return "file-" + proto::Sha256(bytes).hex();
}

std::unique_ptr<SharedFiles> OpenAt(const std::string& models) {
  return std::move(SharedFiles::Open(models, std::make_unique<MemoryFiles>()).value());
}

std::size_t Entries(const std::string& path) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path),
                                                std::filesystem::directory_iterator()));
}

TEST(SharedFiles, KeepModelsOnceForAllOthersApart) {
  const Scratch scratch;
  const auto one = OpenAt(scratch / "models");
  const auto other = OpenAt(scratch / "models");
  const Bytes weights(10000, 7);
  ASSERT_TRUE(one->Put(NameOf(weights), weights));
  ASSERT_TRUE(one->Put("bundle-1", Bytes{1}));
  EXPECT_TRUE(other->Has(NameOf(weights)));
  EXPECT_FALSE(other->Has("bundle-1"));
  EXPECT_EQ(one->Get("bundle-1").value(), Bytes{1});
  EXPECT_EQ(other->Get(NameOf(weights)).value(), weights);
  ASSERT_TRUE(other->Put(NameOf(weights), weights));
  EXPECT_EQ(Entries(scratch / "models"), 1u);
  EXPECT_EQ(other->List("file-").value(), std::vector<std::string>{NameOf(weights)});
  EXPECT_EQ(one->List("bundle-").value(), std::vector<std::string>{"bundle-1"});
}

TEST(SharedFiles, AMappingIsOnePieceOfMemoryAndOutlivesTheFile) {
  const Scratch scratch;
  const auto files = OpenAt(scratch / "models");
  const Bytes weights(5000, 9);
  ASSERT_TRUE(files->Put(NameOf(weights), weights));
  const auto first = files->Map(NameOf(weights)).value();
  EXPECT_EQ(files->Map(NameOf(weights)).value().span().data(), first.span().data());
  ASSERT_TRUE(files->Erase(NameOf(weights)));
  EXPECT_FALSE(files->Has(NameOf(weights)));
  EXPECT_EQ(files->Map(NameOf(weights)).value().size(), weights.size());  // Held by `first`.
  EXPECT_EQ(Bytes(first.span().begin(), first.span().end()), weights);
}

TEST(SharedFiles, RefuseWhatHasAnotherHash) {
  const Scratch scratch;
  const auto files = OpenAt(scratch / "models");
  const Bytes weights(100, 1);
  EXPECT_EQ(files->Put(NameOf(weights), Bytes(100, 2)).error().code, ErrorCode::kInvalidArgument);
  for (const char* name : {"file-", "file-../../x", "file-00"}) {
    EXPECT_EQ(files->Put(name, weights).error().code, ErrorCode::kInvalidArgument) << name;
    EXPECT_FALSE(files->Map(name)) << name;
    EXPECT_FALSE(files->Has(name)) << name;
  }
  EXPECT_EQ(Entries(scratch / "models"), 0u);
  EXPECT_EQ(files->Map(NameOf(weights)).error().code, ErrorCode::kNotFound);
}

// One byte of any page is enough; the file is gone then, so that it is fetched again.
TEST(SharedFiles, FindDamageWhenAFileIsMapped) {
  for (const std::size_t at : {0u, 4096u, 9999u}) {
    const Scratch scratch;
    Bytes weights(10000, 3);
    ASSERT_TRUE(OpenAt(scratch / "models")->Put(NameOf(weights), weights));
    const std::string path = scratch / "models/" + NameOf(weights);
    chmod(path.c_str(), 0600);
    std::fstream(path, std::ios::in | std::ios::out | std::ios::binary)
        .seekp(static_cast<std::streamoff>(at))
        .put(4);
    const auto files = OpenAt(scratch / "models");
    EXPECT_EQ(files->Map(NameOf(weights)).error().code, ErrorCode::kCorrupt);
    EXPECT_FALSE(files->Has(NameOf(weights)));
    ASSERT_TRUE(files->Put(NameOf(weights), weights));
    EXPECT_TRUE(files->Map(NameOf(weights)));
  }
}

TEST(SharedFiles, LeftoversOfDeadProcessesAreRemoved) {
  const Scratch scratch;
  { OpenAt(scratch / "models"); }
  const std::string hash = proto::Sha256(Bytes{1}).hex();
  std::ofstream(scratch / "models/.coming.999999999.file-" + hash) << "half";
  std::ofstream(scratch / "models/.coming.1.file-" + hash) << "of a living process";
  OpenAt(scratch / "models");
  EXPECT_EQ(Entries(scratch / "models"), 1u);
}

TEST(ScratchFile, KeepsPartsOnPagesOfTheirOwn) {
  const Scratch scratch;
  auto file = ScratchFile::Make(scratch / "").value();
  const Bytes first(10, 1), second(9000, 2);
  const auto one = file.Keep(first).value();
  const auto two = file.Keep(second).value();
  EXPECT_EQ(Bytes(one.span().begin(), one.span().end()), first);
  EXPECT_EQ(Bytes(two.span().begin(), two.span().end()), second);
  EXPECT_EQ(file.size(), 4096 + second.size());
  EXPECT_EQ(file.Map().value().span()[4096], 2);
}

}  // namespace
}  // namespace node
