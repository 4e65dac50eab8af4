#include "node/loop/key_file.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/loop/files.h"
#include "node/loop/passphrase.h"
#include "node/loop/process_secrecy.h"
#include "proto/base/check.h"
#include "proto/crypto/keystore.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kKeyFileBytesMax = 1 << 20;

Result<proto::Bytes> ReadSecretFile(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    return Fail(ErrorCode::kDenied, path + " can be read by others; run: chmod 600 " + path);
  }
  auto bytes = ReadFile(path, kKeyFileBytesMax);
  if (!bytes || !proto::IsLocked(*bytes)) return bytes;
  auto passphrase = AskPassphrase("of " + path);
  if (!passphrase) return passphrase;
  auto unlocked = proto::UnlockWithPassphrase(*passphrase, *bytes);
  proto::SecureErase(passphrase->data(), passphrase->size());
  if (!unlocked) return Fail(unlocked.error().code, path + ": " + unlocked.error().message);
  return unlocked;
}

// Texts of a document hold secrets in hexadecimal.
void EraseTexts(json& document) {
  if (document.is_string()) {
    auto& text = document.get_ref<std::string&>();
    proto::SecureErase(text.data(), text.size());
  } else if (document.is_structured()) {
    for (json& entry : document) EraseTexts(entry);
  }
}

struct ErasedDocument {
  explicit ErasedDocument(json document) : value(std::move(document)) {}
  ErasedDocument(const ErasedDocument&) = delete;
  ErasedDocument& operator=(const ErasedDocument&) = delete;
  ~ErasedDocument() { EraseTexts(value); }

  json value;
};

Result<proto::Bytes> HexField(const json& object, const char* name) {
  const auto field = object.find(name);
  if (field == object.end() || !field->is_string()) {
    return Fail(ErrorCode::kCorrupt, std::string("the field ") + name + " is missing");
  }
  return proto::FromHex(field->get<std::string>());
}

}  // namespace

void KeyFile::EraseFirstEpoch() {
  coin.reset();
  for (auto& key : replicated) {
    if (key) proto::SecureErase(key->data(), key->size());
  }
  replicated.clear();
}

KeyFile::~KeyFile() {
  EraseFirstEpoch();
  proto::SecureErase(tls_key_pem.data(), tls_key_pem.size());
}

namespace {

// To be erased.
std::string FormatKeyFile(const KeyFile& keys) {
  json replicated = json::array();
  for (const auto& key : keys.replicated) {
    replicated.push_back(key ? json(proto::ToHex(*key)) : json(nullptr));
  }
  const ErasedDocument document(
      json{{"validator_public_key", keys.validator.public_key().hex()},
           {"validator_secret_key", proto::ToHex(keys.validator.secret_bytes())},
           {"coin_secret", keys.coin ? json(proto::ToHex(keys.coin->secret_bytes())) : json()},
           {"replicated_keys", replicated},
           {"tls_certificate_pem", keys.tls_certificate_pem},
           {"tls_key_pem", keys.tls_key_pem}});
  return document.value.dump(2) + "\n";
}

}  // namespace

Result<> WriteKeyFile(const std::string& path, const KeyFile& keys) {
  std::string text = FormatKeyFile(keys);
  const Result<> written = CreateFile(path, proto::AsBytes(text), 0600);
  proto::SecureErase(text.data(), text.size());
  return written;
}

Result<> ForgetFirstEpoch(const std::string& path) {
  const auto bytes = ReadFile(path, kKeyFileBytesMax);
  if (!bytes) return tl::unexpected(bytes.error());
  if (proto::IsLocked(*bytes)) return Fail(ErrorCode::kDenied, path + " is locked");
  auto keys = ReadKeyFile(path);
  if (!keys) return tl::unexpected(keys.error());
  if (!keys->coin && keys->replicated.empty()) return {};
  const int old = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (old < 0) return Fail(ErrorCode::kUnavailable, "cannot open " + path);
  keys->EraseFirstEpoch();
  std::string text = FormatKeyFile(*keys);
  auto written = WriteFile(path, proto::AsBytes(text), 0600);
  proto::SecureErase(text.data(), text.size());
  if (written) {  // The old file has no name any more.
    const std::string zeros(bytes->size(), '\0');
    const bool gone =
        ::pwrite(old, zeros.data(), zeros.size(), 0) == static_cast<::ssize_t>(zeros.size()) &&
        ::fsync(old) == 0;
    if (!gone) written = Fail(ErrorCode::kUnavailable, "cannot overwrite the old " + path);
  }
  ::close(old);
  return written;
}

