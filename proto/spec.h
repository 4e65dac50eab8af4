// What all nodes of a chain must agree on, and nothing else: its parameters, its validators, its
// first accounts. What an operator tunes is node/loop's Config.
//
// A chain spec (chain-spec/<name>.json) holds the parameters; a genesis document holds a spec, the
// validators and the funded accounts. The chain's id is the tagged hash of the genesis document in
// its canonical form (FormatGenesis), so white space and the order of fields do not matter, and
// every value does. Every field is described in chain-spec/README.md.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/result.h"
#include "proto/committee.h"
#include "proto/crypto/coin.h"
#include "proto/crypto/signature.h"

namespace proto {

inline constexpr std::size_t kGenesisBytesMax = std::size_t{1} << 22;
inline constexpr std::size_t kGenesisAccountsMax = 10'000;
inline constexpr std::size_t kValidatorsMin = 4;
inline constexpr std::size_t kValidatorsMax = 64;  // What consensus takes.
inline constexpr std::size_t kCertificateBytesMax = 8192;
inline constexpr std::size_t kAddressBytesMax = 255;
inline constexpr std::uint64_t kStakeMax = std::uint64_t{1} << 48;

struct ChainSpec {
  std::string name;
  std::uint64_t gc_depth = 0;
  std::uint64_t transaction_bytes_max = 0;
  std::uint64_t transaction_fee = 0;
  std::uint64_t model_fee = 0;
  std::uint64_t open_deadline_rounds = 0;
  std::uint64_t attempts_in_progress_max = 0;
  std::uint64_t pool_target_max = 0;
  std::uint64_t waiting_requests_max = 0;
  std::uint64_t funded_balance = 0;
  std::uint64_t epoch_commits = 20'000;
  std::uint64_t validators_max = kValidatorsMax;
  std::uint64_t stake_min = 1'000'000;
  std::uint64_t unbonding_rounds = 100'000;
  // Bytes that nobody signed are transactions too: for the chains of benchmarks. Absent from the
  // document when false.
  bool opaque_transactions = false;

  bool operator==(const ChainSpec&) const = default;
};

struct ValidatorSpec {
  std::string name;  // For people.
  PublicKey key;
  std::array<std::uint8_t, 33> coin_key{};  // V_i of the coin and of the MPC coin.
  std::string certificate;                  // PEM, for TLS between validators.
  Signature certificate_signature;          // Of `key` over CertificateDigest(certificate).
  std::string peer_address;                 // host:port
  std::string rpc_address;

  bool operator==(const ValidatorSpec&) const = default;
};

struct FundedAccount {
  PublicKey key;
  std::uint64_t balance = 0;

  bool operator==(const FundedAccount&) const = default;
};

struct Genesis {
  ChainSpec spec;
  std::uint16_t coin_threshold = 0;
  std::vector<ValidatorSpec> validators;  // Ascending by key: a party's id is its index.
  std::vector<FundedAccount> accounts;    // Ascending by key.

  Committee committee() const { return Committee(static_cast<std::uint16_t>(validators.size())); }
  CoinPublicKey coin_key() const;
  std::vector<PublicKey> keys() const;

  bool operator==(const Genesis&) const = default;
};

// kInvalidArgument, naming the field, when one is missing, unknown, twice there or out of range, or
// when keys are no keys, not ascending, or a certificate is not signed by its validator.
Result<ChainSpec> ParseChainSpec(std::string_view json);
Result<Genesis> ParseGenesis(std::string_view json);

std::string FormatChainSpec(const ChainSpec& spec);
std::string FormatGenesis(const Genesis& genesis);

Digest ChainId(const Genesis& genesis);
Digest CertificateDigest(std::string_view pem);
// kInvalidArgument, naming the field, unless what a validator says of itself (all but its coin key)
// is within the limits and its key signed its certificate.
Result<> CheckValidatorSpec(const ValidatorSpec& validator);

}  // namespace proto
