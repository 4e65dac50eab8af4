#include "node/cli/network_files.h"

#include <algorithm>
#include <utility>

#include "mpc/sharing/replicated.h"
#include "node/loop/config.h"
#include "node/loop/files.h"
#include "node/loop/key_file.h"
#include "node/net/certificate.h"
#include "proto/crypto/coin.h"
#include "proto/wire/epoch.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

// Entropy gives a valid secp256k1 scalar but for a chance of 2^-128.
proto::SecretKey NewSecretKey() {
  for (;;) {
    if (auto key = proto::SecretKey::From(Entropy(32))) return std::move(*key);
  }
}

}  // namespace

std::string HomeOf(const std::string& directory, std::size_t validator) {
  return directory + "/node" + std::to_string(validator);
}

Result<proto::Genesis> ReadGenesis(const std::string& path) {
  const auto bytes = ReadFile(path, proto::kGenesisBytesMax);
  if (!bytes) return tl::unexpected(bytes.error());
  auto genesis = proto::ParseGenesis(proto::AsText(*bytes));
  if (!genesis) return Fail(genesis.error().code, path + ": " + genesis.error().message);
  return genesis;
}

Result<proto::Genesis> CreateNetwork(const NetworkOptions& options) {
  if (FileExists(options.directory + "/genesis.json")) {
    return Fail(ErrorCode::kInvalidArgument,
                options.directory +
                    " holds a network already; choose another --dir or "
                    "remove it");
  }
  const auto spec_bytes = ReadFile(options.spec, proto::kGenesisBytesMax);
  if (!spec_bytes) return tl::unexpected(spec_bytes.error());
  auto spec = proto::ParseChainSpec(proto::AsText(*spec_bytes));
  if (!spec) return Fail(spec.error().code, options.spec + ": " + spec.error().message);

  proto::Genesis genesis;
  genesis.spec = std::move(*spec);
  const proto::Committee committee(options.validators);
  std::vector<proto::SecretKey> keys;
  for (std::size_t i = 0; i < options.validators; ++i) keys.push_back(NewSecretKey());
  std::ranges::sort(keys, {}, &proto::SecretKey::public_key);

  proto::CoinKeys coin = proto::DealCoin(committee, committee.validity(), Entropy(32));
  genesis.coin_threshold = committee.validity();
  // Where not all can compute nobody does in the first epoch (proto::FirstEpoch).
  std::vector<mpc::ReplicatedKeys> replicated;
  if (proto::ComputingSize(options.validators) == options.validators) {
    replicated = mpc::DealReplicatedKeys(mpc::ReplicatedSets(committee), Entropy(32));
  }

  std::vector<KeyFile> files;
  for (std::size_t i = 0; i < options.validators; ++i) {
    const std::string name = "node" + std::to_string(i);
    const std::string host = i < options.hosts.size() ? options.hosts[i] : "127.0.0.1";
    const unsigned port = options.base_port + 10u * static_cast<unsigned>(i);
    auto tls = MakeTlsIdentity(name);
    if (!tls) return tl::unexpected(tls.error());
    proto::ValidatorSpec validator;
    validator.name = name;
    validator.key = keys[i].public_key();
    validator.coin_key = coin.public_key.verification[i];
    validator.certificate = tls->certificate_pem;
    validator.certificate_signature = keys[i].Sign(proto::CertificateDigest(validator.certificate));
    validator.rpc_address = host + ":" + std::to_string(port);
    validator.peer_address = host + ":" + std::to_string(port + 1);
    genesis.validators.push_back(std::move(validator));
    KeyFile& file = files.emplace_back(std::move(keys[i]), std::move(coin.secrets[i]));
    if (!replicated.empty()) file.replicated = replicated[i].keys();
    file.tls_certificate_pem = std::move(tls->certificate_pem);
    file.tls_key_pem = std::move(tls->key_pem);
  }
  const proto::SecretKey client = NewSecretKey();
  genesis.accounts.push_back({client.public_key(), genesis.spec.funded_balance});
  for (const proto::PublicKey& key : options.funded) {
    genesis.accounts.push_back({key, genesis.spec.funded_balance});
  }
  std::ranges::sort(genesis.accounts, {}, &proto::FundedAccount::key);

  const std::string text = proto::FormatGenesis(genesis);
  for (std::size_t i = 0; i < options.validators; ++i) {
    const std::string home = HomeOf(options.directory, i);
    if (auto made = MakeDirectories(home); !made) return tl::unexpected(made.error());
    Config config;
    config.models = "../models";  // Of all of them.
    const unsigned port = options.base_port + 10u * static_cast<unsigned>(i);
    config.rpc_listen = options.listen + ":" + std::to_string(port);
    config.peer_listen = options.listen + ":" + std::to_string(port + 1);
    for (const auto& written :
         {WriteKeyFile(home + "/keys.json", files[i]),
          WriteFile(home + "/genesis.json", proto::AsBytes(text)),
          WriteFile(home + "/node.toml", proto::AsBytes(FormatConfig(config)))}) {
      if (!written) return tl::unexpected(written.error());
    }
  }
  for (const auto& written :
       {WriteSecretKey(options.directory + "/client.key", client),
        WriteFile(options.directory + "/genesis.json", proto::AsBytes(text))}) {
    if (!written) return tl::unexpected(written.error());
  }
  return genesis;
}

}  // namespace node