Result<KeyFile> ReadKeyFile(const std::string& path) {
  auto bytes = ReadSecretFile(path);
  if (!bytes) return tl::unexpected(bytes.error());
  const ErasedDocument erased(json::parse(proto::AsText(*bytes), nullptr, false));
  proto::SecureErase(bytes->data(), bytes->size());
  const json& document = erased.value;
  const auto corrupt = [&](const std::string& why) {
    return Fail(ErrorCode::kCorrupt, path + " is not a key file: " + why);
  };
  if (!document.is_object()) return corrupt("it is not a JSON object");
  const auto validator = HexField(document, "validator_secret_key");
  if (!validator) return corrupt(validator.error().message);
  auto secret = proto::SecretKey::From(*validator);
  if (!secret) return corrupt(secret.error().message);
  std::optional<proto::CoinSecret> coin;
  if (document.contains("coin_secret") && !document["coin_secret"].is_null()) {
    const auto coin_bytes = HexField(document, "coin_secret");
    if (!coin_bytes) return corrupt(coin_bytes.error().message);
    auto read = proto::CoinSecret::From(*coin_bytes);
    if (!read) return corrupt(read.error().message);
    coin = std::move(*read);
  }
  KeyFile keys(std::move(*secret), std::move(coin));
  const auto replicated = document.find("replicated_keys");
  if (replicated == document.end() || !replicated->is_array()) {
    return corrupt("the field replicated_keys is missing");
  }
  for (const json& entry : *replicated) {
    keys.replicated.emplace_back();
    if (entry.is_null()) continue;
    mpc::ReplicatedKeys::Key key{};
    const auto raw =
        entry.is_string() ? proto::FromHex(entry.get<std::string>()) : Result<proto::Bytes>();
    if (!raw || raw->size() != key.size()) return corrupt("a replicated key has not 32 bytes");
    std::ranges::copy(*raw, key.begin());
    keys.replicated.back() = key;
  }
  for (const auto& [name, target] : {std::pair{"tls_certificate_pem", &keys.tls_certificate_pem},
                                     std::pair{"tls_key_pem", &keys.tls_key_pem}}) {
    const auto field = document.find(name);
    if (field == document.end() || !field->is_string()) {
      return corrupt(std::string("the field ") + name + " is missing");
    }
    *target = field->get<std::string>();
  }
  return keys;
}

Result<> WriteSecretKey(const std::string& path, const proto::SecretKey& key) {
  std::string text = proto::ToHex(key.secret_bytes()) + "\n";
  const Result<> written = CreateFile(path, proto::AsBytes(text), 0600);
  proto::SecureErase(text.data(), text.size());
  return written;
}

Result<proto::SecretKey> ReadSecretKey(const std::string& path) {
  auto text = ReadSecretFile(path);
  if (!text) return tl::unexpected(text.error());
  std::string_view hex = proto::AsText(*text);
  while (!hex.empty() && (hex.back() == '\n' || hex.back() == ' ')) hex.remove_suffix(1);
  const auto bytes = proto::FromHex(hex);
  proto::SecureErase(text->data(), text->size());
  if (!bytes) return Fail(ErrorCode::kCorrupt, path + " holds no key: " + bytes.error().message);
  return proto::SecretKey::From(*bytes);
}

Result<bool> IsKeyFileLocked(const std::string& path) {
  const auto bytes = ReadFile(path, kKeyFileBytesMax);
  if (!bytes) return tl::unexpected(bytes.error());
  return proto::IsLocked(*bytes);
}

Result<> LockKeyFile(const std::string& path) {
  auto bytes = ReadFile(path, kKeyFileBytesMax);
  if (!bytes) return tl::unexpected(bytes.error());
  if (proto::IsLocked(*bytes)) {
    return Fail(ErrorCode::kInvalidArgument, path + " is locked already");
  }
  auto passphrase = AskPassphrase("to lock " + path + " with");
  if (!passphrase) return tl::unexpected(passphrase.error());
  const bool empty = passphrase->empty();
  const proto::Bytes locked = proto::LockWithPassphrase(*passphrase, *bytes, Entropy(16));
  proto::SecureErase(bytes->data(), bytes->size());
  proto::SecureErase(passphrase->data(), passphrase->size());
  if (empty) return Fail(ErrorCode::kInvalidArgument, "an empty passphrase locks nothing");
  return WriteFile(path, locked, 0600);
}

Result<> UnlockKeyFile(const std::string& path) {
  const auto bytes = ReadFile(path, kKeyFileBytesMax);
  if (!bytes) return tl::unexpected(bytes.error());
  if (!proto::IsLocked(*bytes)) return Fail(ErrorCode::kInvalidArgument, path + " is not locked");
  auto unlocked = ReadSecretFile(path);
  if (!unlocked) return tl::unexpected(unlocked.error());
  const Result<> written = WriteFile(path, *unlocked, 0600);
  proto::SecureErase(unlocked->data(), unlocked->size());
  return written;
}

void LockInMemory(const KeyFile& keys) {
  LockMemory(&keys, sizeof keys);
  LockMemory(keys.replicated.data(), keys.replicated.size() * sizeof keys.replicated[0]);
  LockMemory(keys.tls_key_pem.data(), keys.tls_key_pem.size());
}

proto::Bytes Entropy(std::size_t count) {
  proto::Bytes bytes(count);
  std::size_t filled = 0;
  while (filled < count) {
    const ssize_t got = ::getrandom(bytes.data() + filled, count - filled, 0);
    CHECK(got > 0 || errno == EINTR);
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace node
