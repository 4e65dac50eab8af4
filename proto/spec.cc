#include "proto/spec.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "proto/crypto/hash.h"
#include "proto/wire/ledger.h"
#include "proto/wire/records.h"

namespace proto {
namespace {

using Json = nlohmann::ordered_json;

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

// host:port
bool IsAddress(std::string_view text) {
  const auto colon = text.rfind(':');
  const std::string port(colon == std::string_view::npos ? "" : text.substr(colon + 1));
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto allowed = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || digit(c) || c == '.' || c == '-' ||
           c == ':' || c == '[' || c == ']';
  };
  return colon != 0 && !port.empty() && port.size() <= 5 && std::ranges::all_of(port, digit) &&
         std::stoul(port) >= 1 && std::stoul(port) <= 65535 && std::ranges::all_of(text, allowed);
}

// Reads the fields of one object and complains of the first thing wrong, by the field's path.
class ObjectReader {
 public:
  ObjectReader(const Json& json, std::string path, std::string& fault)
      : json_(json), path_(std::move(path)), fault_(fault) {
    if (!json_.is_object()) Refuse("", "must be an object");
  }

  std::string Text(const char* field, std::size_t size_min, std::size_t size_max) {
    const Json* value = Find(field);
    if (value == nullptr) return {};
    if (!value->is_string()) return Refuse(field, "must be a text"), "";
    auto text = value->get<std::string>();
    if (text.size() < size_min || text.size() > size_max) {
      Refuse(field, "must have " + std::to_string(size_min) + " to " + std::to_string(size_max) +
                        " characters");
      return {};
    }
    if (!IsPrintable(text)) return Refuse(field, "must be printable ASCII"), "";
    return text;
  }

  std::uint64_t Number(const char* field, std::uint64_t min, std::uint64_t max) {
    const Json* value = Find(field);
    if (value == nullptr) return 0;
    const bool whole = value->is_number_unsigned();
    const std::uint64_t number = whole ? value->get<std::uint64_t>() : 0;
    if (whole && number >= min && number <= max) return number;
    Refuse(field,
           "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return 0;
  }

  template <std::size_t kSize>
  std::array<std::uint8_t, kSize> Hex(const char* field) {
    std::array<std::uint8_t, kSize> bytes{};
    const auto decoded = FromHex(Text(field, 2 * kSize, 2 * kSize));
    if (!decoded || decoded->size() != kSize) {
      Refuse(field, "must be " + std::to_string(2 * kSize) + " hexadecimal digits");
    } else {
      std::ranges::copy(*decoded, bytes.begin());
    }
    return bytes;
  }

  PublicKey Key(const char* field) {
    const PublicKey key{Hex<32>(field)};
    if (!key.OnCurve()) Refuse(field, "is no public key");
    return key;
  }

  std::string Address(const char* field) {
    std::string text = Text(field, 3, kAddressBytesMax);
    if (!IsAddress(text)) Refuse(field, "must be host:port");
    return text;
  }

  const Json& Object(const char* field) {
    static const Json kNothing = Json::object();
    const Json* value = Find(field);
    return value == nullptr ? kNothing : *value;
  }

  const Json& List(const char* field, std::size_t count_min, std::size_t count_max) {
    static const Json kNothing = Json::array();
    const Json* value = Find(field);
    if (value == nullptr) return kNothing;
    if (value->is_array() && value->size() >= count_min && value->size() <= count_max) {
      return *value;
    }
    Refuse(field,
           "must be a list of " + std::to_string(count_min) + " to " + std::to_string(count_max));
    return kNothing;
  }

  // For the fields that may be absent.
  bool Has(const char* field) const { return json_.is_object() && json_.contains(field); }

  void Refuse(const std::string& field, const std::string& reason) {
    if (fault_.empty())
      fault_ = path_ + (field.empty() || path_.empty() ? "" : ".") + field + " " + reason;
  }

  // Every field there is must have been asked for.
  void Finish() {
    if (!json_.is_object()) return;
    for (const auto& [name, value] : json_.items()) {
      if (!asked_.contains(name)) Refuse(name.substr(0, kNameBytesMax), "is not a known field");
    }
  }

 private:
  const Json* Find(const char* field) {
    asked_.insert(field);
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(field);
    if (found != json_.end()) return &*found;
    Refuse(field, "is missing");
    return nullptr;
  }

  const Json& json_;
  std::string path_;
  std::string& fault_;
  std::set<std::string> asked_;
};

Result<Json> Parse(std::string_view text, const char* what) {
  const auto fail = [&](const std::string& reason) {
    return Fail(ErrorCode::kInvalidArgument, std::string("the ") + what + " " + reason);
  };
  if (text.size() > kGenesisBytesMax) return fail("is longer than 4 MB");
  constexpr int kDepthMax = 8;
  std::vector<std::set<std::string>> names;
  std::string repeated;
  bool deep = false;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kDepthMax) deep = true;
    if (event == Json::parse_event_t::object_start) names.emplace_back();
    if (event == Json::parse_event_t::object_end) names.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto name = parsed.get<std::string>();
      if (!names.back().insert(name).second) repeated = name;
    }
    return !deep;
  };
  Json json = Json::parse(text, watch, false);
  if (deep) return fail("is nested too deeply");
  if (json.is_discarded()) return fail("is not JSON");
  if (!repeated.empty()) return fail("has the field " + repeated + " twice");
  return json;
}

