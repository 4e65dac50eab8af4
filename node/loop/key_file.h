// A validator's secrets on disk: one JSON file, readable by its owner alone (mode 0600), and locked
// with a passphrase where its operator chose so (proto/crypto/keystore.h, passphrase.h). Every
// reader here unlocks what is locked.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mpc/sharing/replicated.h"
#include "proto/crypto/coin.h"
#include "proto/crypto/signature.h"

namespace node {

struct KeyFile {
  proto::SecretKey
      validator;  // Signs votes, messages and transactions; its public key is the name.
  // The share of the first epoch's coin; later ones come from the ledger.
  std::optional<proto::CoinSecret> coin;
  std::vector<std::optional<mpc::ReplicatedKeys::Key>>
      replicated;  // By set; present where a member.
  std::string tls_certificate_pem;
  std::string tls_key_pem;

  explicit KeyFile(proto::SecretKey validator_key,
                   std::optional<proto::CoinSecret> coin_secret = {})
      : validator(std::move(validator_key)), coin(std::move(coin_secret)) {}
  KeyFile(KeyFile&&) = default;
  KeyFile& operator=(KeyFile&&) = default;
  ~KeyFile();  // Erases.

  // Erases what only the first epoch needs: the coin share and the MPC keys.
  void EraseFirstEpoch();
};

// Creates the file; kInvalidArgument when it exists already: keys are never overwritten.
proto::Result<> WriteKeyFile(const std::string& path, const KeyFile& keys);
// kDenied when others may read the file.
proto::Result<KeyFile> ReadKeyFile(const std::string& path);

// A client's key: one line of hexadecimal, mode 0600.
proto::Result<> WriteSecretKey(const std::string& path, const proto::SecretKey& key);
proto::Result<proto::SecretKey> ReadSecretKey(const std::string& path);

// Whether a passphrase locks it.
proto::Result<bool> IsKeyFileLocked(const std::string& path);
// Replaces a key file by itself under a passphrase, and back. What the disk keeps of the old bytes
// is not erased.
proto::Result<> LockKeyFile(const std::string& path);
proto::Result<> UnlockKeyFile(const std::string& path);

// Takes what only the first epoch needed, its coin share and MPC keys, out of a key file: replaced
// as a whole, and the old file overwritten. No effect when it has none. kDenied when it is locked
// with a passphrase: `keys unlock`, and it is done at the next start.
proto::Result<> ForgetFirstEpoch(const std::string& path);

// Keeps the pages of these keys out of swap, as far as the process's limit allows.
void LockInMemory(const KeyFile& keys);

// `count` bytes of the operating system's entropy.
proto::Bytes Entropy(std::size_t count);

}  // namespace node
