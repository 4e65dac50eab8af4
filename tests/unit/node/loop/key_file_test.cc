#include "node/loop/key_file.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/loop/files.h"
#include "node/loop/process_secrecy.h"

namespace node {
namespace {

class KeyFileTest : public testing::Test {
 protected:
  KeyFileTest() {
    std::string name = std::filesystem::temp_directory_path() / "waxseal-keys-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  ~KeyFileTest() override {
    ::unsetenv("WAXSEAL_PASSPHRASE");
    ::unsetenv("WAXSEAL_PASSPHRASE_FD");
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  static unsigned Mode(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 0777;
  }

 private:
  std::string directory_;
};

TEST_F(KeyFileTest, LockedFilesOpenWithThePassphraseAlone) {
  const std::string path = Path("validator.key");
  const auto key = proto::SecretKey::From(Entropy(32));
  ASSERT_TRUE(WriteSecretKey(path, *key));
  EXPECT_EQ(Mode(path), 0600u);
  ::setenv("WAXSEAL_PASSPHRASE", "a long one", 1);
  ASSERT_TRUE(LockKeyFile(path));
  EXPECT_EQ(Mode(path), 0600u);
  const auto bytes = ReadFile(path);
  EXPECT_EQ(proto::AsText(*bytes).find(proto::ToHex(key->secret_bytes())), std::string_view::npos);
  EXPECT_FALSE(LockKeyFile(path)) << "it is locked already";
  const auto read = ReadSecretKey(path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->public_key(), key->public_key());

  ::setenv("WAXSEAL_PASSPHRASE", "another one", 1);
  EXPECT_EQ(ReadSecretKey(path).error().code, proto::ErrorCode::kDenied);
  ::unsetenv("WAXSEAL_PASSPHRASE");
  // From a descriptor, as a supervisor gives it.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "a long one\n", 11), 11);
  ::close(ends[1]);
  ::setenv("WAXSEAL_PASSPHRASE_FD", std::to_string(ends[0]).c_str(), 1);
  ASSERT_TRUE(UnlockKeyFile(path));
  ::close(ends[0]);
  EXPECT_EQ(ReadSecretKey(path)->public_key(), key->public_key());
  ::setenv("WAXSEAL_PASSPHRASE_FD", "x1", 1);
  EXPECT_FALSE(LockKeyFile(path));
  ::unsetenv("WAXSEAL_PASSPHRASE_FD");
  ::setenv("WAXSEAL_PASSPHRASE", "", 1);
  EXPECT_FALSE(LockKeyFile(path)) << "an empty passphrase";
  EXPECT_EQ(ReadSecretKey(path)->public_key(), key->public_key());
}

TEST_F(KeyFileTest, FilesThatOthersMayReadAreRefused) {
  const std::string path = Path("client.key");
  ASSERT_TRUE(WriteSecretKey(path, *proto::SecretKey::From(Entropy(32))));
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(ReadSecretKey(path).error().code, proto::ErrorCode::kDenied);
}

// The first epoch's secrets go, from the file, from the bytes that it lay in, and from memory.
TEST_F(KeyFileTest, TheFirstEpochIsForgotten) {
  const std::string path = Path("node.key");
  KeyFile keys(*proto::SecretKey::From(Entropy(32)));
  keys.coin = std::move(proto::DealCoin(proto::Committee(4), 2, Entropy(32)).secrets.front());
  mpc::ReplicatedKeys::Key key{};
  std::ranges::copy(Entropy(key.size()), key.begin());
  keys.replicated = {key, std::nullopt};
  const std::string secrets[] = {proto::ToHex(key), proto::ToHex(keys.coin->secret_bytes())};
  ASSERT_TRUE(WriteKeyFile(path, keys));
  const int old = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);  // As who looks at the disk later.
  std::string before(1 << 16, ' '), after = before;
  before.resize(static_cast<std::size_t>(::pread(old, before.data(), before.size(), 0)));

  ::setenv("WAXSEAL_PASSPHRASE", "a long one", 1);
  ASSERT_TRUE(LockKeyFile(path));
  EXPECT_EQ(ForgetFirstEpoch(path).error().code, proto::ErrorCode::kDenied);
  ASSERT_TRUE(UnlockKeyFile(path));
  const int unlocked = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_TRUE(ForgetFirstEpoch(path));
  after.resize(static_cast<std::size_t>(::pread(unlocked, after.data(), after.size(), 0)));
  EXPECT_EQ(Mode(path), 0600u);
  const auto now = ReadFile(path);
  for (const std::string& secret : secrets) {
    EXPECT_NE(before.find(secret), std::string::npos);
    EXPECT_EQ(after.find(secret), std::string::npos);
    EXPECT_EQ(proto::AsText(*now).find(secret), std::string_view::npos);
  }
  ::close(old);
  ::close(unlocked);
  const auto read = ReadKeyFile(path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->validator.public_key(), keys.validator.public_key());
  EXPECT_FALSE(read->coin);
  EXPECT_TRUE(read->replicated.empty());
  EXPECT_TRUE(ForgetFirstEpoch(path)) << "nothing is left to forget";

  const auto* const place = keys.replicated.data();
  keys.EraseFirstEpoch();
  EXPECT_FALSE(keys.coin);
  EXPECT_TRUE(keys.replicated.empty());
  EXPECT_EQ(std::memcmp(place, mpc::ReplicatedKeys::Key{}.data(), key.size()), 0);
}

// A process that keeps secrets and crashes leaves no core, whatever the system's limit was.
TEST(ProcessSecrecy, ACrashLeavesNoCore) {
  const pid_t child = ::fork();
  if (child == 0) {
    rlimit limit{};
    ::getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_CORE, &limit);
    KeepProcessSecret();
    ::getrlimit(RLIMIT_CORE, &limit);
    if (limit.rlim_cur != 0 || limit.rlim_max != 0) ::_exit(1);
    ::abort();
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  EXPECT_FALSE(WCOREDUMP(status));
}

}  // namespace
}  // namespace node