template <class T>
Result<T> Finished(T value, const char* what, const std::string& fault) {
  if (fault.empty()) return value;
  return Fail(ErrorCode::kInvalidArgument, std::string("in the ") + what + ", " + fault);
}

ChainSpec ReadSpec(const Json& json, const std::string& path, std::string& fault) {
  constexpr std::uint64_t kRoundsMax = 100'000'000;
  constexpr std::uint64_t kCommitsMax = 100'000'000;
  constexpr std::uint64_t kGcDepthMax = 1000;  // What consensus bears.
  // Any evidence, and any dealing of the largest committee, must fit.
  constexpr std::uint64_t kTransactionBytesMin = std::uint64_t{200} << 10;
  ObjectReader in(json, path, fault);
  ChainSpec spec;
  spec.name = in.Text("name", 1, kNameBytesMax);
  spec.gc_depth = in.Number("gc_depth", 4, kGcDepthMax);
  spec.transaction_bytes_max =
      in.Number("transaction_bytes_max", kTransactionBytesMin, kTransactionBytesMax);
  spec.transaction_fee = in.Number("transaction_fee", 0, kAmountMax);
  spec.model_fee = in.Number("model_fee", 0, kAmountMax);
  spec.open_deadline_rounds = in.Number("open_deadline_rounds", 1, 1'000'000);
  spec.attempts_in_progress_max = in.Number("attempts_in_progress_max", 1, kAttemptsInProgressMax);
  spec.pool_target_max = in.Number("pool_target_max", 0, kPoolTargetMax);
  spec.waiting_requests_max = in.Number("waiting_requests_max", 1, kWaitingMax);
  spec.funded_balance = in.Number("funded_balance", 0, kAmountMax);
  spec.epoch_commits = in.Number("epoch_commits", 1, kCommitsMax);
  spec.validators_max = in.Number("validators_max", kValidatorsMin, kValidatorsMax);
  spec.stake_min = in.Number("stake_min", 1, kStakeMax);
  spec.unbonding_rounds = in.Number("unbonding_rounds", 1, kRoundsMax);
  if (in.Has("opaque_transactions")) {
    spec.opaque_transactions = in.Number("opaque_transactions", 1, 1) == 1;
  }
  in.Finish();
  return spec;
}

ValidatorSpec ReadValidator(const Json& json, const std::string& path, std::string& fault) {
  ObjectReader in(json, path, fault);
  ValidatorSpec validator;
  validator.name = in.Text("name", 1, kNameBytesMax);
  validator.key = in.Key("public_key");
  validator.coin_key = in.Hex<33>("coin_key");
  PublicKey x;
  std::copy(validator.coin_key.begin() + 1, validator.coin_key.end(), x.bytes.begin());
  if ((validator.coin_key[0] != 2 && validator.coin_key[0] != 3) || !x.OnCurve()) {
    in.Refuse("coin_key", "is no compressed point of the curve");
  }
  validator.certificate = in.Text("certificate", 1, kCertificateBytesMax);
  validator.certificate_signature = Signature{in.Hex<64>("certificate_signature")};
  if (fault.empty() && !Verify(validator.key, CertificateDigest(validator.certificate),
                               validator.certificate_signature)) {
    in.Refuse("certificate_signature", "is not the validator's over its certificate");
  }
  validator.peer_address = in.Address("peer_address");
  validator.rpc_address = in.Address("rpc_address");
  in.Finish();
  return validator;
}

void CheckValidators(ObjectReader& in, const Genesis& genesis) {
  std::set<std::string> names;
  std::set<std::string> addresses;
  std::set<std::string> certificates;
  for (std::size_t i = 0; i < genesis.validators.size(); ++i) {
    const ValidatorSpec& validator = genesis.validators[i];
    if (i > 0 && !(genesis.validators[i - 1].key < validator.key)) {
      in.Refuse("validators", "must be ascending by public_key");
    }
    if (!names.insert(validator.name).second) in.Refuse("validators", "share a name");
    if (!certificates.insert(validator.certificate).second) {
      in.Refuse("validators", "share a certificate");
    }
    if (!addresses.insert(validator.peer_address).second) {
      in.Refuse("validators", "share a peer_address");
    }
  }
}

Json SpecJson(const ChainSpec& spec) {
  Json json = {{"name", spec.name},
               {"gc_depth", spec.gc_depth},
               {"transaction_bytes_max", spec.transaction_bytes_max},
               {"transaction_fee", spec.transaction_fee},
               {"model_fee", spec.model_fee},
               {"open_deadline_rounds", spec.open_deadline_rounds},
               {"attempts_in_progress_max", spec.attempts_in_progress_max},
               {"pool_target_max", spec.pool_target_max},
               {"waiting_requests_max", spec.waiting_requests_max},
               {"funded_balance", spec.funded_balance},
               {"epoch_commits", spec.epoch_commits},
               {"validators_max", spec.validators_max},
               {"stake_min", spec.stake_min},
               {"unbonding_rounds", spec.unbonding_rounds}};
  if (spec.opaque_transactions) json["opaque_transactions"] = 1;
  return json;
}

}  // namespace

CoinPublicKey Genesis::coin_key() const {
  CoinPublicKey key{coin_threshold, {}};
  for (const ValidatorSpec& validator : validators) key.verification.push_back(validator.coin_key);
  return key;
}

std::vector<PublicKey> Genesis::keys() const {
  std::vector<PublicKey> keys;
  for (const ValidatorSpec& validator : validators) keys.push_back(validator.key);
  return keys;
}

Result<ChainSpec> ParseChainSpec(std::string_view text) {
  const auto json = Parse(text, "chain spec");
  if (!json) return tl::unexpected(json.error());
  std::string fault;
  ChainSpec spec = ReadSpec(*json, "", fault);
  return Finished(std::move(spec), "chain spec", fault);
}

Result<Genesis> ParseGenesis(std::string_view text) {
  const auto json = Parse(text, "genesis document");
  if (!json) return tl::unexpected(json.error());
  std::string fault;
  ObjectReader in(*json, "", fault);
  Genesis genesis;
  genesis.spec = ReadSpec(in.Object("spec"), "spec", fault);
  const Json& validators = in.List("validators", kValidatorsMin, kValidatorsMax);
  for (std::size_t i = 0; i < validators.size() && fault.empty(); ++i) {
    genesis.validators.push_back(
        ReadValidator(validators[i], "validators[" + std::to_string(i) + "]", fault));
  }
  CheckValidators(in, genesis);
  const Committee committee(
      static_cast<std::uint16_t>(std::max(validators.size(), kValidatorsMin)));
  genesis.coin_threshold = static_cast<std::uint16_t>(
      in.Number("coin_threshold", committee.validity(), committee.quorum()));
  std::uint64_t supply = validators.size() * genesis.spec.stake_min;
  const Json& accounts = in.List("accounts", 0, kGenesisAccountsMax);
  for (std::size_t i = 0; i < accounts.size() && fault.empty(); ++i) {
    ObjectReader account(accounts[i], "accounts[" + std::to_string(i) + "]", fault);
    const PublicKey key = account.Key("public_key");
    const std::uint64_t balance = account.Number("balance", 0, kAmountMax - supply);
    account.Finish();
    supply += balance;
    if (!genesis.accounts.empty() && !(genesis.accounts.back().key < key)) {
      in.Refuse("accounts", "must be ascending by public_key");
    }
    genesis.accounts.push_back({key, balance});
  }
  in.Finish();
  return Finished(std::move(genesis), "genesis document", fault);
}

std::string FormatChainSpec(const ChainSpec& spec) {
  return SpecJson(spec).dump(2) + "\n";
}

std::string FormatGenesis(const Genesis& genesis) {
  Json validators = Json::array();
  for (const ValidatorSpec& validator : genesis.validators) {
    validators.push_back({{"name", validator.name},
                          {"public_key", validator.key.hex()},
                          {"coin_key", ToHex(validator.coin_key)},
                          {"certificate", validator.certificate},
                          {"certificate_signature", ToHex(validator.certificate_signature.span())},
                          {"peer_address", validator.peer_address},
                          {"rpc_address", validator.rpc_address}});
  }
  Json accounts = Json::array();
  for (const FundedAccount& account : genesis.accounts) {
    accounts.push_back({{"public_key", account.key.hex()}, {"balance", account.balance}});
  }
  const Json document = {{"spec", SpecJson(genesis.spec)},
                         {"coin_threshold", genesis.coin_threshold},
                         {"validators", validators},
                         {"accounts", accounts}};
  return document.dump(2) + "\n";
}

Digest ChainId(const Genesis& genesis) {
  return Hash("waxseal/genesis", {AsBytes(FormatGenesis(genesis))});
}

Digest CertificateDigest(std::string_view pem) {
  return Hash("waxseal/certificate", {AsBytes(pem)});
}

Result<> CheckValidatorSpec(const ValidatorSpec& validator) {
  const auto refuse = [](const char* what) { return Fail(ErrorCode::kInvalidArgument, what); };
  const auto sized = [](const std::string& text, std::size_t size_max) {
    return !text.empty() && text.size() <= size_max && IsPrintable(text);
  };
  if (!sized(validator.name, kNameBytesMax)) return refuse("the name is not 1 to 64 characters");
  if (!sized(validator.certificate, kCertificateBytesMax)) {
    return refuse("the certificate is not printable or too long");
  }
  for (const std::string* address : {&validator.peer_address, &validator.rpc_address}) {
    if (!sized(*address, kAddressBytesMax) || !IsAddress(*address)) {
      return refuse("an address is not host:port");
    }
  }
  if (!validator.key.OnCurve()) return refuse("the key is no public key");
  if (!Verify(validator.key, CertificateDigest(validator.certificate),
              validator.certificate_signature)) {
    return refuse("the certificate is not signed by the validator's key");
  }
  return {};
}

}  // namespace proto
